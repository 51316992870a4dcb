"""The integer networks of the exact path: hyper-synthesis, context and entropy-parameter nets, progressive network.

Activations and weights are integers held in float32. Every sum of |weight| * |input| is proven below 2^24 when the
twin is made, so each partial sum is exact in any order, fused or not, on any device. Convolutions are shifted matrix
products: a library convolution may choose Winograd or FFT, which are not exact.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables
from gllmm_jax.prob.tables import IntegerMixture
from gllmm_jax.twin.wiring import EVEN, HYPER, ODD

SATURATION = 1 << 16  # so that 205 times an activation stays below 2^24


_INT = jnp.int32  # of numbers that would be wider where JAX is told to keep 64 bits

PHASES = [
    place
    for _, *place in sorted(
        (3 * p + q, row, column, i, j)
        for row, rows in enumerate((EVEN, ODD))
        for column, columns in enumerate((EVEN, ODD))
        for p, i in rows
        for q, j in columns
    )
]
"""Of each tap of an up-convolution: row and column of the phase it is part of, and how far down and right it reads."""


class Layer(NamedTuple):
    """One affine layer and its requantisation; integers in float32."""

    kernel: jax.Array  # [taps, in, out]
    bias: jax.Array  # [out], or rows to choose from [rows, out]; the half that rounds included
    scale: jax.Array  # [out], powers of two
    limit: jax.Array  # [out], the output is clipped to +-limit


class Nets(NamedTuple):
    """Everything `parameters` and `hyper_synthesis` need, on the device."""

    layers: dict[str, Layer]
    y_limit: jax.Array  # int32 [M], clip of what the context sees
    powers: jax.Array  # int32, `tables.power_table`
    families: jax.Array  # int32, `tables.family_table`, flattened


def nets(arrays: Mapping[str, np.ndarray]) -> Nets:
    """Device form of a twin's arrays."""

    # device_put, here and wherever host arrays enter a program: jnp.asarray compiles something for every shape
    def layer(name: str) -> Layer:
        kernel, bias, limit = (arrays[f"{name}.{k}"].astype(np.float32) for k in ("kernel", "bias", "limit"))
        scale = np.ldexp(np.float32(1), -arrays[f"{name}.shift"].astype(np.int32)).astype(np.float32)
        return Layer(*jax.device_put((kernel, bias, scale, limit)))

    def integer(name: str) -> np.ndarray:
        return arrays[name].astype(np.int32)

    layers = {name.removesuffix(".kernel"): layer(name.removesuffix(".kernel")) for name in arrays if ".kernel" in name}
    return Nets(layers, *jax.device_put((integer("y.limit"), integer("powers"), integer("families").ravel())))


def dot(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Exact product of integer-valued float32 [..., in] and [in, out]: never TF32 or bfloat16."""
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)


def requantise(total: jax.Array, layer: Layer, *, leaky: bool, plus: jax.Array | None = None) -> jax.Array:
    """floor((total + bias) * scale), and `plus`, then the leaky ReLU (slope 205/1024) if asked for, clipped."""
    rank = (1,) * (total.ndim - 1) + (-1,)
    bias, scale, limit = (a.reshape(rank) for a in layer[1:])
    a = jnp.floor((total + bias) * scale)
    if plus is not None:
        a = jnp.clip(a, -SATURATION, SATURATION) + plus
    if leaky:
        a = jnp.clip(a, -SATURATION, SATURATION)
        a = jnp.where(a < 0, jnp.floor(a * (205 / 1024)), a)
    return jnp.clip(a, -limit, limit)


def dense(x: jax.Array, layer: Layer, *, leaky: bool) -> jax.Array:
    """Affine layer over the last axis, [..., taps * in] -> [..., out]."""
    kernel = layer.kernel.reshape(-1, layer.kernel.shape[-1])
    return requantise(dot(x, kernel), layer, leaky=leaky)


def conv(x: jax.Array, layer: Layer, *, leaky: bool, plus: jax.Array | None = None) -> jax.Array:
    """3x3 convolution of [h, w, in] with a border of zeros -> [h, w, out]; `requantise` adds `plus`."""
    h, w, channels = x.shape
    x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))

    # a loop: nine products side by side take twice as long to compile, and the memory of nine windows
    def tap(t: jax.Array, total: jax.Array) -> jax.Array:
        window = lax.dynamic_slice(x, (lax.div(t, _INT(3)), lax.rem(t, _INT(3)), _INT(0)), (h, w, channels))
        return total + dot(window, layer.kernel[t])

    total = lax.fori_loop(_INT(0), _INT(9), tap, jnp.zeros((h, w, layer.kernel.shape[-1]), jnp.float32))
    return requantise(total, layer, leaky=leaky, plus=plus)


def upsample(x: jax.Array, layer: Layer, *, leaky: bool) -> jax.Array:
    """3x3 up-convolution by 2, [h, w, in] -> [2h, 2w, out]: the four phases of a convolution of the dilated input."""
    (h, w, channels), out = x.shape, layer.kernel.shape[-1]
    x, phases = jnp.pad(x, ((0, 1), (0, 1), (0, 0))), jnp.asarray(PHASES, jnp.int32)

    def tap(t: jax.Array, total: jax.Array) -> jax.Array:
        row, column, i, j = phases[t]
        window = lax.dynamic_slice(x, (i, j, _INT(0)), (h, w, channels))
        place = row, column, _INT(0), _INT(0), _INT(0)
        more = lax.dynamic_slice(total, place, (1, 1, h, w, out)) + dot(window[None, None], layer.kernel[t])
        return lax.dynamic_update_slice(total, more, place)

    total = lax.fori_loop(_INT(0), _INT(9), tap, jnp.zeros((2, 2, h, w, out), jnp.float32))
    return requantise(total.transpose(2, 0, 3, 1, 4).reshape(2 * h, 2 * w, out), layer, leaky=leaky)


def hyper_synthesis(layers: dict[str, Layer], z_hat: jax.Array, size: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Hyper-synthesis of a plane that may be larger than the picture.

    Args:
      layers: of `Nets`.
      z_hat: int32 [hz, wz, N], zero outside `size`.
      size: rows and columns of z that are the picture's; may be traced.

    Returns: phi, integer-valued float32 [4 hz, 4 wz, F], zero outside 4 * size.
    """
    x, zoom = z_hat.astype(jnp.float32), 1
    for name in HYPER:
        up = name.startswith("up")
        x = (upsample if up else conv)(x, layers[name], leaky=name != HYPER[-1])
        zoom *= 2 if up else 1
        # beyond the picture lies the zero border that each layer expects
        rows = jnp.arange(x.shape[0], dtype=jnp.int32)[:, None, None] < zoom * size[0]
        x = jnp.where(rows & (jnp.arange(x.shape[1], dtype=jnp.int32)[None, :, None] < zoom * size[1]), x, 0.0)
    return x


def parameters(
    config: ModelConfig, net: Nets, taps: jax.Array | None, phi: jax.Array, sees: jax.Array | None = None
) -> IntegerMixture:
    """Distributions of the latents at P positions.

    Args:
      taps: int32 [P, 12, M], the neighbours in the order of `config.TAPS`, zero outside the picture;
        None without a context.
      phi: [P, F] from `hyper_synthesis`.
      sees: bool [P], which of them have a context; all unless given.

    Returns: fields int32 [P, C, M].
    """
    x = phi
    if taps is not None:
        taps = jnp.clip(taps, -net.y_limit[None, None, :], net.y_limit[None, None, :])
        x = dense(taps.astype(jnp.float32).reshape(taps.shape[0], -1), net.layers["context"], leaky=False)
        x = jnp.concatenate([x if sees is None else jnp.where(sees[:, None], x, 0.0), phi], axis=-1)
    for name in ("dense0", "dense1", "dense2"):
        x = dense(x, net.layers[name], leaky=name != "dense2")
    return split(config, net, x.astype(jnp.int32).reshape(len(x), -1, config.latents))


def split(config: ModelConfig, net: Nets, raw: jax.Array) -> IntegerMixture:
    """The mixtures of raw numbers int32 [P, groups, X], in the order of `calibrate.output_order`."""
    families, k, m = len(config.families), config.components, raw.shape[-1]
    c = families * k
    mean, scale, logits = raw[:, :c], raw[:, c : 2 * c], raw[:, 2 * c :]
    weight = jnp.full_like(mean, 1 << tables.WEIGHT_BITS)
    if k > 1:
        inner = tables.softmax(net.powers, logits[:, :c].reshape(-1, families, k, m))
        weight = tables.complete(inner).reshape(-1, c, m)
        logits = logits[:, c:]
    if families > 1:
        outer = tables.complete(tables.softmax(net.powers, logits))
        weight = (weight * jnp.repeat(outer, k, axis=1)) >> tables.WEIGHT_BITS
    return tables.mixture(mean, scale, tables.complete(weight))


def features(config: ModelConfig, net: Nets, mixed: jax.Array, size: tuple[jax.Array, jax.Array], step: jax.Array):
    """The progressive network as far as all places of a block share it.

    Args:
      mixed: int32 [h, w, places M], mixed representations on a folded plane that may be larger than the picture.
      size: rows and columns of it that are the picture's; may be traced.
      step: int32, the number of the call, of the calls of all scales.

    Returns: integer-valued float32 [h, w, F]; what lies outside `size` has no meaning.
    """
    assert config.msp is not None
    rows, columns = (jnp.arange(side, dtype=jnp.int32) < end for side, end in zip(mixed.shape, size, strict=False))
    inside = rows[:, None, None] & columns[None, :, None]
    limit = jnp.tile(net.y_limit, config.msp.block[0] * config.msp.block[1])[None, None, :]
    x = jnp.where(inside, jnp.clip(mixed, -limit, limit), 0).astype(jnp.float32)
    first = net.layers["first"]
    x = jnp.where(inside, conv(x, first._replace(bias=first.bias[step]), leaky=True), 0.0)
    for i in range(config.msp.depth):
        branch = jnp.where(inside, conv(x, net.layers[f"block{i}a"], leaky=True), 0.0)
        x = jnp.where(inside, conv(branch, net.layers[f"block{i}b"], leaky=True, plus=x), 0.0)
    return x


def numbers(
    config: ModelConfig, net: Nets, x: jax.Array, place: jax.Array, first: jax.Array, count: int
) -> IntegerMixture:
    """Distributions, fields int32 [P, C, count], of `count` channels from `first` on at a place of P blocks.

    Args:
      x: of `features`, [P, F].
      place: int32, in the order of the block; first: int32.
    """
    layer = net.layers["place"]
    x = requantise(dot(x, layer.kernel[place]), layer._replace(bias=layer.bias[place]), leaky=True)
    x = dense(x, net.layers["dense1"], leaky=True)

    def cut(a: jax.Array) -> jax.Array:
        a = a.reshape(*a.shape[:-1], -1, config.latents)
        a = lax.dynamic_slice_in_dim(a, first, count, axis=a.ndim - 1)
        return a.reshape(*a.shape[:-2], -1)

    x = dense(x, Layer(*map(cut, net.layers["dense2"])), leaky=False)
    return split(config, net, x.astype(jnp.int32).reshape(len(x), -1, count))
