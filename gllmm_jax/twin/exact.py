"""The integer networks of the exact path: hyper-synthesis, context and entropy-parameter nets, progressive network.

`twin.layers` has their layers, and says why they are exact.
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
from gllmm_jax.twin.layers import Layer, conv, dense, depth_to_space, dot, requantise, upsample
from gllmm_jax.twin.wiring import HYPER, LEAKS, form


class Nets(NamedTuple):
    """All arrays that the networks need, on the device."""

    layers: dict[str, Layer]
    y_limit: jax.Array  # int32 [M], to which the context clips latents
    powers: jax.Array  # int32, `tables.power_table`
    families: jax.Array  # int32, `tables.family_table`, flattened


def nets(arrays: Mapping[str, np.ndarray]) -> Nets:
    """Device form of a twin's arrays."""

    # device_put, here and wherever a program takes host arrays, since jnp.asarray compiles a program for every shape
    def layer(name: str) -> Layer:
        kernel, bias, limit = (arrays[f"{name}.{k}"].astype(np.float32) for k in ("kernel", "bias", "limit"))
        scale = np.ldexp(np.float32(1), -arrays[f"{name}.shift"].astype(np.int32)).astype(np.float32)
        return Layer(*jax.device_put((kernel, bias, scale, limit)))

    def integer(name: str) -> np.ndarray:
        return arrays[name].astype(np.int32)

    layers = {name.removesuffix(".kernel"): layer(name.removesuffix(".kernel")) for name in arrays if ".kernel" in name}
    return Nets(layers, *jax.device_put((integer("y.limit"), integer("powers"), integer("families").ravel())))


def hyper_synthesis(
    config: ModelConfig, layers: dict[str, Layer], z_hat: jax.Array, size: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """Hyper-synthesis of a plane that may be larger than the picture.

    Args:
      layers: of `Nets`.
      z_hat: int32 [hz, wz, N], zero outside `size`.
      size: rows and columns of z that belong to the picture; may be traced.

    Returns: phi, integer-valued float32 [4 hz, 4 wz, F], zero outside 4 * size.
    """
    x, zoom, names = z_hat.astype(jnp.float32), 1, HYPER[config.design]
    if config.has_offset:
        x = jnp.concatenate([x, _inside(x.shape, size).astype(jnp.float32)], axis=-1)
    for name in names:
        leak = None if name == names[-1] else LEAKS[config.design]
        x = (upsample if form(name) == "up" else conv)(x, layers[name], leak=leak)
        x = depth_to_space(x) if form(name) == "sub" else x
        zoom *= 1 if form(name) == "conv" else 2
        # each layer expects zeros beyond the picture
        x = jnp.where(_inside(x.shape, (zoom * size[0], zoom * size[1])), x, 0.0)
    return x


def _inside(shape: tuple[int, ...], size: tuple[jax.Array, jax.Array]) -> jax.Array:
    # which positions of a plane belong to the picture, bool [h, w, 1]
    rows, columns = (jnp.arange(side, dtype=jnp.int32) < end for side, end in zip(shape[:2], size, strict=True))
    return rows[:, None, None] & columns[None, :, None]


def parameters(
    config: ModelConfig,
    net: Nets,
    taps: jax.Array | None,
    phi: jax.Array,
    sees: jax.Array | None = None,
    far: jax.Array | None = None,
    group: int = 0,
) -> IntegerMixture:
    """Distributions of the latents at P positions, or of one group of their channels.

    Args:
      taps: int32 [P, 12, M], the neighbours in the order of `config.TAPS`, zero outside the picture, in the channels of
        the group; None without a context.
      phi: [P, F] from `hyper_synthesis`. A `direct` model uses nothing else.
      sees: bool [P], which positions have a context; all by default.
      far: [P, X] from `earlier_channels`, which all groups but the first have.
      group: the number of the group, where the config has `splits`.

    Returns: fields int32 [P, C, M], or of the group's channels.
    """
    x, leak = phi, LEAKS[config.design]
    if config.direct:
        scale = jnp.maximum(phi[:, None, -config.latents :].astype(jnp.int32), tables.SCALE_BOUND)
        return tables.mixture(jnp.zeros_like(scale), scale, jnp.full_like(scale, 1 << tables.WEIGHT_BITS))
    (first, last), number = config.groups[group], group if config.splits else ""
    if taps is not None:
        limit = net.y_limit[None, None, first:last]
        taps = jnp.clip(taps, -limit, limit)
        x = dense(taps.astype(jnp.float32).reshape(taps.shape[0], -1), net.layers[f"{number}context"], leak=None)
        x = x if sees is None else jnp.where(sees[:, None], x, 0.0)
        x = jnp.concatenate([x, *([] if far is None else [far]), phi], axis=-1)
    for name in ("dense0", "dense1", "dense2"):
        x = dense(x, net.layers[f"{number}{name}"], leak=None if name == "dense2" else leak)
    return split(config, net, x.astype(jnp.int32).reshape(len(x), -1, last - first))


def earlier_channels(config: ModelConfig, net: Nets, y_hat: jax.Array, inside: jax.Array, group: int) -> jax.Array:
    """What a group sees of the channels before it: integer-valued float32 [h, w, X], zero outside the picture.

    Args:
      y_hat: int32 [h, w, M], on a plane that may be larger than the picture.
      inside: bool [h, w, 1], which positions belong to the picture.
      group: the number of the group, which is not the first.
    """
    first, _ = config.groups[group]
    limit = net.y_limit[None, None, :first]
    x = jnp.where(inside, jnp.clip(y_hat[..., :first], -limit, limit), 0).astype(jnp.float32)
    for i in range(3):
        leak = None if i == 2 else LEAKS[config.design]
        x = jnp.where(inside, conv(x, net.layers[f"{group}far{i}"], leak=leak), 0.0)
    return x


def split(config: ModelConfig, net: Nets, raw: jax.Array) -> IntegerMixture:
    """The mixtures that raw numbers int32 [P, groups, X] describe, in the order of `calibrate.output_order`."""
    families, k, m = len(config.families), config.components, raw.shape[-1]
    c = families * k
    mean, scale, logits = raw[:, :c], raw[:, c : 2 * c], raw[:, 2 * c :]
    if config.design != "gllmm":
        scale = jnp.maximum(scale, tables.SCALE_BOUND)
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
    """The part of the progressive network that all places of a block share.

    Args:
      mixed: int32 [h, w, places M], mixed representations on a folded plane that may be larger than the picture.
      size: rows and columns of the plane that belong to the picture; may be traced.
      step: int32, the number of the call among the calls of all scales.

    Returns: integer-valued float32 [h, w, F]; without meaning outside `size`.
    """
    assert config.msp is not None
    inside = _inside(mixed.shape, size)
    limit = jnp.tile(net.y_limit, config.msp.block[0] * config.msp.block[1])[None, None, :]
    x = jnp.where(inside, jnp.clip(mixed, -limit, limit), 0).astype(jnp.float32)
    first = net.layers["first"]
    leak = LEAKS["gllmm"]
    x = jnp.where(inside, conv(x, first._replace(bias=first.bias[step]), leak=leak), 0.0)
    for i in range(config.msp.depth):
        branch = jnp.where(inside, conv(x, net.layers[f"block{i}a"], leak=leak), 0.0)
        x = jnp.where(inside, conv(branch, net.layers[f"block{i}b"], leak=leak, plus=x), 0.0)
    return x


def numbers(
    config: ModelConfig, net: Nets, x: jax.Array, place: jax.Array, first: jax.Array, count: int
) -> IntegerMixture:
    """Distributions, fields int32 [P, C, count], of `count` channels from `first` on, at one place of P blocks.

    Args:
      x: [P, F] from `features`.
      place: int32, the place's number in the order of the block.
      first: int32.
    """
    layer = net.layers["place"]
    x = requantise(dot(x, layer.kernel[place]), layer._replace(bias=layer.bias[place]), leak=LEAKS["gllmm"])
    x = dense(x, net.layers["dense1"], leak=LEAKS["gllmm"])

    def cut(a: jax.Array) -> jax.Array:
        a = a.reshape(*a.shape[:-1], -1, config.latents)
        a = lax.dynamic_slice_in_dim(a, first, count, axis=a.ndim - 1)
        return a.reshape(*a.shape[:-2], -1)

    x = dense(x, Layer(*map(cut, net.layers["dense2"])), leak=None)
    return split(config, net, x.astype(jnp.int32).reshape(len(x), -1, count))
