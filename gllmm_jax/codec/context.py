"""The walk of the context model: groups of positions, each of which sees z and its decoded neighbours."""

from collections.abc import Generator

import jax
import numpy as np

from gllmm_jax.codec import context_walk, rans
from gllmm_jax.codec.coder import Group, Intervals, Outliers, Static
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.rans import Lanes, Source
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.schedule import Schedule, bucket, checkerboard, chunks, padded, segments, wavefront
from gllmm_jax.codec.windows import HYPER_REACH, HYPER_SIDE, scaled, windows
from gllmm_jax.config import HYPER_STRIDE, ModelConfig

CHUNK = 256
"""Positions the encoder evaluates at once."""

CHUNKS = 64
"""How many times that, before what was found leaves the device."""

SEGMENT = 256
"""Groups that the decoder takes at once."""


def hyper_size(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of z beside those of y."""
    return -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)


def schedule(config: ModelConfig, size: tuple[int, int]) -> Schedule:
    """The groups of y of `size` (h, w), in the order of the config."""
    return wavefront(*size) if config.order == "raster" else checkerboard(*size)


def static(twin: Twin, size: tuple[int, int]) -> Static:
    """Distributions of z [ceil(h/4), ceil(w/4), N] in raster order, for y of `size` (h, w)."""
    hz, wz = hyper_size(size)
    return Static(twin.arrays["prior.cdf"], np.tile(np.arange(twin.config.hyper, dtype=np.int32), hz * wz))


def static_symbols(twin: Twin, z_hat: np.ndarray) -> np.ndarray:
    """The symbols of z, int32 [S]."""
    return (z_hat - z_support(twin)[0]).ravel()


class Context:
    """See `coder.Walk`."""

    def __init__(self, twin: Twin, size: tuple[int, int], symbols: np.ndarray) -> None:
        self.size, self.families = size, twin.nets.families
        self.z_hat = symbols.reshape(*hyper_size(size), -1) + z_support(twin)[0]
        self._config, self._nets, self._channels = twin.config, twin.nets, twin.config.latents
        self._around = _around(twin, size, self.z_hat)

    def intervals(self, y_hat: np.ndarray, tick: Tick = silent) -> tuple[Intervals, Outliers]:
        """See `coder.Walk`."""
        plane, order = self._plane(y_hat), schedule(self._config, self.size).order()
        first, last = (np.empty((len(order), self._channels), np.uint16) for _ in range(2))
        places, values = [], []
        parts = segments(chunks(order, min(CHUNK, bucket(len(order)))), CHUNKS, least=1)
        begin = 0
        tick(0, len(parts))
        for done, part in enumerate(parts, 1):
            found = context_walk.intervals(self._config, self._nets, plane, self._around, jax.device_put(part.sites))
            low, frequency, excess = (a.reshape(-1, self._channels)[: part.counts.sum()] for a in jax.device_get(found))
            end = begin + len(low)
            first[begin:end], last[begin:end] = low, low + frequency - 1
            sites, channel = np.nonzero(excess)
            places.append(order[begin + sites].astype(np.int64) * self._channels + channel)
            values.append(excess[sites, channel])
            begin = end
            tick(done, len(parts))
        places, values = np.concatenate(places), np.concatenate(values)
        raster = np.argsort(places)
        return Intervals(first.ravel(), last.ravel(), (first.size,)), Outliers(places[raster], values[raster])

    def decode(self, outliers: Outliers, source: Source, lanes: Lanes, tick: Tick = silent) -> tuple[np.ndarray, Lanes]:
        """See `coder.Walk`."""
        plane = self._plane(outliers.plane((*self.size, self._channels)))
        parts = segments(schedule(self._config, self.size), SEGMENT)
        tick(0, len(parts))
        for done, part in enumerate(jax.device_put(parts), 1):
            plane, lanes = context_walk.decode(self._config, self._nets, plane, self._around, part, source, lanes)
            rans.check_within(lanes, source)
            tick(done, len(parts))
        return context_walk.inside(np.asarray(plane), self.size).copy(), lanes

    def groups(self, outliers: Outliers, tick: Tick = silent) -> Generator[Group, np.ndarray, np.ndarray]:
        """See `coder.Walk`."""
        plane = self._plane(outliers.plane((*self.size, self._channels)))
        sites_of, counts = padded(schedule(self._config, self.size))
        number = int((counts > 0).sum())
        tick(0, number)
        for done in range(number):
            sites, count = sites_of[done], int(counts[done])
            at = jax.device_put(np.maximum(sites, 0))
            mix, rows = context_walk.mixtures(self._config, self._nets, plane, self._around, at)
            found = yield Group(mix, count, lambda y, at=sites[:count]: y.reshape(-1, y.shape[-1])[at])
            plane = context_walk.settle(plane, rows, *jax.device_put((found, np.int32(count))))
            tick(done + 1, number)
        return context_walk.inside(np.asarray(plane), self.size).copy()

    def _plane(self, y_hat: np.ndarray) -> jax.Array:
        plane = context_walk.empty_plane(self.size, self._channels)
        context_walk.inside(plane, self.size)[:] = y_hat
        return jax.device_put(plane)


def _around(twin, size, z_hat):
    hz, wz, _ = z_hat.shape
    height, width = HYPER_STRIDE * hz, HYPER_STRIDE * wz
    rows = np.zeros((bucket(height * width), twin.config.context_features), np.float32)
    phi = rows[: height * width].reshape(height, width, -1)
    for where, kept, to in windows((hz, wz), HYPER_SIDE, HYPER_REACH):
        phi[scaled(to, HYPER_STRIDE)] = _phi(twin, z_hat[where])[scaled(kept, HYPER_STRIDE)]
    return context_walk.Surroundings(*jax.device_put((rows, np.int32(width), np.int32(size[1]))))


def _phi(twin, z_hat):
    # hyper-synthesis of [hz, wz, N] -> at least [4hz, 4wz, F]
    hz, wz, n = z_hat.shape
    plane = np.zeros((bucket(hz, least=4), bucket(wz, least=4), n), np.int32)
    plane[:hz, :wz] = z_hat
    return np.asarray(context_walk.phi(twin.nets, *jax.device_put((plane, np.int32(hz), np.int32(wz)))))
