"""The walk of the progressive model: call after call of its network, a place of all blocks of a scale at a time.

Scales lie folded on the device (`nn.progressive.fold`), each in planes as large as its bucket.
"""

import functools
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import exact, rans
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
from gllmm_jax.prob import tables
from gllmm_jax.prob.tables import IntegerMixture


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
                _intervals(self._config, call.last - call.first, self._nets, planes.truth, planes.fixed, arguments)
            )
            low, frequency, over = (a[:count] for a in found)
            first.append(low.ravel().astype(np.uint16))
            last.append((low + frequency - 1).ravel().astype(np.uint16))
            runs.append(low.size)
            at = group(self._msp, call)
            excess[at] = over.reshape(excess[at].shape)
        places = np.flatnonzero(excess).astype(np.int64)
        whole = (np.concatenate([np.zeros(0, np.uint16), *parts]) for parts in (first, last))
        return Intervals(*whole, tuple(runs)), Outliers(places, excess.ravel()[places])

    def decode(self, outliers: Outliers, source: Source, lanes: Lanes, tick: Tick = silent) -> tuple[np.ndarray, Lanes]:
        """See `coder.Walk`."""
        y_hat = self._begin(outliers)
        for call, planes, arguments, _ in self._calls(y_hat, tick):
            width = call.last - call.first
            truth, lanes = _decode(
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
            mix = _mixtures(self._config, width, self._nets, planes.truth, planes.fixed, arguments)
            found = yield Group(mix, count, lambda y, at=at, width=width: y[at].reshape(-1, width))
            planes.truth = _settle(planes.truth, arguments, jax.device_put(found))
        return y_hat

    def _begin(self, outliers: Outliers) -> np.ndarray:
        y_hat = outliers.plane((*self.size, self._config.latents))
        at = subsampled(self._msp.scales)
        y_hat[at, at] = self._coarsest
        return y_hat

    def _calls(self, y_hat: np.ndarray, tick: Tick) -> Iterator[tuple[Call, "_Planes", "_Arguments", int]]:
        """The calls that are about anything; what their planes hold at the end of a scale goes into `y_hat`."""
        todo = calls(self._msp, self._config.latents)
        tick(0, len(todo))
        planes, scale = None, None
        for done, call in enumerate(todo, 1):
            if not min(self.size) >> call.scale:  # nothing is left of it
                continue
            if call.scale != scale:
                if planes is not None:
                    planes.write(y_hat)
                planes, scale = _Planes(self._msp, y_hat, call.scale), call.scale
            sites = planes.sites(call)
            if len(sites):
                yield call, planes, _arguments(self._config, call, sites, planes), len(sites)
            tick(done, len(todo))
        if planes is not None:
            planes.write(y_hat)


class _Fixed(NamedTuple):
    """What does not change while a scale is coded."""

    guess: jax.Array  # int32 [rows, columns, places, M], bucketed
    inside: jax.Array  # bool [rows, columns, places, 1]
    size: tuple[jax.Array, jax.Array]  # rows and columns that are the picture's


class _Arguments(NamedTuple):
    """What sets one call apart from others of its program."""

    known: jax.Array  # bool [places, M]
    step: jax.Array  # int32, the number of its bias
    place: jax.Array  # int32, in the order of the block
    spot: jax.Array  # int32, in a folded plane
    first: jax.Array  # int32, its first channel
    sites: jax.Array  # int32 [P], its blocks in the bucketed plane; -1 for none


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
        self.truth, guess, inside = jax.device_put(tuple(map(self._bucketed, (folded, guess, inside))))
        self.fixed = _Fixed(guess, inside, jax.device_put(tuple(np.int32(n) for n in self._blocks)))

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


def _arguments(config: ModelConfig, call: Call, sites: np.ndarray, planes: _Planes) -> _Arguments:
    msp = _msp(config)
    i, j = ORDERS[msp.block][call.place]
    numbers = row(msp, call), call.place, i * msp.block[1] + j, call.first
    padded = np.full(planes.shape[0] * planes.shape[1], -1, np.int32)
    padded[: len(sites)] = sites
    return _Arguments(*jax.device_put((known(msp, config.latents, call), *map(np.int32, numbers), padded)))


def _msp(config: ModelConfig) -> Progressive:
    assert config.msp is not None
    return config.msp


def _coarsest_size(config: ModelConfig, size: tuple[int, int]) -> tuple[int, int]:
    h, w = (side >> _msp(config).scales for side in size)
    return h, w


def _distributions(config, width, net, truth, fixed, call) -> IntegerMixture:
    # fields [P, C, width]; one symbol, for free, where there is no site
    mixed = jnp.where(call.known & fixed.inside, truth, fixed.guess)
    x = exact.features(config, net, mixed.reshape(*mixed.shape[:2], -1), fixed.size, call.step)
    x = x.reshape(-1, x.shape[-1]).at[jnp.maximum(call.sites, 0)].get(mode="promise_in_bounds")
    mix = exact.numbers(config, net, x, call.place, call.first, width)
    return mix._replace(radius=jnp.where(call.sites[:, None, None] >= 0, mix.radius, 0))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _mixtures(config: ModelConfig, width: int, net: exact.Nets, truth: jax.Array, fixed: _Fixed, call: Any):
    """`_distributions` as a program."""
    return _distributions(config, width, net, truth, fixed, call)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _intervals(config: ModelConfig, width: int, net: exact.Nets, truth: jax.Array, fixed: _Fixed, call: Any):
    """Low and frequency of what is coded, and what latents exceed it by: int32 [P, width] each."""
    mix = _distributions(config, width, net, truth, fixed, call)
    flat = truth.reshape(-1, *truth.shape[2:])
    value = lax.dynamic_slice_in_dim(flat[jnp.maximum(call.sites, 0), call.spot], call.first, width, axis=1)
    reach = mix.radius[:, 0]
    k = jnp.clip(value, -reach, reach)
    low = tables.mixture_cdf(net.families, mix, k)
    return low, tables.mixture_cdf(net.families, mix, k + 1) - low, value - k


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def _decode(
    config: ModelConfig,
    width: int,
    net: exact.Nets,
    truth: jax.Array,
    fixed: _Fixed,
    call: _Arguments,
    source: Source,
    lanes: Lanes,
):
    """The symbols of one call, in whole steps: the plane with them, and the lanes."""
    mix = _distributions(config, width, net, truth, fixed, call)
    places, n = call.sites.shape[0], lanes.state.shape[0]
    steps = -(-places * width // n)

    def in_steps(a: jax.Array) -> jax.Array:
        # [P, C, width] -> [steps, C, L], what is added having one symbol
        flat = a.transpose(0, 2, 1).reshape(places * width, -1)
        flat = jnp.pad(flat, ((0, steps * n - len(flat)), (0, 0)))
        return flat.reshape(steps, n, -1).transpose(0, 2, 1)

    mix = jax.tree.map(in_steps, mix)
    widest = jnp.max(mix.radius, axis=(1, 2))
    widths = jnp.where(widest > 0, widest + 1, 0)
    count = jnp.sum(call.sites >= 0, dtype=jnp.int32) * width
    real = lax.div(count + np.int32(n - 1), np.int32(n))

    def more(carry):
        s, _symbols, lanes = carry
        return (s < real) & rans.within(lanes, source)

    def step(carry):
        s, symbols, lanes = carry
        part = jax.tree.map(lambda a: a[s], mix)
        k, low, frequency = rans.search(
            lambda k: tables.mixture_cdf(net.families, part, k), rans.slots(lanes), -part.radius[0], widths[s]
        )
        return s + 1, symbols.at[s].set(k), rans.advance(lanes, source, low, frequency)

    _, symbols, lanes = lax.while_loop(more, step, (np.int32(0), jnp.zeros((steps, n), jnp.int32), lanes))
    return _put(truth, call, symbols.reshape(-1)[: places * width].reshape(places, width)), lanes


def _put(truth: jax.Array, call: _Arguments, values: jax.Array) -> jax.Array:
    # symbols [P, width], added to what is there
    flat = truth.reshape(-1, *truth.shape[2:])
    site = jnp.where(call.sites >= 0, call.sites, len(flat))[:, None]
    channels = call.first + jnp.arange(values.shape[1])
    return flat.at[site, call.spot, channels].add(values, mode="drop").reshape(truth.shape)


_settle = jax.jit(_put, donate_argnums=0)
