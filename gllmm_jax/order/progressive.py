"""The progressive model: each call of its network gives the distributions of one place in all blocks of a scale.

Each scale is a stage. Its plane is folded (`nn.progressive.fold`): the row of a latent is the number of its block times
the places of a block, plus the number of its place. The grid of blocks is filled up to a bucket.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.nn.progressive import ORDERS, Call, calls, fold, folded_size, guesses, known, row, subsampled
from gllmm_jax.order.factorized import Factorized
from gllmm_jax.order.hyper import PROGRAMS, nets
from gllmm_jax.order.schedule import Schedule, bucket
from gllmm_jax.order.stage import Part, Stage
from gllmm_jax.prob.distributions import Mixtures
from gllmm_jax.programs import latest
from gllmm_jax.twin import exact

GROUP = 1024
"""Blocks whose distributions are computed at once, a multiple of the coder's lanes. It only bounds memory."""


THIN = 64
"""If a grid has more blocks than this on one side, the other side is not filled up to 4, which keeps strips small."""


class Progression(Factorized):
    """See `stage.EntropyModel`."""

    def stages(self, z_hat: Any) -> list[Stage]:
        """See `stage.EntropyModel`."""
        todo = itertools.groupby(calls(self._msp, self.twin.config.latents), key=lambda call: call.scale)
        return [self._stage(scale, list(group)) for scale, group in todo if min(self.size) >> scale]

    @property
    def _msp(self) -> Progressive:
        assert self.twin.config.msp is not None
        return self.twin.config.msp

    def _stage(self, scale: int, todo: Sequence[Call]) -> Stage:
        (h, w), block, at = self.size, self._msp.block, subsampled(scale)
        numbers = np.arange(h * w, dtype=np.int32).reshape(h, w)[at, at, None]
        size = numbers.shape[0], numbers.shape[1]
        blocks = folded_size(size, block)
        least = 4 if max(blocks) <= THIN else 1
        grid = bucket(blocks[0], least=least, fine=True), bucket(blocks[1], least=least, fine=True)
        edges = [(0, n * side - length) for n, side, length in zip(grid, block, size, strict=True)]
        raster = fold(np.pad(numbers, (*edges, (0, 0)), constant_values=-1), block)
        inside = raster >= 0
        network, net = nets(self.twin), jax.device_put(tuple(map(np.int32, blocks)))

        def seen(y_hat: Any) -> _Scale:
            guess = guesses(y_hat[at, at][1::2, 1::2], size, block)
            more = [(0, wide - n) for wide, n in zip(grid, blocks, strict=True)]
            pad = np.pad if isinstance(guess, np.ndarray) else jnp.pad
            guess, there = jax.device_put((pad(guess, (*more, (0, 0), (0, 0))), inside))
            return _Scale(network, guess, there, net)

        parts = (self._part(call, size, grid) for call in todo)
        return Stage(raster.ravel(), seen, [part for part in parts if len(part.schedule.counts)])

    def _part(self, call: Call, size: tuple[int, int], grid: tuple[int, int]) -> Part:
        msp, m = self._msp, self.twin.config.latents
        start, places = ORDERS[msp.block][call.place], msp.block[0] * msp.block[1]
        sides = zip(size, start, msp.block, strict=True)
        i, j = (np.arange(len(range(begin, side, step)), dtype=np.int32) for side, begin, step in sides)
        rows = ((i[:, None] * grid[1] + j).ravel() * places + start[0] * msp.block[1] + start[1]).astype(np.int32)
        most = grid[0] * grid[1]
        parts = np.full((-(-most // GROUP), min(most, GROUP)), -1, np.int32)
        parts.flat[: len(rows)] = rows
        counts = (parts >= 0).sum(axis=1, dtype=np.int32)
        groups = Schedule(parts, counts) if len(rows) else Schedule(parts[:0], counts[:0])
        numbers = (row(msp, call), call.place, call.first)
        arguments = _Call(known(msp, m, call), *map(np.int32, numbers))
        return Part(_Program(self.twin.config, call.last - call.first), arguments, groups, most, call.first)


class _Scale(NamedTuple):
    """What stays the same while a scale is coded."""

    nets: exact.Nets
    guess: jax.Array  # int32 [rows, columns, places, M], bucketed
    inside: jax.Array  # bool [rows, columns, places, 1]
    size: tuple[jax.Array, jax.Array]  # rows and columns of blocks that belong to the picture


class _Call(NamedTuple):
    """What differs between the calls of one program."""

    known: np.ndarray  # bool [places, M]
    step: Any  # int32, the number of its bias
    place: Any  # int32, in the order of the block
    first: Any  # int32, its first channel


class _Prepared(NamedTuple):
    nets: exact.Nets
    call: _Call
    features: jax.Array  # [blocks, F]


@dataclasses.dataclass(frozen=True)
class _Program:
    """See `stage.Program`. One program serves all calls with equally many channels, on grids of one bucket."""

    config: ModelConfig
    width: int  # channels of the call

    def prepare(self, stage: _Scale, part: _Call, plane: jax.Array) -> _Prepared:
        """See `stage.Program`."""
        return _Prepared(stage.nets, part, _features(self.config, stage, part, plane))

    def distribute(self, prepared: _Prepared, plane: jax.Array, rows: jax.Array) -> Mixtures:
        """See `stage.Program`."""
        nets, call, features = prepared
        block = lax.div(rows, np.int32(call.known.shape[0]))
        x = features.at[block].get(mode="promise_in_bounds")
        mix = exact.numbers(self.config, nets, x, call.place, call.first, self.width)
        return Mixtures(mix, nets.families)


@latest(PROGRAMS, static=1)
def _features(config: ModelConfig, stage: _Scale, part: _Call, plane: jax.Array) -> jax.Array:
    """[blocks, F], what the network gives for all blocks before one call."""
    mixed = jnp.where(part.known[None, None] & stage.inside, plane.reshape(stage.guess.shape), stage.guess)
    mixed = mixed.reshape(*mixed.shape[:2], -1)
    x = exact.features(config, stage.nets, mixed, stage.size, jnp.asarray(part.step))
    return x.reshape(-1, x.shape[-1])
