"""The whole codec with random weights: any picture goes through, and nothing else does."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import gllmm_jax
from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, latents_crc32
from gllmm_jax.codec.export import make_weights
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.nn.model import Model
from gllmm_jax.presets import PRESETS
from gllmm_jax.walk import latents
from tests.compiled import apply

SHAPES = [(1, 1, 3), (7, 5, 1), (1, 67, 3), (20, 20, 3), (20, 20, 1), (257, 576, 3), (1997, 613, 3), (2048, 1360, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_round_trips(mu_codec, photograph, shape):
    image, size = photograph(*shape), shape[:2]
    data, report = mu_codec.encode(image)
    decoded = mu_codec.decode(data)
    assert decoded.image.shape == image.shape
    assert decoded.image.dtype == np.uint8
    assert decoded.report[:3] == (*size, report.latents_crc32)
    assert (report.bytes, report.height, report.width) == (len(data), *size)
    assert report.bpp == 8 * len(data) / (size[0] * size[1])
    assert np.array_equal(mu_codec.decompress(data), decoded.image)


def test_gray_may_have_two_axes(mu_codec, photograph):
    gray = photograph(20, 20, 1)
    data = mu_codec.compress(gray[..., 0])
    assert data == mu_codec.compress(gray) == mu_codec.compress(Image.fromarray(gray[..., 0]))
    assert mu_codec.decompress(data).shape == (20, 20, 1)


def test_chunks_go_with_the_picture(mu_codec, photograph):
    image, chunks = photograph(20, 20), {"noTe": b"a note"}
    data = mu_codec.encode(image, chunks=chunks, estimate=False).data
    assert mu_codec.unpack(data)[0].chunks == chunks
    assert len(data) == len(mu_codec.compress(image)) + 4 + 1 + 6
    assert np.array_equal(mu_codec.decompress(data), mu_codec.decompress(mu_codec.compress(image)))
    for name in ("NoTe", "note5", "nöte"):
        with pytest.raises(ValueError, match="no file can hold"):
            mu_codec.encode(image, chunks={name: b""})


def test_latents_of_ones_own(mu_codec, photograph):
    image = photograph(100, 90)
    y_hat, z_hat = mu_codec.analyse(image)
    data = mu_codec.pack(y_hat, z_hat, image.shape)
    assert data == mu_codec.compress(image)
    header, *back = mu_codec.unpack(data)
    assert (header.height, header.width, header.colour) == (100, 90, "rgb")
    assert all(map(np.array_equal, back, (y_hat, z_hat)))
    assert mu_codec.pack(y_hat.astype(np.int16), jnp.asarray(z_hat), image.shape) == data
    for shape in ((100, 90), (100, 90, 4), (100, 90, 0), (0, 90, 3), (100, 97, 3)):
        with pytest.raises(ValueError, match=r"\(height, width, 3 or 1\)|not those of a picture"):
            mu_codec.pack(y_hat, z_hat, shape)
    with pytest.raises(ValueError, match="whole numbers"):
        mu_codec.pack(y_hat + 0.4, z_hat, image.shape)
    with pytest.raises(ValueError, match="do not belong together"):
        mu_codec.pack(y_hat[..., 0], z_hat, image.shape)
    for value in (8192, -32768):
        with pytest.raises(ValueError, match="clamp_latents"):
            mu_codec.pack(np.full(y_hat.shape, value, np.int16), z_hat, image.shape)


def test_gray_is_the_mean_of_the_three_planes(mu_codec, photograph):
    data = mu_codec.compress(photograph(20, 20, 1))
    y_hat, _ = latents.decode_latents(mu_codec.twin, container.unpack(data)[1], (2, 2))
    x_hat = apply(mu_codec.config, mu_codec.params, y_hat[None].astype(np.float32), method=Model.synthesis)
    gray = np.clip(np.asarray(x_hat)[0, :20, :20].mean(-1) * 255, 0, 255)
    assert np.abs(mu_codec.decompress(data)[..., 0] - gray).max() < 0.6


def test_reports(mu_codec, photograph):
    image = photograph(96, 96)
    data, report = mu_codec.encode(image)
    assert data == mu_codec.compress(image)
    assert (report.model, report.coder) == ("mu-random", "rans")
    assert set(report.seconds) == {"analysis", "entropy", "estimate"}
    # loosely: random weights put many latents where probabilities are at their floors, which differ
    assert abs(8 * report.bytes - report.bits_estimated) < 0.2 * report.bits_estimated + 8 * 64
    quick = mu_codec.encode(image, estimate=False).report
    assert quick.bits_estimated is None
    assert set(mu_codec.decode(data).report.seconds) == {"entropy", "synthesis"}


def test_the_checksum_is_of_little_endian_integers():
    y_hat, z_hat = np.array([[[1, -2]]], np.int32), np.array([[[3]]], np.int32)
    assert latents_crc32(y_hat, z_hat) == latents_crc32(y_hat.astype(">i8"), z_hat.astype(np.int16))
    assert latents_crc32(y_hat, z_hat) != latents_crc32(z_hat, y_hat)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        [[1, 2], [3, 4]],
        [[1, 2], [3]],
        None,
    ],
)
def test_other_arrays_are_refused(mu_codec, image):
    with pytest.raises(ValueError, match="a picture is a uint8 array"):
        mu_codec.compress(image)


def test_arrays_and_bytes_of_other_kinds(mu_codec, photograph):
    image = photograph(20, 20)
    data = mu_codec.compress(image)
    for same in (jnp.asarray(image), Image.fromarray(image), memoryview(image)):
        assert mu_codec.compress(same) == data
    for same in (bytearray(data), memoryview(data)):
        assert np.array_equal(mu_codec.decompress(same), mu_codec.decompress(data))
    for wrong in ("photo.gllm", None, list(data), np.frombuffer(data, np.uint8)):
        with pytest.raises(TypeError, match=r"a \.gllm file is given as its bytes, not as"):
            mu_codec.decompress(wrong)


def test_every_truncation_and_2000_flips(mu_codec, photograph):
    """No crash, no hang, no garbage: a damaged file is a `BitstreamError`."""
    data = mu_codec.compress(photograph(20, 20))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            mu_codec.decompress(data[:length])
    rng = np.random.default_rng(0)
    for position, mask in zip(rng.integers(0, len(data), 2000), rng.integers(1, 256, 2000), strict=True):
        damaged = bytearray(data)
        damaged[position] ^= mask
        with pytest.raises(BitstreamError):
            mu_codec.decompress(bytes(damaged))


def test_damage_below_a_valid_checksum(mu_codec, photograph):
    """As if someone had sealed the file again: the stream itself and the latents' checksum still tell."""
    data = mu_codec.compress(photograph(20, 20))
    header, stream = container.unpack(data)
    whole = mu_codec.decompress(data)
    rng = np.random.default_rng(0)
    for position, mask in zip(rng.integers(0, len(stream), 100), rng.integers(1, 256, 100), strict=True):
        damaged = bytearray(stream)
        damaged[position] ^= mask
        try:
            decoded = mu_codec.decompress(container.pack(header, bytes(damaged)))
        except BitstreamError:
            continue
        assert np.array_equal(decoded, whole)  # a bit that nobody reads
    for length in range(len(stream)):
        with pytest.raises(BitstreamError):
            mu_codec.decompress(container.pack(header, stream[:length]))


def test_announced_sizes(mu_codec, photograph):
    data = mu_codec.compress(photograph(20, 20))
    header, stream = container.unpack(data)
    with pytest.raises(BitstreamError, match="more than the limit of 399"):
        mu_codec.decompress(data, max_pixels=399)
    assert mu_codec.decompress(data, max_pixels=400).shape == (20, 20, 3)
    with pytest.raises(BitstreamError):
        mu_codec.decompress(container.pack(header._replace(height=36), stream))


def test_another_model_is_named(mu_weights, mu_codec, photograph, random_params):
    data = mu_codec.compress(photograph(20, 20))
    params = random_params(PRESETS["mu"], seed=1)
    other = make_weights("mu-other", PRESETS["mu"], params, [photograph(96, 96)])
    with pytest.raises(BitstreamError, match="made with the model 'mu-random', this is 'mu-other'"):
        Codec(other).decompress(data)
    with pytest.raises(BitstreamError, match="other weights of the name 'mu-random'"):
        Codec(other._replace(name="mu-random")).decompress(data)
    assert Codec(mu_weights._replace(name="renamed")).decompress(data).shape == (20, 20, 3)


def test_weights_on_disk_are_the_weights(mu_codec, mu_file, photograph):
    """Rounding to float16 happens before the twin is made, so a stored codec writes the same bytes."""
    image = photograph(20, 20)
    loaded = gllmm_jax.load(mu_file)
    assert gllmm_jax.load(zoo.read(mu_file)).fingerprints == loaded.fingerprints
    data = loaded.compress(image)
    assert data == mu_codec.compress(image)
    assert np.array_equal(loaded.decompress(data), mu_codec.decompress(data))


def test_weights_with_the_tables_of_another_model(mu_weights, tmp_path):
    tables = dict(mu_weights.tables)
    tables.popitem()
    zoo.save(tmp_path / "bad.npz", mu_weights._replace(tables=tables))
    with pytest.raises(zoo.WeightsError, match=r"its tables do not fit its config: \S+ is missing$"):
        gllmm_jax.load(tmp_path / "bad.npz")


def test_weights_with_the_parameters_of_another_model(mu_weights, mu_codec, photograph):
    image = photograph(20, 20)
    data = mu_codec.compress(image)
    lacking = {name: tree for name, tree in mu_weights.params.items() if name != "g_s"}
    odd = {**mu_weights.params, "context": {**mu_weights.params["context"], "bias": np.zeros(3)}}
    for params, words in ((lacking, r"g_s/.* is missing"), (odd, r"context/bias is \(3,\) and not")):
        codec = Codec(mu_weights._replace(params=params))
        with pytest.raises(zoo.WeightsError, match=f"the parameters of 'mu-random' do not fit its config: {words}"):
            codec.decompress(data, other_synthesis=True) if "g_s" in words else codec.encode(image)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(mu_weights, mu_file, value, tmp_path):
    odd = {**mu_weights.params, "context": {**mu_weights.params["context"], "bias": np.array([0, value])}}
    with pytest.raises(zoo.WeightsError, match="the parameter context/bias is not finite"):
        Codec(mu_weights._replace(params=odd))
    with np.load(mu_file) as members:
        arrays = dict(members)
    arrays["params/context/bias"][0] = value
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(zoo.WeightsError, match="the parameter context/bias is not finite"):
        gllmm_jax.load(tmp_path / "odd.npz")


def test_calibration_needs_pictures(mu_weights):
    with pytest.raises(ValueError, match="give at least one"):
        make_weights("none", PRESETS["mu"], mu_weights.params, [])
