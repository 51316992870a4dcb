"""Rate-distortion curves as numbers: PSNR at a given rate, and the Bjontegaard difference of two curves.

A curve is two sequences of one length, rates in bits per pixel and PSNR in dB, in any order. Both must rise together: a
codec whose larger file is worse has no curve. Interpolation is Akima's, over the logarithm of the rate: it does not
overshoot between unevenly spaced points as a cubic through all of them does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """`bpp` in bits per pixel and `psnr` in dB, rising together once sorted."""

    bpp: Sequence[float]
    psnr: Sequence[float]


def psnr_at(curve: Curve, bpp: float) -> float:
    """PSNR in dB of the curve at `bpp`; NaN outside its range of rates. Raises `ValueError` where it is no curve."""
    log_rate, psnr = _sorted(curve)
    return float(_akima(log_rate, psnr)(np.log(bpp)))


def bd_rate(anchor: Curve, test: Curve) -> float:
    """Mean difference of rate at equal PSNR, in per cent of the anchor's; negative where `test` is cheaper.

    The mean is over the PSNR that both reach, of the logarithm of the rate; NaN where they share none. Raises
    `ValueError` where either is no curve.
    Source: Bjontegaard, VCEG-M33, 2001, with Akima's interpolation as in JVET's later practice.
    """
    (rate_a, psnr_a), (rate_b, psnr_b) = _sorted(anchor), _sorted(test)
    low, high = max(psnr_a[0], psnr_b[0]), min(psnr_a[-1], psnr_b[-1])
    if high <= low:
        return float("nan")
    area_a = _akima(psnr_a, rate_a).integrate(low, high)
    area_b = _akima(psnr_b, rate_b).integrate(low, high)
    return 100.0 * float(np.expm1((area_b - area_a) / (high - low)))


def _sorted(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Log rate and PSNR in rising order."""
    bpp, psnr = np.asarray(curve.bpp, np.float64), np.asarray(curve.psnr, np.float64)
    if bpp.shape != psnr.shape or bpp.ndim != 1 or bpp.size < 2:
        raise ValueError(f"a curve needs as many rates as PSNRs, two or more: got {bpp.shape} and {psnr.shape}")
    order = np.argsort(bpp)
    bpp, psnr = bpp[order], psnr[order]
    if not (bpp[0] > 0 and np.isfinite(psnr).all() and (np.diff(bpp) > 0).all() and (np.diff(psnr) > 0).all()):
        raise ValueError("rate and PSNR of a curve must be finite, the rate positive, and both rise together")
    return np.log(bpp), psnr


def _akima(x: np.ndarray, y: np.ndarray):
    try:
        from scipy.interpolate import Akima1DInterpolator
    except ImportError as error:
        raise ImportError("curves need SciPy: pip install 'gllmm-jax[eval]'") from error
    return Akima1DInterpolator(x, y)
