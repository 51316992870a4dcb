"""The coder `rans`: interleaved rANS inside the compiled programs that take the groups of a schedule."""

from collections.abc import Sequence

import jax
import numpy as np

from gllmm_jax.entropy import rans
from gllmm_jax.entropy.symbols import Intervals, Static
from gllmm_jax.order.schedule import bucket
from gllmm_jax.order.stage import Stage
from gllmm_jax.prob import tables
from gllmm_jax.progress import Tick, silent
from gllmm_jax.walk import walk
from gllmm_jax.walk.coder import Content

BLOCK = 1 << 15
"""Steps that the encoder takes in one call."""

LEAST = 1 << 12
"""The least number of steps that a program has room for, so that few programs serve pictures of all sizes."""


def encode(content: Content, tick: Tick = silent) -> bytes:
    """See `coder.Coder`."""
    (h, w, m), static = content.y_hat.shape, content.model.static()
    lanes = _lanes((h, w), m)
    fill = (0, -len(static.rows) % lanes)  # symbols of frequency 2^16, which cost nothing, fill up the last step
    low = np.pad(static.table[static.rows, content.symbols], fill)
    last = np.pad(static.table[static.rows, content.symbols + 1] - 1, fill, constant_values=tables.TOTAL - 1)
    latents = _filled(content.intervals, lanes)
    starts = range(0, (len(low) + len(latents.first)) // lanes, BLOCK)
    state, parts = rans.start(lanes), []
    tick(0, len(starts))
    for start in reversed(starts):
        firsts = _steps(lanes, 0, low, latents.first, start)
        lasts = _steps(lanes, tables.TOTAL - 1, last, latents.last, start)
        state, out, emitted = jax.device_get(rans.encode(*jax.device_put((state, firsts, lasts - firsts + 1))))
        parts.append(out[emitted].tobytes())
        tick(len(parts), len(starts))
    return rans.pack_states(state) + b"".join(reversed(parts))


def decoder(data: bytes, size: tuple[int, int], channels: int) -> "Decoder":
    """See `coder.Coder`."""
    return Decoder(data, _lanes(size, channels))


class Decoder:
    """See `coder.Decoder`."""

    def __init__(self, data: bytes, lanes: int) -> None:
        states, found = rans.unpack(data, lanes)
        self._source = rans.source(found)
        self._lanes = rans.Lanes(*jax.device_put((states, np.int32(0))))

    def static(self, static: Static) -> np.ndarray:
        n, count = len(self._lanes.state), len(static.rows)
        arguments = jax.device_put(static_steps(static, n, bucket(-(-count // n), least=LEAST)))
        found, self._lanes = rans.decode_static(*arguments, self._source, self._lanes)
        rans.check_within(self._lanes, self._source)  # before anything of the picture's size is made
        return np.asarray(found).ravel()[:count]

    def latents(self, stages: Sequence[Stage], y_hat: np.ndarray, tick: Tick = silent) -> np.ndarray:
        y_hat, self._lanes = walk.decode(stages, y_hat, self._source, self._lanes, tick)
        return y_hat

    def finish(self) -> None:
        rans.check_finished(self._lanes, self._source)


def _filled(latents: Intervals, lanes: int) -> Intervals:
    # every group filled up to whole steps with symbols that cost nothing
    more = -latents.groups % lanes
    if not more.any():
        return latents
    at = np.repeat(np.cumsum(latents.groups), more)
    first, last = np.insert(latents.first, at, 0), np.insert(latents.last, at, tables.TOTAL - 1)
    return Intervals(first, last, latents.groups + more)


def _steps(lanes, certain, static, latents, start):
    # a block of steps of L symbols, int32 [bucketed, L], filled up with symbols that cost nothing
    begin, end = start * lanes, (start + BLOCK) * lanes
    latents = latents[max(begin - len(static), 0) : max(end - len(static), 0)]
    steps = np.concatenate([static[begin:end], latents.astype(np.int32)]).reshape(-1, lanes)
    return np.pad(steps, ((0, bucket(len(steps), least=LEAST) - len(steps)), (0, 0)), constant_values=certain)


def static_steps(static: Static, lanes: int, most: int) -> tuple[np.ndarray, np.ndarray, np.int32]:
    """The arguments of `rans.decode_static`: tables, rows [most, L], and how many steps to take.

    A last table, whose only symbol is certain, serves to fill up the steps.
    """
    certain = np.where(np.arange(static.table.shape[1]) > 0, tables.TOTAL, 0)[None]
    rows = np.full((most, lanes), len(static.table), np.int32)
    rows.flat[: len(static.rows)] = static.rows
    table = np.concatenate([static.table, certain]).astype(np.int32)
    return table, rows, np.int32(-(-len(static.rows) // lanes))


def _lanes(size, channels):
    return rans.lane_count(size[0] * size[1] * channels, channels)
