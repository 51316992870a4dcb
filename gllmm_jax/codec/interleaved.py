"""The coder `rans`: interleaved rANS inside the compiled programs that walk the schedule. Runs wherever JAX does."""

import jax
import numpy as np

from gllmm_jax.codec import rans
from gllmm_jax.codec.coder import Content, Intervals, Outliers, Static, Walk
from gllmm_jax.codec.context_walk import decode_static
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.schedule import bucket
from gllmm_jax.prob import tables

BLOCK = 1 << 15
"""Steps that the encoder takes at once."""


def encode(static: Static, walk: Walk, content: Content, tick: Tick = silent) -> bytes:
    """See `coder.Coder`."""
    lanes = _lanes(walk.size, content.y_hat.shape[-1])
    fill = (0, -len(static.rows) % lanes)  # what is certain fills up the last static step
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
        count, n = len(static.rows), len(self._lanes.state)
        steps = -(-count // n)
        rows = np.full(bucket(steps) * n, len(static.table), np.int32)
        rows[:count] = static.rows
        args = jax.device_put((with_certain(static.table), rows.reshape(-1, n), np.int32(steps)))
        found, self._lanes = decode_static(*args, self._source, self._lanes)
        rans.check_within(self._lanes, self._source)  # before anything of the picture's size is made
        return np.asarray(found).ravel()[:count]

    def latents(self, walk: Walk, outliers: Outliers, tick: Tick = silent) -> np.ndarray:
        y_hat, self._lanes = walk.decode(outliers, self._source, self._lanes, tick)
        return y_hat

    def finish(self) -> None:
        rans.check_finished(self._lanes, self._source)


def _filled(latents: Intervals, lanes: int) -> Intervals:
    # every run to whole steps, with what is certain
    if not any(run % lanes for run in latents.runs):
        return latents
    edges, more = np.cumsum(latents.runs), [-run % lanes for run in latents.runs]
    at = np.repeat(edges, more)
    first, last = np.insert(latents.first, at, 0), np.insert(latents.last, at, tables.TOTAL - 1)
    return Intervals(first, last, tuple(run + extra for run, extra in zip(latents.runs, more, strict=True)))


def _steps(lanes, certain, static, latents, start):
    # a block of steps of L symbols, int32 [bucketed, L]: what is certain fills up the end
    begin, end = start * lanes, (start + BLOCK) * lanes
    latents = latents[max(begin - len(static), 0) : max(end - len(static), 0)]
    steps = np.concatenate([static[begin:end], latents.astype(np.int32)]).reshape(-1, lanes)
    return np.pad(steps, ((0, bucket(len(steps)) - len(steps)), (0, 0)), constant_values=certain)


def with_certain(table: np.ndarray) -> np.ndarray:
    """CDFs int32 [tables, symbols + 1] with one more row, of one symbol that is certain."""
    return np.concatenate([table, np.where(np.arange(table.shape[1]) > 0, tables.TOTAL, 0)[None]]).astype(np.int32)


def _lanes(size, channels):
    return rans.lane_count(size[0] * size[1] * channels, channels)
