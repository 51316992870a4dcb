"""Symbols as binary decisions, for coders whose distributions must be fixed beforehand.

Bisection finds a symbol. Each question is whether the symbol lies in the upper half of the remaining interval. The
probability of "yes" is the ratio of two differences of the integer CDF that rANS uses too. It is rounded to the nearest
of a fixed set of Bernoulli distributions, which have numbers here. All of this is integer arithmetic, so encoder and
decoder ask the same questions.

The widths of intervals are powers of two. `half` is the width of one half.
"""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.entropy import rans
from gllmm_jax.entropy.symbols import Static
from gllmm_jax.prob import tables
from gllmm_jax.prob.distributions import Distributions

NONE = -1
"""Stands for a distribution's number where there is nothing to decide."""

_STEPS = 16  # distributions for each octave of the rarer answer's probability


class Port(Protocol):
    """A coder of decisions: a writer or a reader."""

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        """The answers, 0 or 1, to K decisions with the distributions `numbers` int32 [K]. A writer gets the answers."""
        ...


def probabilities() -> np.ndarray:
    """The probability of "yes" in each distribution, in 1/65536, int32, increasing and symmetric."""
    below = np.unique(_rounded(np.arange(1, tables.TOTAL // 2 + 1)))
    return np.unique(np.concatenate([below, tables.TOTAL - below])).astype(np.int32)


def numbers() -> np.ndarray:
    """For each q the number of the distribution that is used for a probability of q / 65536, int16 [65536]."""
    q = np.clip(np.arange(tables.TOTAL), 1, tables.TOTAL - 1)
    rare = _rounded(np.minimum(q, tables.TOTAL - q))
    near = np.where(q <= tables.TOTAL // 2, rare, tables.TOTAL - rare)
    return np.searchsorted(probabilities(), near).astype(np.int16)


def _rounded(q: np.ndarray) -> np.ndarray:
    # to 4 bits after the leading one, in NumPy integers, so equal everywhere
    step = np.ones_like(q)
    while (wide := q // step >= 2 * _STEPS).any():
        step = np.where(wide, 2 * step, step)
    return np.minimum((q + step // 2) // step * step, tables.TOTAL // 2)


def symbols(port: Port, static: Static, values: np.ndarray | None) -> np.ndarray:
    """The symbols of known distributions, int32 [S]. A writer gets them as `values`."""
    table, rows = jax.device_put((static.table, static.rows))
    half = 1 << (static.table.shape[1] - 1).bit_length() - 1
    low = np.zeros(len(static.rows), np.int32)
    return _bisect(port, low, half, lambda low, half: _ask_static(table, rows, low, half, _numbers()), values)


def latents(port: Port, found: Distributions, count: int, values: np.ndarray | None) -> np.ndarray:
    """The symbols int32 [P, X] of a group. Its first `count` positions are real; the symbols of the others are 0.

    A writer gets latents int32 [count, X or more] as `values`. It clips latents outside the support to its edge.
    """
    lowest, highest, half = (np.array(a) for a in _support(found))
    for a in (lowest, highest, half):
        a[count:] = 0

    def ask(low: jax.Array, half: jax.Array) -> np.ndarray:
        numbers = np.array(_ask(found, low, half, _numbers()))
        numbers[count:] = NONE
        return numbers

    truth = None
    if values is not None:
        truth = np.zeros_like(lowest)
        truth[:count] = values[:, : len(lowest[0])]
        truth = np.clip(truth, lowest, highest)
    return _bisect(port, lowest, int(half.max()), ask, truth)


def _bisect(
    port: Port,
    low: np.ndarray,
    half: int,
    ask: Callable[[jax.Array, jax.Array], Any],
    truth: np.ndarray | None,
) -> np.ndarray:
    # the values, each of which lies in low ... low + 2 half - 1
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
    """The questions on symbols in low ... low + 2 half - 1 under the CDFs table[rows], int16 [S]."""
    last = table.shape[1] - 1

    def cdf(k: jax.Array) -> jax.Array:
        return table.at[rows, jnp.minimum(k, last)].get(mode="promise_in_bounds")

    return _question(cdf, low, half, number)


@jax.jit
def _ask(found: Distributions, low: jax.Array, half: jax.Array, number: jax.Array) -> jax.Array:
    """The questions on latents in low ... low + 2 half - 1, int16 [P, X]: `NONE` if no symbol lies in the upper half.

    Args:
      found: the distributions of [P, X] latents.
      low: int32 [P, X], the smallest value that each latent may have.
      half: int32.
      number: `numbers`.
    """
    return _question(found.cdf, low, half, number)


@jax.jit
def _support(found: Distributions) -> tuple[jax.Array, jax.Array, jax.Array]:
    lowest, highest = found.support()
    return lowest, highest, rans.half(lowest, highest)


@functools.cache
def _numbers() -> jax.Array:
    return jax.device_put(numbers())
