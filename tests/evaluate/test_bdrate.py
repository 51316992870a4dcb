"""Curves: identities, and differences that are known beforehand."""

import numpy as np
import pytest

from gllmm_jax.evaluate.bdrate import Curve, difference, psnr_at, rising

JPEG = Curve([0.25, 0.41, 0.66, 1.02, 1.48, 2.2], [25.9, 28.6, 30.8, 32.9, 34.7, 37.1])
BETTER = Curve([0.12, 0.3, 0.55, 0.9, 1.6], [27.0, 30.1, 32.8, 35.0, 38.2])


def cheaper(curve: Curve, factor: float) -> Curve:
    return Curve([factor * bpp for bpp in curve.bpp], curve.psnr)


def test_a_curve_with_itself_is_zero():
    found = difference(JPEG, JPEG)
    assert found == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9), 25.9, 37.1, 1.0, 6)


@pytest.mark.parametrize(("factor", "percent"), [(0.9, -10), (0.5, -50), (1.25, 25)])
def test_a_scaled_curve_is_its_scale(factor, percent):
    found = difference(JPEG, cheaper(JPEG, factor))
    assert found.rate == pytest.approx(percent, abs=1e-9)
    assert (found.quality > 0) == (factor < 1)


def test_a_raised_curve_is_that_much_better():
    assert difference(JPEG, JPEG._replace(psnr=[psnr + 0.7 for psnr in JPEG.psnr])).quality == pytest.approx(0.7)


def test_the_order_of_points_does_not_matter():
    turned = Curve(JPEG.bpp[::-1], JPEG.psnr[::-1])
    assert difference(turned, BETTER) == pytest.approx(difference(JPEG, BETTER), abs=1e-9)


def test_the_mean_is_over_what_both_reach():
    """Worked out by numerical integration of Akima's curves."""
    grid = np.linspace(27.0, 37.1, 20001)
    logs = [_log_rate(curve, grid) for curve in (JPEG, BETTER)]
    found = difference(JPEG, BETTER)
    assert (found.low, found.high, found.points) == (27.0, 37.1, 5)
    assert found.overlap == pytest.approx((37.1 - 27.0) / (38.2 - 25.9))
    assert found.rate == pytest.approx(100 * np.expm1(np.mean(logs[1] - logs[0])), abs=0.05)
    assert found.rate < -20 and found.quality > 1


def _log_rate(curve: Curve, psnr: np.ndarray) -> np.ndarray:
    from scipy.interpolate import Akima1DInterpolator

    return Akima1DInterpolator(curve.psnr, np.log(curve.bpp))(psnr)


def test_psnr_at_passes_through_the_points_and_stops_at_the_ends():
    for bpp, psnr in zip(*JPEG, strict=True):
        assert psnr_at(JPEG, bpp) == pytest.approx(psnr)
    assert JPEG.psnr[1] < psnr_at(JPEG, 0.5) < JPEG.psnr[2]
    assert np.isnan(psnr_at(JPEG, 0.2))
    assert np.isnan(psnr_at(JPEG, 3.0))


def test_curves_that_share_no_quality_have_no_difference():
    found = difference(JPEG, Curve([0.1, 0.2], [50.0, 60.0]))
    assert np.isnan([found.rate, found.quality]).all() and found.overlap == 0


def test_curves_that_share_no_rate_have_no_difference_in_quality():
    found = difference(JPEG, cheaper(JPEG, 0.01))
    assert found.rate == pytest.approx(-99) and np.isnan(found.quality)


def test_a_curve_leaves_out_points_that_cost_more_and_give_less():
    points = [(1.0, 33.0), (0.5, 30.0), (0.7, 29.5), (0.5, 29.0), (2.0, None)]
    assert rising(points) == ([0.5, 1.0], [30.0, 33.0])


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
        difference(JPEG, curve)
