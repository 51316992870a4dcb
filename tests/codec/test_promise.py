"""Files stay readable: versions of the arithmetic, weights told apart by what they do and found by it."""

import hashlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.find import codec_for
from gllmm_jax.codec.fingerprint import of_header, of_weights
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.walk import arithmetic, latents

WITHDRAWN = {"light-vr.npz", "light-vr-2.npz"}
"""Weights that left before the first release. Their names are not used again."""

SHIPPED = json.loads((Path(__file__).parent.parent / "golden" / "shipped.json").read_text())


@pytest.fixture(scope="module")
def image(photograph):
    return photograph(24, 40)


@pytest.fixture(scope="module")
def retrained(mu_weights):
    """Weights of the same name whose g_s alone has learned something else."""
    learned = jax.tree.map(lambda leaf: leaf * np.float16(1.25), mu_weights.params["g_s"])
    return mu_weights._replace(params=mu_weights.params | {"g_s": learned})


def test_a_later_arithmetic_leaves_the_first_readable(mu_codec, image, monkeypatch):
    """A made-up version 2, whose streams are those of version 1 backwards."""
    data = mu_codec.compress(image)
    header, stream = container.unpack(data)
    assert header.arithmetic == arithmetic.NEWEST == 1
    later = container.pack(header._replace(arithmetic=2), stream[::-1])
    with pytest.raises(BitstreamError, match=r"needs version 2 of the exact arithmetic.*no later one than 1: upgrade"):
        mu_codec.decompress(later)

    def backwards(twin, stream, size, **options):
        return latents.decode_latents(twin, stream[::-1], size, **options)

    monkeypatch.setitem(arithmetic.DECODERS, 2, backwards)
    assert np.array_equal(mu_codec.decompress(later), mu_codec.decompress(data))
    assert np.array_equal(mu_codec.decompress_many([later] * 2, batch=2)[1], mu_codec.decompress(data))


def test_another_synthesis_is_told_and_may_be_accepted(mu_codec, retrained, image):
    data, other = mu_codec.compress(image), Codec(retrained)
    assert other.fingerprints.entropy == mu_codec.fingerprints.entropy
    with pytest.raises(BitstreamError, match=r"reads the file but would show another picture.*other_synthesis=True"):
        other.decompress(data)
    assert all(map(np.array_equal, other.unpack(data)[1:], mu_codec.unpack(data)[1:]))
    assert not np.array_equal(other.decompress(data, other_synthesis=True), mu_codec.decompress(data))
    assert of_header(container.unpack(other.compress(image))[0]) == other.fingerprints


def test_what_is_not_shown_changes_no_fingerprint(mu_weights):
    renamed = mu_weights._replace(name="other", provenance={})
    analysis = mu_weights._replace(params={k: v for k, v in mu_weights.params.items() if k != "g_a"})
    assert of_weights(mu_weights) == of_weights(renamed) == of_weights(analysis)


def test_weights_are_found_by_what_they_do(mu_weights, retrained, image, tmp_path, install, monkeypatch):
    """Of two weights of one name those that made the file, whatever the names of the files they lie in."""
    zoo.save(tmp_path / "mu-random.npz", retrained)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    header = container.unpack(Codec(mu_weights).compress(image))[0]
    install(tmp_path / "empty")
    with pytest.raises(BitstreamError, match=rf"needs the weights 'mu-random'.*empty \(no such folder\).*{zoo.PLACES}"):
        codec_for(header)
    monkeypatch.setenv(zoo.PLACES, str(tmp_path))
    with pytest.raises(BitstreamError, match="'mu-random' would show another picture, other_synthesis=True"):
        codec_for(header)
    assert codec_for(header, other_synthesis=True).fingerprints == of_weights(retrained)
    zoo.save(tmp_path / "kept-elsewhere.npz", mu_weights)
    assert codec_for(header).fingerprints == of_header(header)


def test_shipped_weights_are_never_replaced():
    """New weights get a new name, and a line here."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(zoo.FOLDER.glob("*.npz"))}
    assert found == {name: digest for name, digest in SHIPPED.items() if name not in WITHDRAWN}
