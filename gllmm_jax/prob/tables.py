"""Integer probabilities: stored CDF tables and the mixture CDF evaluated on them, in int32 arithmetic only.

The decoder evaluates no exp, erf or sigmoid. Each family's CDF is a table over the standardised argument. The table is
made once in float64 and stored with the weights. The CDF of a mixture is an integer weighted sum of table entries.

Units: means and scales are in 1/256 of a latent step (`FRACTION` bits), the standardised argument in 1/256 of a scale,
logits to base 2 in 1/64 (`LOGIT_FRACTION` bits), component weights in 1/32768, cumulative frequencies in 1/65536.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int32

from gllmm_jax.prob.families import check_families

TOTAL_BITS = 16
TOTAL = 1 << TOTAL_BITS  # every distribution's frequencies sum to this
FRACTION = 8
LOGIT_FRACTION = 6
WEIGHT_BITS = 15
REACH = 12  # families are flat beyond this many scales
EDGE = REACH << FRACTION
SCALE_LOW, SCALE_HIGH = 4, 1 << 18  # 1/64 to 1024 latent steps
SCALE_BOUND = 28  # the nearest to `mixture.SCALE_BOUND`
MEAN_LIMIT = 1 << 22
POWERS = (WEIGHT_BITS + 1) << LOGIT_FRACTION
Y_LIMIT = 8191
"""Largest magnitude of a latent the coder carries."""

ROUNDING = 1e-6
"""How much a float CDF may decrease from one symbol to the next: float32 rounds by as much."""

TAIL = 4
"""Where a component falls as fast as a Laplacian or faster, less than 2^-(14 + TAIL) of it lies beyond its support."""


class IntegerMixture(NamedTuple):
    """Mixtures of C components for X latents, int32 [..., C, X], components ordered family by family."""

    mean: Int32[Array, "*batch C X"]  # 1/256
    span: Int32[Array, "*batch C X"]  # distance from the mean, 1/256, beyond which the CDF is flat
    reciprocal: Int32[Array, "*batch C X"]  # 2^24 // scale
    weight: Int32[Array, "*batch C X"]  # sums to 2^15 over C
    radius: Int32[Array, "*batch 1 X"]  # a power of two less 1: the symbols are -radius ... radius


def family_table(families: Sequence[str]) -> np.ndarray:
    """CDFs of the standardised families at t = -12 ... 12 in steps of 1/256, int32 [families, 6145], below 2^16.

    Raises `ValueError` if there is no such family.
    """
    check_families(families)
    t = np.arange(-EDGE, EDGE + 1) / (1 << FRACTION)
    cdfs = {
        "gaussian": lambda: np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in t]),
        "laplace": lambda: np.where(t < 0, np.exp(-np.abs(t)) / 2, 1 - np.exp(-np.abs(t)) / 2),
        "logistic": lambda: 1 / (1 + np.exp(-t)),
    }
    return np.stack([np.rint(cdfs[f]() * (TOTAL - 1)) for f in families]).astype(np.int32)


def power_table() -> np.ndarray:
    """2^(-j/64) in 1/32768 for j = 0, 1, ..., int32; the last entry is 0."""
    j = np.arange(POWERS + 1)
    table = np.rint(2.0 ** (WEIGHT_BITS - j / (1 << LOGIT_FRACTION)))
    return np.where(j == POWERS, 0, table).astype(np.int32)


def cumulative(cdf: np.ndarray) -> np.ndarray:
    """The integer CDF of a set of symbols, from its float CDF.

    Args:
      cdf: float64 [..., n + 1], non-decreasing, at the lower edge of each symbol and the upper edge of the last.

    Returns: int32 [..., n + 1], from 0 to 2^16, strictly increasing. The mass beyond either end goes to the last symbol
      at that end.

    Raises: `ValueError` if there are too many symbols, if the CDF decreases by more than rounding, or if it holds NaN.
    """
    n = cdf.shape[-1] - 1
    if n >= TOTAL:
        raise ValueError(f"a table holds fewer than {TOTAL} symbols, not {n}")
    if not (np.diff(cdf, axis=-1) >= -ROUNDING).all():  # false for NaN too
        raise ValueError("a CDF does not decrease: give it along the last axis, from the lowest symbol to the highest")
    cdf = np.maximum.accumulate(cdf, axis=-1)
    table = np.floor(np.clip(cdf, 0, 1) * (TOTAL - n)).astype(np.int32) + np.arange(n + 1, dtype=np.int32)
    table[..., 0], table[..., -1] = 0, TOTAL
    return table


def softmax(powers: Int32[Array, "P"], logits: Int32[Array, "*batch K X"]) -> Int32[Array, "*batch K X"]:
    """Integer softmax to base 2 over axis -2: logits -> weights that sum to at most 2^15."""
    gap = jnp.max(logits, axis=-2, keepdims=True) - logits
    power = powers.at[jnp.minimum(gap, POWERS)].get(mode="promise_in_bounds")
    total = jnp.sum(power, axis=-2, keepdims=True, dtype=jnp.int32)
    return lax.div(power << WEIGHT_BITS, jnp.broadcast_to(total, power.shape))


def complete(weight: Int32[Array, "*batch C X"]) -> Int32[Array, "*batch C X"]:
    """Raise the largest weight (the first of equals) so that the weights sum to 2^15 over axis -2."""
    largest = jnp.argmax(weight, axis=-2, keepdims=True).astype(jnp.int32)
    rest = (1 << WEIGHT_BITS) - jnp.sum(weight, axis=-2, keepdims=True, dtype=jnp.int32)
    index = lax.broadcasted_iota(jnp.int32, weight.shape, weight.ndim - 2)
    return weight + jnp.where(index == largest, rest, 0)


def mixture(
    mean: Int32[Array, "*batch C X"], scale: Int32[Array, "*batch C X"], weight: Int32[Array, "*batch C X"]
) -> IntegerMixture:
    """The mixture of means and raw (signed) scales, both in 1/256, clipped to the domain of `mixture_cdf`."""
    mean = jnp.clip(mean, -MEAN_LIMIT, MEAN_LIMIT)
    scale = jnp.clip(jnp.abs(scale), SCALE_LOW, SCALE_HIGH)
    # |span * reciprocal| <= 13 * 2^24 < 2^31
    reciprocal = lax.div(jnp.full_like(scale, 1 << 24), scale)
    return IntegerMixture(mean, (REACH + 1) * scale, reciprocal, weight, radius(mean, scale, weight))


def radius(
    mean: Int32[Array, "*batch C X"], scale: Int32[Array, "*batch C X"], weight: Int32[Array, "*batch C X"]
) -> Int32[Array, "*batch 1 X"]:
    """The radius of a mixture's support: the symbols -radius ... radius get a frequency.

    Each symbol takes at least 1/65536 from the others, so a support should be narrow. It covers each component of
    weight w up to ln(2^(15 + TAIL) w) scales from its mean. Latents outside the support are so rare that the stream
    lists them one by one.
    """
    bits = 32 - lax.clz(weight)
    # 177/256 is ln 2; at most 2^18 * 20 * 177 < 2^30
    reach = jnp.abs(mean) + ((scale * ((TAIL + bits) * 177)) >> 8)
    widest = jnp.max(jnp.where(weight > 0, reach, 0), axis=-2, keepdims=True)
    whole = (widest + (1 << FRACTION) - 1) >> FRACTION
    return jnp.minimum((1 << (32 - lax.clz(whole))) - 1, Y_LIMIT)


def mixture_cdf(table: Int32[Array, "T"], mix: IntegerMixture, k: Int32[Array, "*batch X"]) -> Int32[Array, "*batch X"]:
    """Cumulative frequency below symbol `k`, in 1/65536.

    Args:
      table: the flattened `family_table`, int32 [families * 6145].
      mix: fields [..., C, X].
      k: int32 [..., X] in -radius ... radius + 1. With radius 0 there is one symbol, which costs no bits.

    Returns: int32 [..., X], 0 at -radius, 2^16 at radius + 1, strictly increasing between.
    """
    components, row, radius = mix.mean.shape[-2], 2 * EDGE + 1, mix.radius[..., 0, :]
    family = lax.broadcasted_iota(jnp.int32, mix.mean.shape, mix.mean.ndim - 2)
    family = lax.div(family, np.int32(components * row // table.shape[0]))
    d = jnp.expand_dims((k << FRACTION) - (1 << (FRACTION - 1)), -2) - mix.mean
    d = jnp.clip(d, -mix.span, mix.span)
    t = jnp.clip((d * mix.reciprocal) >> 16, -EDGE, EDGE) + (family * row + EDGE)
    # weights sum to 2^15 and entries are below 2^16: the sum is below 2^31
    mass = jnp.sum(mix.weight * table.at[t].get(mode="promise_in_bounds"), axis=-2, dtype=jnp.int32) >> WEIGHT_BITS
    free = (TOTAL - 1 - 2 * radius).astype(jnp.uint32)
    f = ((mass.astype(jnp.uint32) * free) >> 16).astype(jnp.int32) + (k + radius)
    return jnp.where(k <= -radius, 0, jnp.where(k > radius, TOTAL, f))
