"""How far a decoded picture is from the original.

Images are [..., H, W, C] arrays in [0, 1] (`peak=1.0`, the default) or in 0..255 (`peak=255.0`), also uint8. A batch
gives one figure for each image. Arithmetic is in float32, and both figures have gradients.

    >>> import jax.numpy as jnp
    >>> from gllmm_jax.metrics import ms_ssim, psnr
    >>> x = jnp.full((2, 64, 64, 3), 0.5)
    >>> print(f"{psnr(x, x + 0.1)[0]:.2f} dB")
    20.00 dB
    >>> ms_ssim(x, x).shape
    (2,)
"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

WINDOW = 11
"""Side of the Gaussian window, in pixels."""

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponent of each scale, finest first. Source: Wang, Simoncelli and Bovik, Asilomar 2003, section 3.2."""

_K1, _K2 = 0.01, 0.03  # Wang et al., IEEE TIP 2004, section III.B
_FLOOR = 1e-6


def psnr(
    a: Real[ArrayLike, "*batch H W C"], b: Real[ArrayLike, "*batch H W C"], peak: float = 1.0
) -> Float[Array, "*batch"]:
    """Peak signal-to-noise ratio in dB, over all pixels and channels.

    If `a` equals `b`, it is infinite and its gradient is zero. Raises `ValueError` if the shapes differ.
    """
    a, b = _float_pair(a, b)
    mse = jnp.mean(jnp.square(a - b), axis=(-3, -2, -1))
    equal = mse == 0
    figure = 20 * jnp.log10(jnp.float32(peak)) - 10 * jnp.log10(jnp.where(equal, 1, mse))
    return jnp.where(equal, jnp.inf, figure)  # twice: the gradient of log10(0), NaN, survives one


@functools.partial(jax.jit, static_argnames="peak")
def ms_ssim(
    a: Real[ArrayLike, "*batch H W C"], b: Real[ArrayLike, "*batch H W C"], peak: float = 1.0
) -> Float[Array, "*batch"]:
    """Multi-scale structural similarity in [0, 1], the mean over the colour planes.

    There are five scales. Each is half the scale before, by 2x2 averages; an odd last row or column is left out. The
    window takes only positions where it fits inside the picture. In a picture with a side below 176 pixels it does not
    fit into the fifth scale. Such a picture is judged on the scales where the window fits, with weights rescaled to sum
    to 1; its figure is not comparable with those of larger pictures. With a side below 11 pixels it is NaN. Raises
    `ValueError` if the shapes differ.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003.
    """
    a, b = _float_pair(a, b)
    scales = scale_count(a.shape[-3], a.shape[-2])
    if scales == 0:
        return jnp.full(a.shape[:-3], jnp.nan, jnp.float32)
    weights = jnp.asarray(SCALE_WEIGHTS[:scales], jnp.float32)
    weights = weights / weights.sum()
    score = jnp.ones((*a.shape[:-3], a.shape[-1]), jnp.float32)
    for scale in range(scales):
        luminance, contrast = _similarity(a, b, peak)
        term = contrast if scale < scales - 1 else luminance * contrast
        # A negative mean (a picture against its negative) has no real power; the floor keeps the gradient finite too.
        score = score * jnp.maximum(term.mean(axis=(-3, -2)), _FLOOR) ** weights[scale]
        a, b = _halve(a), _halve(b)
    return score.mean(axis=-1)


def scale_count(height: int, width: int) -> int:
    """How many of the five scales of `ms_ssim` a picture of this size has: 5 from 176 pixels on, 0 below 11."""
    side = min(height, width)
    return sum((side >> scale) >= WINDOW for scale in range(len(SCALE_WEIGHTS)))


def _float_pair(a: ArrayLike, b: ArrayLike) -> tuple[jax.Array, jax.Array]:
    a, b = jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)
    if a.shape != b.shape or a.ndim < 3:
        raise ValueError(f"two images of one shape [..., H, W, C] are needed, got {a.shape} and {b.shape}")
    return a, b


def _similarity(a: jax.Array, b: jax.Array, peak: float) -> tuple[jax.Array, jax.Array]:
    """Maps of luminance and of contrast-structure similarity. Source: Wang et al., IEEE TIP 2004, equations 6 to 13."""
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    middle = peak / 2  # taken away first: E[x^2] - E[x]^2 loses half of float32's digits to a bright mean
    a, b = a - middle, b - middle
    mean_a, mean_b, square_a, square_b, product = _blur(jnp.stack([a, b, a * a, b * b, a * b]))
    contrast = 2 * (product - mean_a * mean_b) + c2
    contrast = contrast / (square_a - mean_a * mean_a + square_b - mean_b * mean_b + c2)
    mean_a, mean_b = mean_a + middle, mean_b + middle
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    return luminance, contrast


def _blur(x: jax.Array) -> jax.Array:
    """Gaussian window at every position where it fits: [..., H, W, C] -> [..., H - 10, W - 10, C]."""
    taps = jnp.exp(-0.5 * ((jnp.arange(WINDOW, dtype=jnp.float32) - WINDOW // 2) / SIGMA) ** 2)
    taps = (taps / taps.sum()).astype(jnp.float32)
    for axis in (-3, -2):
        size = x.shape[axis] - WINDOW + 1
        x = functools.reduce(
            jnp.add, (taps[i] * jax.lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(WINDOW))
        )
    return x


def _halve(x: jax.Array) -> jax.Array:
    """Means of 2x2 blocks."""
    height, width = x.shape[-3] // 2, x.shape[-2] // 2
    x = x[..., : 2 * height, : 2 * width, :]
    return x.reshape(*x.shape[:-3], height, 2, width, 2, x.shape[-1]).mean(axis=(-4, -2))
