"""Other codecs: what comes back is the picture, the search hits the size, stored points become curves."""

import math

import numpy as np
import pytest

from gllmm_jax.evaluate import peers
from gllmm_jax.evaluate.files import Row


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Something smooth with an edge and a little noise, uint8 [64, 96, 3]."""
    y, x = np.mgrid[:64, :96]
    planes = np.stack([2 * x, 3 * y, 128 + 60 * np.sign(x - y)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 6, planes.shape)
    return np.clip(planes + noise, 0, 255).astype(np.uint8)


def test_jpeg_and_webp_are_always_there():
    assert {"jpeg-4:2:0", "jpeg-4:4:4", "webp"} <= set(peers.available())


@pytest.mark.parametrize("name", peers.available())
def test_better_quality_is_larger_and_closer(name, photograph):
    low, high = peers.rows(name, photograph, "it", qualities=(20, 90))
    assert low["bytes"] < high["bytes"]
    assert low["psnr"] is not None
    assert high["psnr"] is not None
    assert 20 < low["psnr"] < high["psnr"]
    assert low["bpp"] == pytest.approx(8 * low["bytes"] / (64 * 96))


def test_gray_stays_gray(photograph):
    gray = photograph[..., :1]
    for name in ("jpeg-4:2:0", "webp"):
        assert peers.decode(peers.encode(name, gray, 80), 1).shape == gray.shape


@pytest.mark.parametrize("size", [700, 1200, 2500])
def test_at_size_is_the_smallest_file_that_is_not_smaller(size, photograph):
    quality, data = peers.at_size("jpeg-4:2:0", photograph, size)
    assert len(data) >= size
    assert len(peers.encode("jpeg-4:2:0", photograph, quality - 1)) < size


def test_at_size_outside_the_scale_takes_its_end(photograph):
    assert peers.at_size("jpeg-4:4:4", photograph, 10**9)[0] == 96
    assert peers.at_size("jpeg-4:4:4", photograph, 1)[0] == 1


def row(bpp: float, psnr: float | None) -> Row:
    return Row(image="a", quality=None, bytes=0, bpp=bpp, psnr=psnr, msssim=None)


def test_a_curve_leaves_out_points_that_cost_more_and_give_less():
    points = [row(1.0, 33.0), row(0.5, 30.0), row(0.7, 29.5), row(0.5, 29.0), row(2.0, None)]
    assert peers.curve(points) == ([0.5, 1.0], [30.0, 33.0])


def test_stored_points(tmp_path):
    path = tmp_path / "points.csv"
    lines = [
        "codec,setting,image,bytes,bpp,psnr,msssim",
        "x,1,a,10,0.5,30,0.9",
        "x,2,a,20,1.0,33,0.95",
        "x,1,b,9,0.4,31,0.9",
    ]
    path.write_text("\n".join(lines))
    points = peers.read_points(path)
    assert [row["bytes"] for row in points["x"]["a"]] == [10, 20]
    assert peers.psnr_at_equal_rate(points["x"]["a"], 1.0) == pytest.approx(33)
    assert math.isnan(peers.psnr_at_equal_rate(points["x"]["a"], 1.1))
