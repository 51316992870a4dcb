"""What a file announces costs little before its stream has paid for it, and no more than its size asks for after."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.codec import latent_codec
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import Progressive
from gllmm_jax.container import container, varint
from gllmm_jax.errors import BitstreamError
from gllmm_jax.order.models import entropy_model
from gllmm_jax.presets import PRESETS
from gllmm_jax.twin import exact


@pytest.fixture(scope="module")
def progressive(photograph, random_params):
    config = dataclasses.replace(PRESETS["mu"], preset="mu-msp", msp=Progressive(width=8, depth=1))
    return Codec(make_weights("mu-msp", config, random_params(config), [photograph(96, 96)]))


def test_a_strip_counts_as_wide_as_a_latent(mu_codec, photograph, monkeypatch):
    """One pixel high, it takes sixteen times the memory that its pixels do."""
    data = mu_codec.compress(photograph(1, 100))
    assert mu_codec.decompress(data, max_pixels=100).shape == (1, 100, 3)
    monkeypatch.setattr(latent_codec, "SMALL", 0)
    assert mu_codec.decompress(data, max_pixels=1792 // 2).shape == (1, 100, 3)
    with pytest.raises(BitstreamError, match=r"strip of 100 x 1 pixels takes as much memory as 1,792 pixels"):
        mu_codec.decompress(data, max_pixels=1792 // 2 - 1)


@pytest.mark.parametrize("size", [(1, 62_500), (62_500, 1), (3, 20_000), (250, 250)])
def test_a_strip_of_latents_has_a_plane_of_its_size(progressive, size):
    model = entropy_model(progressive.twin, size)
    rows = sum(len(stage.raster) for stage in model.stages(np.zeros((0, 0, 0), np.int32)))
    assert rows < 3 * size[0] * size[1]


def test_a_convolution_holds_one_window_of_its_plane(progressive):
    """Not all nine."""
    layer = progressive.twin.nets.layers["first"]
    layer = layer._replace(bias=layer.bias[0])
    plane = jax.ShapeDtypeStruct((256, 256, layer.kernel.shape[1]), jnp.float32)
    memory = jax.jit(lambda x: exact.conv(x, layer, leak=205 / 1024)).lower(plane).compile().memory_analysis()
    if memory is not None:
        assert memory.temp_size_in_bytes < 4 * 4 * plane.size


def test_convolutions_are_what_a_library_makes_of_small_numbers(mu_codec):
    twin = mu_codec.twin
    x = jnp.asarray(np.random.default_rng(0).integers(-9, 10, (6, 7, twin.config.hyper)).astype(np.float32))
    form = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": "highest"}
    conv, up = twin.nets.layers["conv0"], twin.nets.layers["up1"]

    def wanted(layer, padding, dilation):
        kernel = layer.kernel.reshape(3, 3, *layer.kernel.shape[1:])
        total = jax.lax.conv_general_dilated(x[None], kernel, (1, 1), padding, (dilation, dilation), **form)[0]
        return exact.requantise(total, layer, leak=205 / 1024)

    assert np.array_equal(exact.conv(x, conv, leak=205 / 1024), wanted(conv, [(1, 1)] * 2, 1))
    assert np.array_equal(exact.upsample(x, up, leak=205 / 1024), wanted(up, [(1, 2)] * 2, 2))


class Endless(io.BytesIO):
    """A file that goes on with zeros for ever, and counts what was taken of it."""

    def __init__(self, data):
        super().__init__(data)
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 <= size <= 1 << 20
        self.taken += size
        return super().read(size).ljust(size, b"\0")


def test_a_file_is_read_as_far_as_it_announces(mu_codec, photograph):
    data = mu_codec.compress(photograph(300, 500))
    assert container.read(io.BytesIO(data)) == data
    header, stream = container.unpack(data)
    large = container.pack(header._replace(chunks={"exif": bytes(3 * container.FIRST)}), stream + bytes(100_000))
    for whole in (data, large):
        assert container.read(io.BytesIO(whole)) == whole
        assert container.read(io.BytesIO(whole[:-9])) == whole[:-9]
        endless = Endless(whole)
        with pytest.raises(BitstreamError, match="goes on after"):
            container.unpack(container.read(endless))
        assert endless.taken < 2 * len(whole) + container.FIRST
    for other in (b"", b"\x89PNG"):
        endless = Endless(other)
        with pytest.raises(BitstreamError, match=r"not a .gllm file"):
            container.read(endless)
        assert endless.taken == container.FIRST


def test_a_list_of_numbers_is_read_as_each_alone():
    numbers = [int(2**x) - 1 for x in np.random.default_rng(0).uniform(0, 35, 300)]
    data = b"ab" + b"".join(map(varint.write, numbers)) + b"\x85\x01"
    reader = varint.Reader(data, 2, whole="stream", part="list")
    assert reader.varints(0).tolist() == []
    assert reader.varints(300).tolist() == numbers
    assert reader.position == len(data) - 2
    for length in range(2, len(data) - 2, 37):
        with pytest.raises(BitstreamError, match="the stream is cut short"):
            varint.Reader(data[:length], 2, whole="stream", part="list").varints(300)
    for bad in (b"\xff" * 20, b"\x01" + b"\xff" * 5 + b"\x01" * 9):
        with pytest.raises(BitstreamError, match="a number in its list has no end"):
            varint.Reader(bad, whole="stream", part="list").varints(3)


def test_a_list_of_outliers_that_the_stream_cannot_hold(mu_codec, photograph):
    data = mu_codec.compress(photograph(40, 40))
    header, stream = container.unpack(data)
    with pytest.raises(BitstreamError, match=r"cut short|more outliers"):
        mu_codec.decompress(container.pack(header, varint.write(100) + stream[1:20]))
