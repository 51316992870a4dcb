"""The walk of the progressive model: call after call of its network, a place of all blocks of a scale at a time.

Scales lie folded on the device (`nn.progressive.fold`), each in planes as large as its bucket.
"""

import itertools
from collections.abc import Generator, Iterator

import jax
import numpy as np

from gllmm_jax.codec import progressive_walk as programs
from gllmm_jax.codec import rans
from gllmm_jax.codec.coder import Group, Intervals, Outliers, Static
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.rans import Lanes, Source
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.schedule import bucket
from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.nn.progressive import (
    ORDERS,
    Call,
    calls,
    folded_size,
    group,
    guesses,
    known,
    row,
    subsampled,
    truths,
    unfold,
)

CHUNK = 1024
"""Blocks whose distributions are made at once, a multiple of the coder's lanes: it bounds memory, no more."""


def static(twin: Twin, size: tuple[int, int]) -> Static:
    """Distributions of the coarsest scale in raster order, for y of `size` (h, w)."""
    h, w = _coarsest_size(twin.config, size)
    return Static(twin.arrays["prior.cdf"], np.tile(np.arange(twin.config.latents, dtype=np.int32), h * w))


def static_symbols(twin: Twin, y_hat: np.ndarray) -> np.ndarray:
    """The symbols of the coarsest scale of y, int32 [S]."""
    at = subsampled(_msp(twin.config).scales)
    return (y_hat[at, at] - z_support(twin)[0]).ravel()


class Progression:
    """See `coder.Walk`."""

    def __init__(self, twin: Twin, size: tuple[int, int], symbols: np.ndarray) -> None:
        self.size, self.families = size, twin.nets.families
        self.z_hat = np.zeros((0, 0, 0), np.int32)
        self._config, self._nets, self._msp = twin.config, twin.nets, _msp(twin.config)
        self._coarsest = symbols.reshape(*_coarsest_size(twin.config, size), twin.config.latents) + z_support(twin)[0]

    def intervals(self, y_hat: np.ndarray, tick: Tick = silent) -> tuple[Intervals, Outliers]:
        """See `coder.Walk`."""
        first, last, runs, excess = [], [], [], np.zeros(y_hat.shape, np.int32)
        for call, planes, arguments, count in self._calls(y_hat, tick):
            found = jax.device_get(
                programs.intervals(
                    self._config, call.last - call.first, self._nets, planes.truth, planes.fixed, arguments
                )
            )
            low, frequency, over = (a.reshape(-1, a.shape[-1])[:count] for a in found)
            first.append(low.ravel().astype(np.uint16))
            last.append((low + frequency - 1).ravel().astype(np.uint16))
            runs.append(low.size)
            at = group(self._msp, call)
            excess[at] = over.reshape(excess[at].shape)
        places = np.flatnonzero(excess).astype(np.int64)
        first, last = (np.concatenate([np.zeros(0, np.uint16), *parts]) for parts in (first, last))
        return Intervals(first, last, tuple(runs)), Outliers(places, excess.ravel()[places])

    def decode(self, outliers: Outliers, source: Source, lanes: Lanes, tick: Tick = silent) -> tuple[np.ndarray, Lanes]:
        """See `coder.Walk`."""
        y_hat = self._begin(outliers)
        for call, planes, arguments, _ in self._calls(y_hat, tick):
            width = call.last - call.first
            truth, lanes = programs.decode(
                self._config, width, self._nets, planes.truth, planes.fixed, arguments, source, lanes
            )
            rans.check_within(lanes, source)
            planes.truth = truth
        return y_hat, lanes

    def groups(self, outliers: Outliers, tick: Tick = silent) -> Generator[Group, np.ndarray, np.ndarray]:
        """See `coder.Walk`."""
        y_hat = self._begin(outliers)
        for call, planes, arguments, count in self._calls(y_hat, tick):
            width, at = call.last - call.first, group(self._msp, call)
            x = programs.features(self._config, self._nets, planes.truth, planes.fixed, arguments)
            for begin in range(0, count, CHUNK):
                sites = arguments.sites[begin // CHUNK]
                mix = programs.mixtures(self._config, width, self._nets, x, arguments, sites)
                part, number = slice(begin, min(begin + CHUNK, count)), min(CHUNK, count - begin)

                def of(y: np.ndarray, at=at, width=width, part=part) -> np.ndarray:
                    return y[at].reshape(-1, width)[part]

                found = yield Group(mix, number, of)
                planes.truth = programs.settle(planes.truth, arguments, sites, jax.device_put(found))
        return y_hat

    def _begin(self, outliers: Outliers) -> np.ndarray:
        y_hat = outliers.plane((*self.size, self._config.latents))
        at = subsampled(self._msp.scales)
        y_hat[at, at] = self._coarsest
        return y_hat

    def _calls(self, y_hat: np.ndarray, tick: Tick) -> Iterator[tuple[Call, "_Planes", programs.Arguments, int]]:
        """The calls that are about anything; what their planes hold at the end of a scale goes into `y_hat`."""
        todo = calls(self._msp, self._config.latents)
        tick(0, len(todo))
        done = 0
        for scale, its_calls in itertools.groupby(todo, key=lambda call: call.scale):
            planes = _Planes(self._msp, y_hat, scale) if min(self.size) >> scale else None
            for call in its_calls:
                if planes and len(sites := planes.sites(call)):
                    yield call, planes, _arguments(self._config, call, sites, planes), len(sites)
                tick(done := done + 1, len(todo))
            if planes:
                planes.write(y_hat)


class _Planes:
    """One scale, folded, on the device."""

    def __init__(self, msp: Progressive, y_hat: np.ndarray, scale: int) -> None:
        self._at, self._msp = subsampled(scale), msp
        plane = y_hat[self._at, self._at]
        self._size = plane.shape[0], plane.shape[1]
        self._blocks = folded_size(self._size, msp.block)
        self.shape = tuple(bucket(n, least=4) for n in self._blocks)
        folded, inside = truths(plane, msp.block)
        guess = guesses(plane[1::2, 1::2], self._size, msp.block)
        self.truth, guess, inside = (jax.device_put(self._bucketed(a)) for a in (folded, guess, inside))
        self.fixed = programs.Fixed(guess, inside, jax.device_put(tuple(np.int32(n) for n in self._blocks)))

    def _bucketed(self, folded: np.ndarray) -> np.ndarray:
        more = [(0, wide - n) for wide, n in zip(self.shape, folded.shape[:2], strict=True)]
        return np.pad(folded, [*more, (0, 0), (0, 0)])

    def sites(self, call: Call) -> np.ndarray:
        """Blocks of the bucketed plane whose place is inside the picture, in raster order."""
        starts = ORDERS[self._msp.block][call.place]
        sides = zip(self._size, starts, self._msp.block, strict=True)
        rows, columns = (np.arange(len(range(start, side, step))) for side, start, step in sides)
        return (rows[:, None] * self.shape[1] + columns).ravel().astype(np.int32)

    def write(self, y_hat: np.ndarray) -> None:
        """Put the scale where it belongs."""
        rows, columns = self._blocks
        plane = unfold(np.asarray(self.truth)[:rows, :columns], self._msp.block)
        y_hat[self._at, self._at] = plane[: self._size[0], : self._size[1]]


def _arguments(config: ModelConfig, call: Call, sites: np.ndarray, planes: _Planes) -> programs.Arguments:
    msp = _msp(config)
    i, j = ORDERS[msp.block][call.place]
    numbers = row(msp, call), call.place, i * msp.block[1] + j, call.first
    blocks = planes.shape[0] * planes.shape[1]
    padded = np.full((-(-blocks // CHUNK), min(blocks, CHUNK)), -1, np.int32)
    padded.flat[: len(sites)] = sites
    return programs.Arguments(*jax.device_put((known(msp, config.latents, call), *map(np.int32, numbers), padded)))


def _msp(config: ModelConfig) -> Progressive:
    assert config.msp is not None
    return config.msp


def _coarsest_size(config: ModelConfig, size: tuple[int, int]) -> tuple[int, int]:
    h, w = (side >> _msp(config).scales for side in size)
    return h, w
