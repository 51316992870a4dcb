"""The layers of the integer networks, in arithmetic that is exact on every device.

Activations and weights are integers in float32. The proof of a twin (`twin.proof`) shows that every sum of
|weight| * |input| is below 2^24. So each partial sum is exact in any order, fused or not, on any device. Convolutions
are sums of matrix products of shifted inputs, because a library's convolution may choose Winograd or FFT, which are
not exact.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gllmm_jax.twin.wiring import PHASES

SATURATION = 1 << 16  # 205 times an activation stays below 2^24


_INT = jnp.int32  # Python's integers would become 64 bits wide where JAX has 64 bits enabled


def _places(side: int) -> jax.Array:
    """Each tap of an up-convolution in order, int32 [side^2, 4].

    The four numbers are row and column of the tap's phase, and how far below and right of x[i - 1] the tap reads.
    """
    phases = PHASES[side]
    found = {
        side * p + q: (row, column, i + 1, j + 1)
        for row, rows in enumerate(phases)
        for column, columns in enumerate(phases)
        for p, i in rows
        for q, j in columns
    }
    return jnp.asarray([found[tap] for tap in range(side**2)], jnp.int32)


class Layer(NamedTuple):
    """One affine layer and its requantisation: integers in float32."""

    kernel: jax.Array  # [taps, in, out]
    bias: jax.Array  # [out], or [rows, out] to choose a row from; includes the half that makes floor round
    scale: jax.Array  # [out], powers of two
    limit: jax.Array  # [out], the output is clipped to +-limit


def dot(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Exact product of integer-valued float32 [..., in] and [in, out]. It never uses TF32 or bfloat16."""
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)


def requantise(total: jax.Array, layer: Layer, *, leak: float | None, plus: jax.Array | None = None) -> jax.Array:
    """floor((total + bias) * scale) + plus, then a ReLU whose slope is `leak` if that is given, then clipped."""
    rank = (1,) * (total.ndim - 1) + (-1,)
    bias, scale, limit = (a.reshape(rank) for a in layer[1:])
    a = jnp.floor((total + bias) * scale)
    if plus is not None:
        a = jnp.clip(a, -SATURATION, SATURATION) + plus
    if leak is not None:
        a = jnp.clip(a, -SATURATION, SATURATION)
        a = jnp.where(a < 0, jnp.floor(a * leak), a)
    return jnp.clip(a, -limit, limit)


def dense(x: jax.Array, layer: Layer, *, leak: float | None) -> jax.Array:
    """Affine layer over the last axis, [..., taps * in] -> [..., out]."""
    kernel = layer.kernel.reshape(-1, layer.kernel.shape[-1])
    return requantise(dot(x, kernel), layer, leak=leak)


def conv(x: jax.Array, layer: Layer, *, leak: float | None, plus: jax.Array | None = None) -> jax.Array:
    """Convolution of [h, w, in] by a square kernel, with a border of zeros -> [h, w, out]; `requantise` adds `plus`."""
    (h, w, channels), taps = x.shape, len(layer.kernel)
    side = math.isqrt(taps)
    edge = (side // 2, side // 2)
    x = jnp.pad(x, (edge, edge, (0, 0)))

    # in a loop, since products side by side take twice as long to compile, and the memory of all windows
    def tap(t: jax.Array, total: jax.Array) -> jax.Array:
        window = lax.dynamic_slice(x, (lax.div(t, _INT(side)), lax.rem(t, _INT(side)), _INT(0)), (h, w, channels))
        return total + dot(window, layer.kernel[t])

    total = lax.fori_loop(_INT(0), _INT(taps), tap, jnp.zeros((h, w, layer.kernel.shape[-1]), jnp.float32))
    return requantise(total, layer, leak=leak, plus=plus)


def upsample(x: jax.Array, layer: Layer, *, leak: float | None) -> jax.Array:
    """Up-convolution by 2, [h, w, in] -> [2h, 2w, out], computed as its four phases."""
    (h, w, channels), (taps, _, out) = x.shape, layer.kernel.shape
    x, phases = jnp.pad(x, ((1, 1), (1, 1), (0, 0))), _places(math.isqrt(taps))

    def tap(t: jax.Array, total: jax.Array) -> jax.Array:
        row, column, i, j = phases[t]
        window = lax.dynamic_slice(x, (i, j, _INT(0)), (h, w, channels))
        start = row, column, _INT(0), _INT(0), _INT(0)
        more = lax.dynamic_slice(total, start, (1, 1, h, w, out)) + dot(window[None, None], layer.kernel[t])
        return lax.dynamic_update_slice(total, more, start)

    total = lax.fori_loop(_INT(0), _INT(taps), tap, jnp.zeros((2, 2, h, w, out), jnp.float32))
    return requantise(total.transpose(2, 0, 3, 1, 4).reshape(2 * h, 2 * w, out), layer, leak=leak)


def depth_to_space(x: jax.Array) -> jax.Array:
    """[h, w, 4 C] -> [2h, 2w, C], as `layers.primitive.depth_to_space`."""
    h, w, c = x.shape
    return x.reshape(h, w, 2, 2, c // 4).transpose(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, c // 4)
