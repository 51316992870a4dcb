"""Convolutions with the same sums in another order, which is faster on a CPU.

For a kernel's gradient XLA gathers all windows of the input before it multiplies them. On a CPU the windows of a batch
of large planes do not fit into the cache, which costs up to five sixths of the speed. Here they are gathered strip by
strip. XLA also does not treat a 1x1 kernel as a matrix; here it is one. On accelerators XLA's own form is good. With
several devices each device must keep its own images, which strips would mix. Both cases take XLA's form.

The tangent of the convolution is written in strips. Reverse mode transposes the tangent, so the kernel's gradient
becomes a sum over strips. Forward mode uses the tangent as it is. JAX 0.5 has no rule for this inside a `shard_map`
over a single CPU, and raises `NotImplementedError` there.

An up-convolution sees its input spread by zeros. On a CPU XLA multiplies the zeros too, which are three quarters of the
numbers. Here four smaller convolutions see the input itself, and their outputs lie between one another.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

STRIP = 2048
"""Output positions that a kernel's gradient is summed over at once on a CPU."""

LARGE = 2 * STRIP
"""Output positions that an image has at least where its gradient is summed in strips."""

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
_DEFAULTS = (None, 1, (1, 1), lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)))
"""The values of Flax's options that `convolve` accepts."""


def convolve(
    x: Float[Array, "B h w in"], kernel: Float[Array, "kh kw in out"], strides: Any, padding: Any, **options: Any
) -> Float[Array, "B H W out"]:
    """`lax.conv_general_dilated` for `flax.linen.Conv`.

    Raises `ValueError` if `padding` is given by name, or if an option other than the precision is not the default.
    """
    precision = options.pop("precision")
    if any(value not in _DEFAULTS for value in options.values()) or isinstance(padding, str):
        raise ValueError(f"neither padding by name nor other options than the precision: {padding!r}, {options}")
    if kernel.shape[:2] == (1, 1) and not any(sum(padding, ())):
        return matmul(x[:, :: strides[0], :: strides[1]], kernel[0, 0], precision)
    one_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1
    count = math.prod(_sides(x, kernel, strides, padding))
    known = isinstance(count, int)  # and no symbol, as in a program for any size
    form = _convolve if one_cpu and known and count >= LARGE else _plain
    return form(x, kernel, tuple(strides), tuple(padding), precision)


def convolve_up(x: Float[Array, "B h w in"], kernel: Float[Array, "k k in out"]) -> Float[Array, "B 2*h 2*w out"]:
    """A convolution of x spread to twice its size by zeros; k is odd and at least 3.

    On each axis out[2i + a] is the sum of kernel[t] x[i + (a + t - k // 2) / 2], over all t that make a whole place.
    """
    reach = len(kernel) // 2
    if jax.default_backend() != "cpu":
        padding = ((reach, reach + 1),) * 2
        return lax.conv_transpose(x, kernel, (2, 2), padding, dimension_numbers=_DIMENSIONS)
    taps = [(reach + a) % 2 for a in range(2)]  # the first t, by a; the others are two apart
    edges = [((reach - a - t) // 2, (reach + a - t) // 2) for a, t in enumerate(taps)]

    def part(a: int, b: int) -> Array:
        return convolve(x, kernel[taps[a] :: 2, taps[b] :: 2], (1, 1), (edges[a], edges[b]), precision=None)

    out = jnp.stack([jnp.stack([part(a, b) for b in range(2)], axis=-2) for a in range(2)], axis=-4)
    batch, height, _, width, _, features = out.shape
    return out.reshape(batch, 2 * height, 2 * width, features)


def matmul(
    x: Float[Array, "*batch in"], kernel: Float[Array, "in out"], precision: Any = None
) -> Float[Array, "*batch out"]:
    """The product of x and kernel, with x as a matrix: the product in its gradient is faster than with more axes."""
    return lax.dot(x.reshape(-1, x.shape[-1]), kernel, precision=precision).reshape(*x.shape[:-1], kernel.shape[-1])


def _plain(x, kernel, strides, padding, precision):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_DIMENSIONS, precision=precision)


def _sides(x, kernel, strides, padding):
    sides = zip(x.shape[1:3], kernel.shape[:2], strides, padding, strict=True)
    return [(side + sum(edge) - size) // stride + 1 for side, size, stride, edge in sides]


_convolve = jax.custom_jvp(_plain, nondiff_argnums=(2, 3, 4))


def _tangent(strides, padding, precision, primals, tangents):
    (x, kernel), (of_x, of_kernel), form = primals, tangents, (strides, padding, precision)
    parts = [] if isinstance(of_x, SymbolicZero) else [_convolve(of_x, kernel, *form)]
    parts += [] if isinstance(of_kernel, SymbolicZero) else [_in_strips(x, of_kernel, *form)]
    return _convolve(x, kernel, *form), functools.reduce(jnp.add, parts)


_convolve.defjvp(_tangent, symbolic_zeros=True)  # or frozen kernels would cost a convolution with zeros


@functools.partial(jax.checkpoint, prevent_cse=False, static_argnums=(2, 3, 4))  # keeps x, and not its strips
def _in_strips(x, kernel, strides, padding, precision):
    wide = jnp.float32 if kernel.dtype.itemsize < 4 else kernel.dtype  # many sums are added up
    dtype, x, kernel = x.dtype, x.astype(wide), kernel.astype(wide)
    height, width = _sides(x, kernel, strides, padding)
    x = lax.pad(x, jnp.zeros((), wide), [(0, 0, 0), *((*edge, 0) for edge in padding), (0, 0, 0)])
    rows, images = max(1, STRIP // width), []
    for image in range(len(x)):
        strips = []
        for top in range(0, height, rows):
            end = (min(top + rows, height) - 1) * strides[0] + kernel.shape[0]
            strip = x[image : image + 1, top * strides[0] : end]
            strips.append(_plain(strip, kernel, strides, ((0, 0), (0, 0)), precision))
        images.append(jnp.concatenate(strips, axis=1))
    return jnp.concatenate(images).astype(dtype)
