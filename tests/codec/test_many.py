"""Many pictures in one call."""

import dataclasses

import numpy as np
import pytest

from gllmm_jax.codec import many
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.presets import PRESETS


def test_many_are_as_each_alone_and_in_order(mu_codec, photograph):
    shapes = [(20, 20, 3), (33, 48, 1), (20, 20, 3), (20, 20, 3), (7, 5, 3)]
    images = [photograph(*shape, seed=i) for i, shape in enumerate(shapes)]
    files = mu_codec.compress_many(iter(images))
    assert files == [mu_codec.compress(image) for image in images]
    for workers in (None, 1):
        pictures = mu_codec.decompress_many(files, workers=workers)
        assert all(np.array_equal(a, mu_codec.decompress(b)) for a, b in zip(pictures, files, strict=True))
    assert mu_codec.compress_many([]) == mu_codec.decompress_many([]) == []


def test_many_stop_at_the_first_that_is_refused(mu_codec, photograph, monkeypatch):
    data = mu_codec.compress(photograph(20, 20))
    with pytest.raises(BitstreamError, match="the file is empty"):
        mu_codec.decompress_many([data, b"", data])
    with pytest.raises(BitstreamError, match="more than the limit"):
        mu_codec.decompress_many([data], max_pixels=399)
    assert [part.shape for part in mu_codec.decompress_many([data], crop=(1, 2, 3, 4))] == [(4, 3, 3)]
    with pytest.raises(ValueError, match="a batch takes whole pictures alone: leave out crop, or the batch"):
        mu_codec.decompress_many([data], batch=2, crop=(1, 2, 3, 4))
    begun = []
    monkeypatch.setattr(mu_codec, "decompress", lambda data: begun.append(data) or container.unpack(data))
    with pytest.raises(BitstreamError):
        mu_codec.decompress_many([b"", *[data] * 50], workers=1)
    assert len(begun) < 10


@pytest.mark.parametrize("order", ["raster", "none"])
def test_small_pictures_of_one_size_decode_together(mu_codec, photograph, random_params, order):
    """In one program; all others as ever: larger ones, and the last of a size."""
    codec = mu_codec
    if order == "none":
        config = dataclasses.replace(PRESETS["mu"], order=order)
        codec = Codec(make_weights("mu-none", config, random_params(config), [photograph(96, 96)]))
    shapes = [(20, 33, 3)] * 3 + [(600, 520, 3), (24, 40, 1), (20, 33, 3), (17, 48, 3), (20, 33, 1)]  # most 2x3 latents
    files = [codec.compress(photograph(*shape, seed=i)) for i, shape in enumerate(shapes)]
    pictures = codec.decompress_many(iter(files), batch=3)
    for picture, data, shape in zip(pictures, files, shapes, strict=True):
        assert picture.shape == shape
        assert np.abs(picture.astype(int) - codec.decompress(data)).max() <= 1
    assert codec.decompress_many([], batch=3) == []
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"a batch is a whole number of pictures, at least 1, not {wrong}"):
            codec.decompress_many(files, batch=wrong)


def test_of_small_pictures_together_every_one_is_checked(mu_codec, photograph):
    data = mu_codec.compress(photograph(20, 33))
    header, stream = container.unpack(data)
    for bad in (stream[:-1], stream[:-1] + bytes([stream[-1] ^ 1])):
        with pytest.raises(BitstreamError):
            mu_codec.decompress_many([data, container.pack(header, bad), data], batch=3)
    other = container.pack(header._replace(latents_crc32=header.latents_crc32 ^ 1), stream)
    with pytest.raises(BitstreamError, match="not the encoded ones"):
        mu_codec.decompress_many([data, other, data], batch=3)
    with pytest.raises(BitstreamError, match="more than the limit"):
        mu_codec.decompress_many([data] * 3, batch=3, max_pixels=399)


def test_no_program_is_made_if_the_first_file_is_refused(mu_codec):
    made = many._decoded.programs.made
    header, stream = container.unpack(mu_codec.compress(np.zeros((20, 20, 3), np.uint8)))
    bad = container.pack(header._replace(latents_crc32=header.latents_crc32 ^ 1), stream)
    with pytest.raises(BitstreamError, match="not the encoded ones"):
        mu_codec.decompress_many([bad] * 5, batch=5)
    assert many._decoded.programs.made == made


def test_pictures_are_taken_as_they_are_needed(mu_codec, monkeypatch):
    """An iterator of a thousand photographs must not be in memory whole before the first is compressed."""
    taken, most = [], []
    monkeypatch.setattr(mu_codec, "compress", lambda image: most.append(len(taken) - len(most)) or b"%d" % image)
    images = (taken.append(i) or i for i in range(40))
    assert mu_codec.compress_many(images, workers=2) == [b"%d" % i for i in range(40)]
    assert max(most) <= 4
