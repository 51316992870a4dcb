"""TensorFlow-Compression's coder, where it is installed; where it is not, what is said about it."""

import importlib.util
import sys

import numpy as np
import pytest

from gllmm_jax.cli import main
from gllmm_jax.codec.codec import Codec
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.order.context import Context
from gllmm_jax.walk.latents import decode_latents, encode_latents
from tests.codec.twins import FAST, MU, PLAIN, STATIC, carried, twin

INSTALLED = importlib.util.find_spec("tensorflow_compression_ops") is not None
needs_tfc = pytest.mark.skipif(not INSTALLED, reason="runs in the environment of the extra tfc")


@needs_tfc
@pytest.mark.parametrize("config", [MU, PLAIN], ids=lambda c: c.preset)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (7, 3), (16, 24)])
def test_round_trip_and_size(config, size):
    y, z = carried(config, *size)
    data = encode_latents(twin(config), y, z, coder="tfc")
    y_again, z_again = decode_latents(twin(config), data, size, coder="tfc")
    assert (y_again == y).all() and (z_again == z).all()
    assert len(data) <= 1.003 * len(encode_latents(twin(config), y, z)) + 4


@needs_tfc
@pytest.mark.parametrize("config", [MU, FAST, STATIC], ids=lambda c: c.preset)
def test_all_activities(config):
    y, z = carried(config, 9, 8)
    y = y * 0
    y[..., 3], y[2, 2, 5] = -8191, 8191
    for latents in (y, y * 0):
        data = encode_latents(twin(config), latents, z, coder="tfc")
        assert (decode_latents(twin(config), data, (9, 8), coder="tfc")[0] == latents).all()


@needs_tfc
def test_files_say_which_coder(mu_codec, photograph):
    image = photograph(50, 70)
    data, report = mu_codec.encode(image, coder="tfc")
    assert report.coder == container.unpack(data)[0].coder == "tfc"
    other = mu_codec.encode(image)
    assert report.latents_crc32 == other.report.latents_crc32
    assert np.array_equal(mu_codec.decompress(data), mu_codec.decompress(other.data))


@needs_tfc
def test_damage_is_an_error(mu_codec, photograph):
    """Behind checksums that were mended, as somebody with bad intentions would."""
    data = mu_codec.encode(photograph(20, 30), coder="tfc").data
    header, stream = container.unpack(data)
    damaged = [stream[:n] for n in (0, 1, 2, len(stream) // 2, len(stream) - 1)]
    for place in np.random.default_rng(0).integers(8, 8 * len(stream) - 16, 12):
        bad = bytearray(stream)
        bad[place // 8] ^= 1 << (place % 8)
        damaged.append(bytes(bad))
    for bad in damaged:
        with pytest.raises(BitstreamError):
            mu_codec.decompress(container.pack(header, bad))


@needs_tfc
def test_a_small_file_cannot_announce_much(mu_codec, photograph, monkeypatch):
    """Nothing of the picture's size is made or walked: what comes first does not add up."""
    header, stream = container.unpack(mu_codec.encode(photograph(20, 30), coder="tfc").data)
    monkeypatch.delattr(Context, "stages")
    with pytest.raises(BitstreamError, match="damaged"):
        mu_codec.decompress(container.pack(header._replace(height=3000, width=3000), stream))


def test_without_the_extra(mu_codec, mu_file, photograph, photo, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_compression_ops", None)
    for module in ("gllmm_jax.entropy.tfc", "gllmm_jax.walk.binary"):
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.delattr(module, raising=False)
    with pytest.raises(ImportError, match=r"gllmm-jax\[tfc\]"):
        mu_codec.encode(photograph(20, 20), coder="tfc")
    header, stream = container.unpack(mu_codec.compress(photograph(20, 20)))
    data = container.pack(header._replace(coder="tfc"), stream)
    with pytest.raises(ImportError, match=r"gllmm-jax\[tfc\]"):
        mu_codec.decompress(data)
    file = tmp_path / "x.gllm"
    file.write_bytes(data)
    for command in (["compress", photo, "--coder", "tfc"], ["decompress", file]):
        assert main([*map(str, command), "--model", str(mu_file)]) == 2
        assert capsys.readouterr().err.count("pip install 'gllmm-jax[tfc]'") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "x.gllm"]


def test_no_such_coder(mu_codec, photograph):
    with pytest.raises(ValueError, match="no coder 'huffman'"):
        Codec.encode(mu_codec, photograph(20, 20), coder="huffman")
