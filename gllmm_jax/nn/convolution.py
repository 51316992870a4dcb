"""The form that convolutions are computed in: the same sums in another order, for the sake of training on one CPU.

There XLA gathers all the windows that a kernel's gradient sums over before it multiplies; of a batch of large planes
they do not stay in the cache, which costs up to five sixths of the speed. And it does not see that a 1x1 kernel is a
matrix. On accelerators XLA chooses well; of several devices each must have its own images, which strips would mix.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

STRIP = 2048
"""Output positions that a kernel's gradient is summed over at once on a CPU."""

LARGE = 2 * STRIP
"""Output positions of an image from which that is done."""

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_DEFAULTS = (None, 1, (1, 1), lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)))
"""Of whichever of Flax's options."""


def convolve(x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, **options: Any) -> jax.Array:
    """`lax.conv_general_dilated` of x [B, h, w, in] and kernel [kh, kw, in, out], for `flax.linen.Conv`.

    `padding` is numbers; of the `options` only the precision may differ from its default. Raises `ValueError`.
    """
    precision = options.pop("precision")
    if any(value not in _DEFAULTS for value in options.values()) or isinstance(padding, str):
        raise ValueError(f"neither padding by name nor other options than the precision: {padding!r}, {options}")
    if kernel.shape[:2] == (1, 1) and not any(sum(padding, ())):
        return matmul(x[:, :: strides[0], :: strides[1]], kernel[0, 0], precision)
    return _convolve(x, kernel, tuple(strides), tuple(padding), precision)


def matmul(x: jax.Array, kernel: jax.Array, precision: Any = None) -> jax.Array:
    """x [..., in] by kernel [in, out]; as two matrices, since the gradient's product is faster than with more axes."""
    return lax.dot(x.reshape(-1, x.shape[-1]), kernel, precision=precision).reshape(*x.shape[:-1], -1)


def _plain(x, kernel, strides, padding, precision):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_DIMENSIONS, precision=precision)


_convolve = jax.custom_vjp(_plain, nondiff_argnums=(2, 3, 4))


def _forward(x, kernel, *form):
    return _plain(x, kernel, *form), (x, kernel)


def _backward(strides, padding, precision, inputs, gradient):
    x, kernel = inputs

    def to_kernel(x, gradient, padding):
        zeros = jnp.zeros_like(kernel, x.dtype)
        return jax.vjp(lambda kernel: _plain(x, kernel, strides, padding, precision), zeros)[1](gradient)[0]

    to_x = jax.vjp(lambda x: _plain(x, kernel, strides, padding, precision), x)[1](gradient)[0]
    one_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1
    if not one_cpu or gradient.shape[1] * gradient.shape[2] < LARGE:
        return to_x, to_kernel(x, gradient, padding)

    wide = jnp.promote_types(kernel.dtype, jnp.float32)  # many sums are added up
    x, gradient, total = x.astype(wide), gradient.astype(wide), jnp.zeros(kernel.shape, wide)
    x = lax.pad(x, jnp.zeros((), wide), [(0, 0, 0), *((*edge, 0) for edge in padding), (0, 0, 0)])
    rows = max(1, STRIP // gradient.shape[2])
    for image in range(len(x)):
        for top in range(0, gradient.shape[1], rows):
            strip = gradient[image : image + 1, top : top + rows]
            end = (top + strip.shape[1] - 1) * strides[0] + kernel.shape[0]
            total += to_kernel(x[image : image + 1, top * strides[0] : end], strip, ((0, 0), (0, 0)))
    return to_x, total.astype(kernel.dtype)


_convolve.defvjp(_forward, _backward)
