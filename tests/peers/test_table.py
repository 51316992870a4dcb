"""Other codecs: what comes back is the picture, the search hits the size, what is missing is named."""

import sys

import numpy as np
import pytest

from gllmm_jax.metrics import psnr
from gllmm_jax.peers import ffmpeg, published, table

ENDS = {"jpeg2000": (60, 8), "hevc-x265-4:4:4": (40, 24), "vvc-vvenc-4:2:0": (45, 30)}
"""A low and a high quality, of those whose numbers are not from 0 to 100."""


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Something smooth with an edge and a little noise, uint8 [71, 96, 3]."""
    y, x = np.mgrid[:71, :96]
    planes = np.stack([2 * x, 3 * y, 128 + 60 * np.sign(x - y)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 6, planes.shape)
    return np.clip(planes + noise, 0, 255).astype(np.uint8)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return float(psnr(a, b, 255.0))


def needs(name: str) -> None:
    if (why := table.missing(name)) is not None:
        pytest.skip(f"{name}: {why}")


def test_those_of_pillow_are_always_there():
    assert {"jpeg-4:2:0", "jpeg-4:4:4", "jpeg2000", "webp"} <= set(table.available())


@pytest.mark.parametrize("name", table.PEERS)
def test_better_quality_is_larger_and_closer(name, image):
    needs(name)
    files = [table.encode(name, image, quality) for quality in ENDS.get(name, (20, 90))]
    low, high = (decibels(image, table.decode(name, data, image.shape)) for data in files)
    assert len(files[0]) < len(files[1])
    assert 18 < low < high


@pytest.mark.parametrize("name", table.PEERS)
def test_gray_stays_gray(name, image):
    needs(name)
    gray = image[..., :1]
    back = table.decode(name, table.encode(name, gray, ENDS.get(name, (20, 90))[1]), gray.shape)
    assert back.shape == gray.shape and back.dtype == np.uint8
    assert decibels(gray, back) > 25


@pytest.mark.parametrize("name", ["hevc-x265-4:4:4", "vvc-vvenc-4:2:0"])
def test_one_pixel_is_a_picture(name):
    needs(name)
    pixel = np.array([[[200, 30, 90]]], np.uint8)
    back = table.decode(name, table.encode(name, pixel, 20), pixel.shape)
    assert np.abs(back.astype(int) - pixel).max() < 12


@pytest.mark.parametrize("name", table.PEERS)
def test_a_curve_is_made_of_qualities_in_their_order(name):
    peer = table.PEERS[name]
    places = [peer.qualities.index(quality) for quality in peer.curve]
    assert places == sorted(places) and len(places) >= 10


@pytest.mark.parametrize("size", [700, 1200, 2500])
def test_at_size_is_the_smallest_file_that_is_not_smaller(size, image):
    quality, data = table.at_size("jpeg-4:2:0", image, size)
    assert len(data) >= size
    assert len(table.encode("jpeg-4:2:0", image, quality - 1)) < size


def test_at_size_outside_the_scale_takes_its_end(image):
    assert table.at_size("jpeg-4:4:4", image, 10**9)[0] == 96
    assert table.at_size("jpeg-4:4:4", image, 1)[0] == 1


def test_names_begin_others():
    assert table.named(["jpeg", "vvc", "jpeg-4:2:0"]) == ["jpeg-4:2:0", "jpeg-4:4:4", "vvc-vvenc-4:2:0"]
    with pytest.raises(ValueError, match=r"no other codec 'jpe'; there are: jpeg-4:2:0, .*vvc-vvenc"):
        table.named(["jpe"])


def test_a_missing_library_is_told_with_its_remedy(monkeypatch, image):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    ffmpeg.encoders.cache_clear()
    for name in ("jxl-e7", "hevc-x265-4:4:4", "vvc-vvenc-4:2:0"):
        assert (table.missing(name) or "").endswith("pip install 'gllmm-jax[peers]'")
        assert name not in table.available()
        with pytest.raises(ImportError, match="peers"):
            table.encode(name, image, 30)


def test_an_ffmpeg_without_the_encoder_is_told(monkeypatch):
    monkeypatch.setattr(ffmpeg, "encoders", lambda: frozenset({"libx265"}))
    assert table.missing("hevc-x265-4:4:4") is None
    assert table.missing("vvc-vvenc-4:2:0") == "its ffmpeg has no libvvenc: pip install --upgrade imageio-ffmpeg"


def test_damage_is_an_error_in_one_line():
    needs("hevc-x265-4:4:4")
    with pytest.raises(ValueError, match=r"^ffmpeg failed: .+$"):
        table.decode("hevc-x265-4:4:4", b"nothing", (64, 64, 3))


def test_published_points_are_curves_with_their_sources():
    points = published.read()
    assert {"kodak", "clic-pro-valid"} == {point.set for point in points}
    assert all(point.source.startswith("github.com/") for point in points)
    kodak = published.read("kodak")
    for name in {point.codec for point in kodak}:
        its = [point for point in kodak if point.codec == name]
        assert len(its) >= 6
        for column in ("bpp", "psnr"):
            assert (np.diff([getattr(point, column) for point in its]) > 0).all(), name
    vtm = [point for point in kodak if point.codec == "vtm"]
    assert (vtm[3].bpp, vtm[3].psnr, vtm[3].msssim) == (0.4905, 34.262, 0.97808)
