"""The coder `rans`: interleaved rANS inside the compiled programs that walk the schedule. Runs wherever JAX does."""

import jax
import numpy as np

from gllmm_jax.codec import rans, walk
from gllmm_jax.codec.coder import Content, Given, Static
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.schedule import bucket, segments, wavefront
from gllmm_jax.prob import tables

BLOCK = 1 << 15
"""Steps that the encoder takes at once."""

SEGMENT = 256
"""Groups that the decoder takes at once."""


def encode(static: Static, given: Given, content: Content, tick: Tick = silent) -> bytes:
    """See `coder.Coder`."""
    lanes = _lanes(given.size, given.config.latents)
    fill = (0, -len(static.rows) % lanes)  # what is certain fills up the last static step
    low = np.pad(static.table[static.rows, content.symbols], fill)
    last = np.pad(static.table[static.rows, content.symbols + 1] - 1, fill, constant_values=tables.TOTAL - 1)
    starts = range(0, (len(low) + len(content.first)) // lanes, BLOCK)
    state, parts = rans.start(lanes), []
    tick(0, len(starts))
    for start in reversed(starts):
        firsts = _steps(lanes, 0, low, content.first, start)
        lasts = _steps(lanes, tables.TOTAL - 1, last, content.last, start)
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
        found, self._lanes = walk.decode_static(*args, self._source, self._lanes)
        rans.check_within(self._lanes, self._source)  # before anything of the picture's size is made
        return np.asarray(found).ravel()[:count]

    def latents(self, given: Given, tick: Tick = silent) -> np.ndarray:
        plane = jax.device_put(given.outliers.plane(given.size, given.config.latents))
        parts = segments(wavefront(*given.size), SEGMENT)
        tick(0, len(parts))
        for done, part in enumerate(jax.device_put(parts), 1):
            plane, self._lanes = walk.decode(
                given.config, given.nets, plane, given.around, part, self._source, self._lanes
            )
            rans.check_within(self._lanes, self._source)
            tick(done, len(parts))
        return walk.inside(np.asarray(plane), given.size).copy()

    def finish(self) -> None:
        rans.check_finished(self._lanes, self._source)


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
