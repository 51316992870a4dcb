"""Curves: identities, and the `bjontegaard` package as an independent word."""

from typing import Any

import bjontegaard
import numpy as np
import pytest

from gllmm_jax.evaluate.bdrate import Curve, bd_rate, psnr_at

JPEG = Curve([0.25, 0.41, 0.66, 1.02, 1.48, 2.2], [25.9, 28.6, 30.8, 32.9, 34.7, 37.1])
BETTER = Curve([0.12, 0.3, 0.55, 0.9, 1.6], [27.0, 30.1, 32.8, 35.0, 38.2])


def cheaper(curve: Curve, factor: float) -> Curve:
    return Curve([factor * bpp for bpp in curve.bpp], curve.psnr)


def test_a_curve_with_itself_is_zero():
    assert bd_rate(JPEG, JPEG) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("factor", "percent"), [(0.9, -10), (0.5, -50), (1.25, 25)])
def test_a_scaled_curve_is_its_scale(factor, percent):
    assert bd_rate(JPEG, cheaper(JPEG, factor)) == pytest.approx(percent, abs=1e-9)


def test_the_order_of_points_does_not_matter():
    assert bd_rate(Curve(JPEG.bpp[::-1], JPEG.psnr[::-1]), BETTER) == pytest.approx(bd_rate(JPEG, BETTER), abs=1e-9)


def test_agrees_with_the_bjontegaard_package():
    points = [np.array(values) for values in (JPEG.bpp, JPEG.psnr, BETTER.bpp, BETTER.psnr)]
    expected: Any = bjontegaard.bd_rate(*points, method="akima", min_overlap=0, require_matching_points=False)
    assert expected < -20
    assert bd_rate(JPEG, BETTER) == pytest.approx(expected, abs=0.02)


def test_psnr_at_passes_through_the_points_and_stops_at_the_ends():
    for bpp, psnr in zip(*JPEG, strict=True):
        assert psnr_at(JPEG, bpp) == pytest.approx(psnr)
    assert JPEG.psnr[1] < psnr_at(JPEG, 0.5) < JPEG.psnr[2]
    assert np.isnan(psnr_at(JPEG, 0.2))
    assert np.isnan(psnr_at(JPEG, 3.0))


def test_curves_that_share_no_quality_have_no_difference():
    assert np.isnan(bd_rate(JPEG, Curve([0.1, 0.2], [50.0, 60.0])))


@pytest.mark.parametrize(
    "curve",
    [
        Curve([1.0], [30.0]),
        Curve([1.0, 2.0], [30.0]),
        Curve([0.0, 2.0], [30.0, 31.0]),
        Curve([1.0, 2.0], [30.0, 29.0]),
        Curve([1.0, 1.0], [30.0, 31.0]),
        Curve([1.0, 2.0], [30.0, float("inf")]),
    ],
)
def test_what_is_no_curve_says_so(curve):
    with pytest.raises(ValueError, match="curve"):
        bd_rate(JPEG, curve)
