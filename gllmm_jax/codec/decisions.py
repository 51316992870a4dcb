"""Symbols as binary decisions, for coders whose distributions have to be fixed beforehand.

A symbol is found by bisection: is it in the upper half of what is left? The probability of "yes" is the ratio of two
differences of the same integer CDF that rANS uses, rounded to the nearest of a fixed set of Bernoulli distributions,
numbered here. All of it is integer arithmetic, so encoder and decoder ask the same questions.

Interval widths are powers of two: `half` is the width of one half.
"""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import exact, walk
from gllmm_jax.codec.coder import Given, Static
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.schedule import padded, wavefront
from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables

NONE = -1
"""In place of a distribution's number: there is nothing to decide."""

_STEPS = 16  # distributions in each octave of the rarer answer's probability


class Port(Protocol):
    """Where decisions go to or come from."""

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        """Answers, 0 or 1, to int32 [K] decisions under the distributions of these numbers; a writer is told them."""
        ...


def probabilities() -> np.ndarray:
    """Probability of "yes" of every distribution, in 1/65536, int32, increasing and symmetric."""
    below = np.unique(_rounded(np.arange(1, tables.TOTAL // 2 + 1)))
    return np.unique(np.concatenate([below, tables.TOTAL - below])).astype(np.int32)


def numbers() -> np.ndarray:
    """The distribution that stands for a probability of q / 65536, int16 [65536] by q."""
    q = np.clip(np.arange(tables.TOTAL), 1, tables.TOTAL - 1)
    rare = _rounded(np.minimum(q, tables.TOTAL - q))
    near = np.where(q <= tables.TOTAL // 2, rare, tables.TOTAL - rare)
    return np.searchsorted(probabilities(), near).astype(np.int16)


def _rounded(q: np.ndarray) -> np.ndarray:
    # to 4 bits after the leading one; NumPy integers, so the same everywhere
    step = np.ones_like(q)
    while (wide := q // step >= 2 * _STEPS).any():
        step = np.where(wide, 2 * step, step)
    return np.minimum((q + step // 2) // step * step, tables.TOTAL // 2)


def symbols(port: Port, static: Static, values: np.ndarray | None) -> np.ndarray:
    """The symbols of known distributions, int32 [S]; a writer is given them as `values`."""
    table, rows, number = jax.device_put((static.table, static.rows, numbers()))
    half = 1 << (static.table.shape[1] - 1).bit_length() - 1
    low = np.zeros(len(static.rows), np.int32)
    return _bisect(port, low, half, lambda low, half: _ask_static(table, rows, low, half, number), values)


def latents(port: Port, given: Given, values: np.ndarray | None, tick: Tick = silent) -> np.ndarray:
    """The latents int32 [h, w, M], group by group; a writer is given them as `values`."""
    config, families = given.config, given.nets.families
    number = jax.device_put(numbers())
    plane = jax.device_put(given.outliers.plane(given.size, config.latents))
    schedule = padded(wavefront(*given.size))
    groups = int((schedule.counts > 0).sum())
    tick(0, groups)
    for done, (sites, count) in enumerate(zip(*schedule, strict=True), 1):
        if done > groups:
            break
        at = jax.device_put(np.maximum(sites, 0))
        mix, rows = _distributions(config, given.nets, plane, given.around, at)
        radius = np.array(mix.radius[:, 0])
        radius[count:] = 0

        def ask(low: jax.Array, half: jax.Array, mix: Any = mix, count: int = count) -> np.ndarray:
            found = np.array(_ask(families, mix, low, half, number))
            found[count:] = NONE
            return found

        truth = None
        if values is not None:
            truth = np.zeros(radius.shape, np.int32)
            truth[:count] = values.reshape(-1, config.latents)[sites[:count]]
            truth = np.clip(truth, -radius, radius)
        half = int(radius.max()) + 1 if radius.any() else 0
        plane = _settle(plane, rows, *jax.device_put((_bisect(port, -radius, half, ask, truth), np.int32(count))))
        tick(done, groups)
    return walk.inside(np.asarray(plane), given.size).copy()


def _bisect(
    port: Port,
    low: np.ndarray,
    half: int,
    ask: Callable[[jax.Array, jax.Array], Any],
    truth: np.ndarray | None,
) -> np.ndarray:
    # the values that begin in low ... low + 2 half - 1
    low = low.copy()
    while half:
        number = np.asarray(ask(*jax.device_put((low, np.int32(half)))))
        asked = number != NONE
        if asked.any():
            answers = None if truth is None else (truth[asked] - low[asked] >= half).astype(np.int32)
            low[asked] += half * port.decide(number[asked].astype(np.int32), answers)
        half >>= 1
    return low


def _question(cdf: Callable[[jax.Array], jax.Array], low: jax.Array, half: jax.Array, number: jax.Array) -> jax.Array:
    # whether a symbol of low ... low + 2 half - 1 lies in the upper half -> int16 number of the distribution
    low, middle, high = cdf(low), cdf(low + half), cdf(low + 2 * half)
    upper, whole = (high - middle).astype(jnp.uint32), (high - low).astype(jnp.uint32)
    # at most 65535 of 65536: the shift stays within 32 bits
    q = lax.div(jnp.minimum(upper, tables.TOTAL - 1) << tables.TOTAL_BITS, jnp.maximum(whole, 1)).astype(jnp.int32)
    found = number.at[jnp.minimum(q, tables.TOTAL - 1)].get(mode="promise_in_bounds")
    return jnp.where((upper > 0) & (upper < whole), found, NONE)


@jax.jit
def _ask_static(table: jax.Array, rows: jax.Array, low: jax.Array, half: jax.Array, number: jax.Array) -> jax.Array:
    """Questions about symbols int32 [S] that lie in low ... low + 2 half - 1 of the CDFs table[rows] -> int16 [S]."""
    last = table.shape[1] - 1

    def cdf(k: jax.Array) -> jax.Array:
        return table.at[rows, jnp.minimum(k, last)].get(mode="promise_in_bounds")

    return _question(cdf, low, half, number)


@functools.partial(jax.jit, static_argnums=0)
def _distributions(config: ModelConfig, net: exact.Nets, plane, around: walk.Surroundings, sites):
    """`walk.distributions` as a program of its own."""
    return walk.distributions(config, net, plane, around, sites)


@jax.jit
def _ask(families: jax.Array, mix: tables.IntegerMixture, low: jax.Array, half: jax.Array, number) -> jax.Array:
    """Questions about the latents of a group, int16 [P, M]: none about one whose window ends below low + half.

    Args:
      families: of `exact.Nets`; mix: fields [P, C, M].
      low: int32 [P, M], smallest value left of each; half: int32.
      number: of `numbers`.
    """
    return _question(lambda k: tables.mixture_cdf(families, mix, k), low, half, number)


@functools.partial(jax.jit, donate_argnums=0)
def _settle(plane: jax.Array, rows: jax.Array, values: jax.Array, count: jax.Array) -> jax.Array:
    """The plane with symbols int32 [P, M] added to its `rows` [P], of which the first `count` are real."""
    real = jnp.arange(len(rows)) < count
    return plane.at[jnp.where(real, rows, len(plane))].add(values, mode="drop")
