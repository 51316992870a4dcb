"""The loops of the walk, as pure functions of arrays: for the codec's programs, and for any program of yours.

Latents lie in a plane int32 [R, M]: rows are positions in any order, columns are channels. An entropy model is a
schedule and a pure function. The schedule lists, group by group, the rows that come next. The function takes the plane
and the rows of a group, and gives their distributions. It may read only rows that earlier groups have filled.
Everything here works under `jax.jit` and `jax.vmap`.

In this example every symbol sees the one above it. One jitted function encodes latents and decodes them again; the
bytes are made outside of it:

    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from gllmm_jax.entropy import rans
    >>> from gllmm_jax.order.schedule import Schedule
    >>> from gllmm_jax.prob import Tables
    >>> from gllmm_jax.walk import loops
    >>> def distribute(plane, rows):  # symbols 0 ... 2; the symbol above is the likely one
    ...     above = jnp.where(rows[:, None] > 0, plane[rows - 1], 0)
    ...     likely = jnp.arange(3)[None, :, None] == above[:, None, :]
    ...     cdf = jnp.cumsum(jnp.where(likely, 45536, 10000), axis=1)
    ...     return Tables(jnp.pad(cdf, ((0, 0), (1, 0), (0, 0))).astype(jnp.int32))
    >>> schedule = Schedule(np.arange(4, dtype=np.int32)[:, None], np.ones(4, np.int32))  # one after the other
    >>> @jax.jit
    ... def there_and_back(plane):
    ...     coded = loops.intervals(distribute, plane, schedule.rows)
    ...     states, out, emitted = rans.encode(rans.start(1), *loops.steps(coded, *schedule, lanes=1))
    ...     data, length = rans.compact(out, emitted)
    ...     source, lanes = rans.traced_source(data), rans.Lanes(states, jnp.int32(0))
    ...     excess = loops.excess(coded, schedule.rows, plane)  # zeros here: no symbol lies beyond its table
    ...     found, lanes = loops.decode(distribute, excess, schedule, source, lanes)
    ...     return found, states, data, length
    >>> plane = jnp.array([[0, 1], [0, 1], [2, 1], [2, 1]], jnp.int32)  # 4 positions, 2 channels
    >>> found, states, data, length = there_and_back(plane)
    >>> stream = rans.pack_states(np.asarray(states)) + np.asarray(data[:length]).tobytes()
    >>> bool((found == plane).all()), len(stream)
    (True, 5)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.entropy import rans
from gllmm_jax.entropy.rans import Lanes, Source
from gllmm_jax.order.schedule import Schedule
from gllmm_jax.prob import tables
from gllmm_jax.prob.distributions import Distributions

Distribute = Callable[[jax.Array, jax.Array], Distributions]
"""(plane int32 [R, M], rows int32 [P]) -> distributions of X channels of those rows. Row 0 fills up a group."""


Rows = jax.Array | np.ndarray


class Coded(NamedTuple):
    """The interval in [0, 2^16) of each symbol, and the excess of each latent beyond its support."""

    low: jax.Array  # int32 [G, P, X]; 0 where a group has no row
    frequency: jax.Array  # int32 [G, P, X]; 2^16 there
    excess: jax.Array  # int32 [G, P, X]; nearly always 0


def intervals(
    distribute: Distribute,
    plane: jax.Array | np.ndarray,
    rows: Rows,
    first: jax.Array | int = 0,
    groups: jax.Array | int | None = None,
) -> Coded:
    """The intervals that an encoder codes, for a complete `plane` and the `rows` of all groups, int32 [G, P].

    A row of -1 is none. `first` is the first of the X channels of the distributions. With `groups` only so many of the
    G groups are computed, and the result is zero for the others.
    """
    latents = jnp.asarray(plane)  # NumPy's do not take traced rows

    def group(rows: jax.Array) -> Coded:
        found = distribute(latents, jnp.maximum(rows, 0))
        lowest, highest = found.support()
        value = latents.at[jnp.maximum(rows, 0)].get(mode="promise_in_bounds")
        if value.shape != lowest.shape:
            value = lax.dynamic_slice_in_dim(value, first, lowest.shape[1], axis=1)
        k = jnp.clip(value, lowest, highest)
        low, real = found.cdf(k), rows[:, None] >= 0
        frequency = jnp.where(real, found.cdf(k + 1) - low, tables.TOTAL)
        return Coded(jnp.where(real, low, 0), frequency, jnp.where(real, value - k, 0))

    every = jnp.asarray(rows)
    if groups is None:
        return lax.map(group, every)
    empty = jax.tree.map(lambda a: jnp.zeros((len(every), *a.shape), a.dtype), jax.eval_shape(group, every[0]))

    def computed(g: jax.Array, found: Coded) -> Coded:
        return jax.tree.map(lambda a, b: lax.dynamic_update_index_in_dim(a, b, g, 0), found, group(every[g]))

    return lax.fori_loop(0, groups, computed, empty)


def step_counts(counts: np.ndarray, channels: int, lanes: int) -> np.ndarray:
    """How many steps of so many lanes each group of `counts` rows takes, int [G]. No two groups share a step."""
    return -(-counts * channels // lanes)


def steps(coded: Coded, rows: np.ndarray, counts: np.ndarray, lanes: int) -> tuple[jax.Array, jax.Array]:
    """The arguments low and frequency of `rans.encode`, int32 [T, lanes] each, for the symbols of a schedule.

    `counts` [G] are the schedule's. `rows` are those of `coded`: the schedule's rows in the same order, in the same
    groups or in others (`order.schedule.regrouped`). Both are concrete, since T depends on them. Symbols that cost
    nothing fill up the last step of each group.
    """
    width = coded.low.shape[2]
    real = (np.flatnonzero(rows >= 0)[:, None] * width + np.arange(width)).ravel()
    symbols = counts.astype(np.int64) * width
    more = step_counts(counts.astype(np.int64), width, lanes) * lanes - symbols
    at = np.insert(real, np.repeat(np.cumsum(symbols), more), coded.low.size)
    low, frequency = (
        jnp.append(a.reshape(-1), np.int32(certain))[at]
        for a, certain in ((coded.low, 0), (coded.frequency, tables.TOTAL))
    )
    return low.reshape(-1, lanes), frequency.reshape(-1, lanes)


def excess(coded: Coded, rows: Rows, plane: jax.Array, first: jax.Array | int = 0) -> jax.Array:
    """The excess of the latents of `rows` beyond their supports, in the shape of `plane`, with zeros elsewhere.

    The decoder needs it: `decode` adds its symbols to this plane.
    """
    return settle(jnp.zeros_like(plane), rows.reshape(-1), coded.excess.reshape(-1, coded.excess.shape[2]), first)


def decode(
    distribute: Distribute,
    plane: jax.Array,
    schedule: Schedule,
    source: Source,
    lanes: Lanes,
    first: jax.Array | int = 0,
) -> tuple[jax.Array, Lanes]:
    """Decode the latents of a schedule: a loop over its groups, with a loop over steps of L symbols in each group.

    `plane` holds the excess of latents beyond their supports, and the symbols are added to it. Each group begins with a
    new step; a group without rows does nothing. The loop stops at the end of the source, so that a short stream cannot
    cause a long loop.

    Returns: the plane with the latents, and the state of the coder.
    """
    every, counts = map(jnp.asarray, schedule)
    groups = jnp.max(jnp.where(counts > 0, np.arange(1, len(counts) + 1, dtype=np.int32), 0), initial=0)

    def more(carry: tuple) -> jax.Array:
        g, _, lanes = carry
        return (g < groups) & rans.within(lanes, source)

    def group(carry: tuple) -> tuple:
        g, plane, lanes = carry
        rows = every[g]
        found = distribute(plane, jnp.maximum(rows, 0))
        symbols, lanes = _symbols(found, counts[g], source, lanes)
        return g + 1, settle(plane, rows, symbols, first), lanes

    _, plane, lanes = lax.while_loop(more, group, (np.int32(0), plane, lanes))
    return plane, lanes


def settle(plane: jax.Array, rows: Rows, symbols: jax.Array, first: jax.Array | int = 0) -> jax.Array:
    """The plane with symbols int32 [P, X] added to channels `first` ... of its `rows` [P], -1 for none."""
    wide = symbols
    if symbols.shape[1] != plane.shape[1]:
        empty = jnp.zeros((len(rows), plane.shape[1]), jnp.int32)
        wide = lax.dynamic_update_slice_in_dim(empty, symbols, first, axis=1)
    return plane.at[jnp.where(rows >= 0, rows, len(plane))].add(wide, mode="drop")


def _symbols(found: Distributions, count: jax.Array, source: Source, lanes: Lanes) -> tuple[jax.Array, Lanes]:
    # the symbols [P, X] of the first `count` positions, 0 for the others, and the lanes
    lowest, highest = found.support()
    (positions, width), n = lowest.shape, lanes.state.shape[0]
    whole = width % n == 0  # then steps lie within positions, and nothing has to be moved
    widths = jnp.max(_in_steps(rans.half(lowest, highest)[:, None], n)[:, 0], axis=1)
    per = max(width // n, 1)
    moved = found if whole else found.each(lambda a: _in_steps(a, n))

    def part(s: jax.Array) -> Distributions:
        if not whole:
            return moved.each(lambda a: a[s])
        p = lax.div(s, np.int32(per))
        at = (p, np.int32(0), (s - p * per) * n)
        return found.each(lambda a: lax.dynamic_slice(a, at, (1, a.shape[1], n))[0])

    def step(s: jax.Array, carry: tuple) -> tuple:
        symbols, lanes = carry
        these = part(s)
        k, low, frequency = rans.search(
            these.cdf, rans.slots(lanes), these.support()[0], lax.dynamic_index_in_dim(widths, s, keepdims=False)
        )
        if not whole:  # symbols that fill up the last step are certain
            real = s * n + np.arange(n, dtype=np.int32) < count * width
            low, frequency = jnp.where(real, low, 0), jnp.where(real, frequency, tables.TOTAL)
        return lax.dynamic_update_index_in_dim(symbols, k, s, 0), rans.advance(lanes, source, low, frequency)

    steps = lax.div(count * width + np.int32(n - 1), np.int32(n))
    symbols, lanes = lax.fori_loop(np.int32(0), steps, step, (jnp.zeros((len(widths), n), jnp.int32), lanes))
    return symbols.reshape(-1)[: positions * width].reshape(positions, width), lanes


def _in_steps(a: jax.Array, n: int) -> jax.Array:
    # [P, C, X] -> [steps, C, n], position by position, zeros at the end
    flat = a.transpose(0, 2, 1).reshape(-1, a.shape[1])
    flat = jnp.pad(flat, ((0, -len(flat) % n), (0, 0)))
    return flat.reshape(-1, n, a.shape[1]).transpose(0, 2, 1)
