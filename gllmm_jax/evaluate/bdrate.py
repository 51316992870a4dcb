"""Rate-distortion curves as numbers: PSNR at a given rate, and the Bjontegaard differences of two curves.

A curve is two sequences of one length, rates in bits per pixel and quality in dB, in any order. Rate and quality must
rise together: a codec whose larger file is worse has no curve. Akima's interpolation runs over the logarithm of the
rate, as in JVET's practice. It does not overshoot between unevenly spaced points, as a cubic through all points does.
The package `bjontegaard` computes the differences.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

FEW = 4
"""The differences of a curve with fewer points are unreliable."""


class Curve(NamedTuple):
    """`bpp` in bits per pixel and `psnr` (or MS-SSIM) in dB. Both rise together in sorted order."""

    bpp: Sequence[float]
    psnr: Sequence[float]


class Difference(NamedTuple):
    """The difference between a curve and the anchor's curve, where both have points.

    `rate` is the mean difference of rate at equal quality, in per cent of the anchor's rate, negative if the curve is
    cheaper. `quality` is the mean difference of quality at equal rate, in dB, positive if the curve is better. `low`
    and `high` bound the quality that both curves reach, in dB. `overlap` is the share of this range, from 0 to 1, in
    the range that the two reach together. Both differences are NaN without overlap. `points` is the number of points of
    the curve with fewer points.
    """

    rate: float
    quality: float
    low: float
    high: float
    overlap: float
    points: int


def rising(points: Iterable[tuple[float, float | None]]) -> Curve:
    """The curve through (rate, quality), cheapest point first, without points that cost more and are no better."""
    kept: list[tuple[float, float]] = []
    for bpp, psnr in sorted(points, key=lambda point: (point[0], -(point[1] or 0))):
        if psnr is not None and (not kept or (psnr > kept[-1][1] and bpp > kept[-1][0])):
            kept.append((bpp, psnr))
    return Curve([bpp for bpp, _ in kept], [psnr for _, psnr in kept])


def psnr_at(curve: Curve, bpp: float) -> float:
    """Quality of the curve in dB at `bpp`; NaN outside its range of rates. Raises `ValueError` if it is no curve."""
    rate, psnr = _sorted(curve)
    try:
        from scipy.interpolate import Akima1DInterpolator
    except ImportError as error:
        raise ImportError("curves need SciPy: pip install 'gllmm-jax[eval]'") from error
    return float(Akima1DInterpolator(np.log(rate), psnr)(np.log(bpp)))


def difference(anchor: Curve, test: Curve) -> Difference:
    """BD-rate and BD-PSNR of `test` against `anchor`. Raises `ValueError` if `anchor` or `test` is no curve.

    Source: Bjontegaard, VCEG-M33, 2001.
    """
    curves = _sorted(anchor), _sorted(test)
    low, high, overlap = _overlap([curve[1] for curve in curves])
    points = min(len(curve[0]) for curve in curves)
    if overlap == 0:
        return Difference(np.nan, np.nan, low, high, 0.0, points)
    try:
        import bjontegaard
    except ImportError as error:
        raise ImportError("BD-rates need the package bjontegaard: pip install 'gllmm-jax[eval]'") from error
    (rate_a, psnr_a), (rate_b, psnr_b) = curves
    arrays, options = (rate_a, psnr_a, rate_b, psnr_b), {"require_matching_points": False, "min_overlap": 0}
    rate = float(np.asarray(bjontegaard.bd_rate(*arrays, method="akima", **options)))
    rates_meet = _overlap([np.log(rate_a), np.log(rate_b)])[2] > 0
    quality = float(np.asarray(bjontegaard.bd_psnr(*arrays, method="akima", **options))) if rates_meet else np.nan
    return Difference(rate, quality, low, high, overlap, points)


def _overlap(ranges: list[np.ndarray]) -> tuple[float, float, float]:
    """Bounds of the overlap of two ranges, and its share of the whole."""
    low, high = max(float(one[0]) for one in ranges), min(float(one[-1]) for one in ranges)
    whole = max(float(one[-1]) for one in ranges) - min(float(one[0]) for one in ranges)
    return low, high, max(0.0, high - low) / whole


def _sorted(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Rate and quality in rising order."""
    bpp, psnr = np.asarray(curve.bpp, np.float64), np.asarray(curve.psnr, np.float64)
    if bpp.shape != psnr.shape or bpp.ndim != 1 or bpp.size < 2:
        raise ValueError(f"a curve needs as many rates as PSNRs, two or more: got {bpp.shape} and {psnr.shape}")
    order = np.argsort(bpp)
    bpp, psnr = bpp[order], psnr[order]
    if not (bpp[0] > 0 and np.isfinite(psnr).all() and (np.diff(bpp) > 0).all() and (np.diff(psnr) > 0).all()):
        raise ValueError("rate and PSNR of a curve must be finite, the rate positive, and both rise together")
    return bpp, psnr
