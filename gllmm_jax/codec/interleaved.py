"""The coder `rans`: interleaved rANS inside the compiled programs that walk the schedule. Runs wherever JAX does."""

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.codec import rans, walk
from gllmm_jax.codec.coder import Given, Static
from gllmm_jax.codec.schedule import bucket, chunks, padded, wavefront
from gllmm_jax.prob import tables

CHUNK = 256
"""Positions the encoder evaluates at once."""


def encode(static: Static, symbols: np.ndarray, given: Given, y_hat: np.ndarray) -> bytes:
    """See `coder.Coder`."""
    low, frequency = _steps(static, symbols, given, y_hat)
    steps = len(low)
    low = np.pad(low, ((0, bucket(steps) - steps), (0, 0)))
    frequency = np.pad(frequency, ((0, len(low) - steps), (0, 0)), constant_values=tables.TOTAL)
    return rans.pack(*jax.device_get(rans.encode(jnp.asarray(low), jnp.asarray(frequency))))


def decoder(data: bytes, size: tuple[int, int], channels: int) -> "Decoder":
    """See `coder.Coder`."""
    return Decoder(data, _lanes(size, channels))


class Decoder:
    """See `coder.Decoder`."""

    def __init__(self, data: bytes, lanes: int) -> None:
        states, found = rans.unpack(data, lanes)
        self._bytes, self._pairs = len(found), jnp.asarray(rans.byte_pairs(found))
        self._lanes = rans.Lanes(jnp.asarray(states), jnp.int32(0))

    def static(self, static: Static) -> np.ndarray:
        count, n = len(static.rows), len(self._lanes.state)
        steps = -(-count // n)
        rows = np.full(bucket(steps) * n, len(static.table), np.int32)
        rows[:count] = static.rows
        table, rows = jnp.asarray(_with_certain(static.table)), jnp.asarray(rows.reshape(-1, n))
        found, self._lanes = walk.decode_static(table, rows, jnp.int32(steps), self._pairs, self._end, self._lanes)
        rans.check_within(self._lanes, self._bytes)  # before anything of the picture's size is made
        return np.asarray(found).ravel()[:count]

    def latents(self, given: Given) -> np.ndarray:
        schedule = wavefront(*given.size)
        groups, schedule = len(schedule.counts), padded(schedule)
        plane = walk.empty_plane(given.size, given.config.latents)
        args = plane, given.phi, *schedule, np.int32(groups), given.radius, np.int32(given.size[1]), given.phi_width
        plane, self._lanes = walk.decode(
            given.config, given.nets, *map(jnp.asarray, args), self._pairs, self._end, self._lanes
        )  # pyright: ignore[reportCallIssue]
        rans.check_within(self._lanes, self._bytes)
        return walk.inside(np.asarray(plane), given.size).copy()

    def finish(self) -> None:
        rans.check_finished(self._lanes, self._bytes)

    @property
    def _end(self) -> jax.Array:
        return jnp.int32(self._bytes)


def intervals(static: Static, symbols: np.ndarray, given: Given, y_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low end and frequency of every symbol in the order of the stream, static ones first, int32 [symbols] each."""
    low = static.table[static.rows, symbols]
    first = low, static.table[static.rows, symbols + 1] - low
    config, size = given.config, given.size
    plane = walk.empty_plane(size, config.latents)
    walk.inside(plane, size)[:] = y_hat
    order = wavefront(*size).order()
    sites = padded(chunks(order, min(CHUNK, bucket(len(order)))), least=1).sites
    args = (jnp.asarray(a) for a in (plane, given.phi, sites, given.radius, np.int32(size[1]), given.phi_width))
    found = jax.device_get(walk.intervals(config, given.nets, *args))
    real = len(order) * config.latents
    low, frequency = (np.concatenate([a, b.ravel()[:real]]) for a, b in zip(first, found, strict=True))
    return low, frequency


def _steps(static, symbols, given, y_hat):
    # the intervals by steps of L symbols, int32 [steps, L]; a certain symbol fills up the last static step
    low, frequency = intervals(static, symbols, given, y_hat)
    n, split = _lanes(given.size, given.config.latents), len(symbols)
    fill = -split % n
    low = np.concatenate([low[:split], np.zeros(fill, np.int32), low[split:]])
    frequency = np.concatenate([frequency[:split], np.full(fill, tables.TOTAL, np.int32), frequency[split:]])
    return low.reshape(-1, n), frequency.reshape(-1, n)


def _with_certain(table):
    # one more row, with one symbol that is certain
    return np.concatenate([table, np.where(np.arange(table.shape[1]) > 0, tables.TOTAL, 0)[None]]).astype(np.int32)


def _lanes(size, channels):
    return rans.lane_count(size[0] * size[1] * channels, channels)
