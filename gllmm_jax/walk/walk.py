"""The walk of one picture, stage by stage on the device: what the codec's coders run.

One compiled program serves all pictures of a bucket: sizes and the trip counts of loops are traced.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.entropy import decisions, rans
from gllmm_jax.entropy.rans import Lanes, Source
from gllmm_jax.entropy.symbols import Intervals
from gllmm_jax.order.schedule import Schedule, bucket, regrouped, segments
from gllmm_jax.order.stage import Part, Program, Stage
from gllmm_jax.prob.distributions import Distributions
from gllmm_jax.programs import latest
from gllmm_jax.progress import Tick, silent
from gllmm_jax.walk import loops
from gllmm_jax.walk.coder import Outliers

GROUP = 256
"""Positions in a group of the encoder, unless a group of the schedule has more."""

SMALL_GROUP = 64
"""Positions in a group of the encoder for a part that has no more: another program takes more memory than rows do."""

GROUPS = 64
"""Groups that the encoder takes before the results leave the device."""

FEW = 16
"""Groups that the encoder takes so for smaller pictures."""

SEGMENT = 64
"""Groups that the decoder takes in one call."""

PROGRAMS = 24
"""Programs of each kind that are kept."""


def intervals(stages: Sequence[Stage], y_hat: np.ndarray, tick: Tick = silent) -> tuple[Intervals, Outliers]:
    """The intervals and the outliers of all latents int32 [h, w, M], for the encoder, which knows them all."""
    coded, excess, groups = [], np.zeros((0, 2), np.int64), []
    pieces = [[_known_pieces(part) for part in stage.parts] for stage in stages]
    todo, done = sum(map(len, itertools.chain(*pieces))), 0
    m, width = y_hat.shape[-1], 0
    tick(0, todo)
    for stage, of_stage in zip(stages, pieces, strict=True):
        plane, known = stage.plane(y_hat), stage.known(y_hat)
        for part, of_part in zip(stage.parts, of_stage, strict=True):
            prepared, first = _prepared(part, known, plane)
            for piece in of_part:
                rows, real = jax.device_put((piece.rows, np.int32(np.count_nonzero(piece.counts))))
                found = jax.device_get(_intervals(part.program, prepared, plane, rows, first, real))
                width, count = found.low.shape[-1], piece.counts.sum()
                low, frequency, over = (a.reshape(-1, width)[:count] for a in found)
                coded.append((low.astype(np.uint16), (low + frequency - 1).astype(np.uint16)))
                at, channel = np.nonzero(over)
                if len(at):
                    indices = stage.raster[piece.order()[at]].astype(np.int64) * m + part.first + channel
                    excess = np.concatenate([excess, np.stack([indices, over[at, channel]], axis=1)])
                tick(done := done + 1, todo)
            groups.append(part.schedule.counts.astype(np.int64) * width)
    first, last = (np.concatenate([np.zeros(0, np.uint16), *(pair[i].ravel() for pair in coded)]) for i in (0, 1))
    excess = excess[np.argsort(excess[:, 0])]
    groups = np.concatenate([np.zeros(0, np.int64), *groups])
    return Intervals(first, last, groups), Outliers(excess[:, 0], excess[:, 1].astype(np.int32))


def decode(
    stages: Sequence[Stage], y_hat: np.ndarray, source: Source, lanes: Lanes, tick: Tick = silent
) -> tuple[np.ndarray, Lanes]:
    """Decode the latents int32 [h, w, M] of a stream of rANS. `y_hat` holds what is known before, and is changed.

    Raises `BitstreamError` if the stream is cut short.
    """
    pieces = [[segments(part.schedule, SEGMENT) for part in stage.parts] for stage in stages]
    todo, done = sum(map(len, itertools.chain(*pieces))), 0
    tick(0, todo)
    for stage, of_stage in zip(stages, pieces, strict=True):
        plane, known = stage.plane(y_hat), stage.known(y_hat)
        for part, of_part in zip(stage.parts, of_stage, strict=True):
            prepared, first = _prepared(part, known, plane)
            for piece in jax.device_put(of_part):
                plane, lanes = _decode(part.program, prepared, plane, piece, source, lanes, first)
                rans.check_within(lanes, source)
                tick(done := done + 1, todo)
        y_hat = stage.written(y_hat, plane)
    return y_hat, lanes


def decide(
    port: decisions.Port, stages: Sequence[Stage], y_hat: np.ndarray, values: np.ndarray | None, tick: Tick = silent
) -> np.ndarray:
    """Code the latents int32 [h, w, M] as binary decisions. `y_hat` holds what is known before, and is changed.

    A writer gets the latents as `values`; a reader gets None and returns them.
    """
    todo = sum(len(part.schedule.counts) for stage in stages for part in stage.parts)
    done, m = 0, y_hat.shape[-1]
    tick(0, todo)
    for stage in stages:
        plane, known = stage.plane(y_hat), stage.known(y_hat)
        for part in stage.parts:
            prepared, first = _prepared(part, known, plane)
            more = bucket(part.schedule.rows.shape[1]) - part.schedule.rows.shape[1]
            for real, count in zip(part.schedule.rows, part.schedule.counts.tolist(), strict=True):
                rows = jax.device_put(np.pad(real, (0, more), constant_values=-1))
                found = _distributions(part.program, prepared, plane, rows)
                truth = None if values is None else values.reshape(-1, m)[stage.raster[real[:count]], part.first :]
                symbols = decisions.latents(port, found, count, truth)
                plane = _settle(plane, rows, jax.device_put(symbols), first)
                tick(done := done + 1, todo)
        y_hat = stage.written(y_hat, plane)
    return y_hat


def _known_pieces(part: Part) -> list[Schedule]:
    # an encoder may take any groups; it takes sizes that `segments` does not change
    size = SMALL_GROUP if part.most <= SMALL_GROUP else bucket(max(GROUP, part.schedule.rows.shape[1]))
    known = regrouped(part.schedule.order(), size)
    return segments(known, GROUPS if len(known.counts) > FEW else min(FEW, GROUPS))


def _prepared(part: Part, known: Any, plane: jax.Array) -> tuple[Any, jax.Array]:
    """What the groups of a part share, and the first of its channels."""
    of_part, first = jax.device_put((part.known, np.int32(part.first)))
    return part.program.prepare(known, of_part, plane), first


@latest(PROGRAMS, static=1)
def _intervals(program: Program, prepared: Any, plane: jax.Array, rows: jax.Array, first: jax.Array, groups: jax.Array):
    return loops.intervals(functools.partial(program.distribute, prepared), plane, rows, first, groups)


@latest(PROGRAMS, static=1, donate_argnums=2)
def _decode(
    program: Program, prepared: Any, plane: jax.Array, schedule: Any, source: Any, lanes: Any, first: jax.Array
):
    return loops.decode(functools.partial(program.distribute, prepared), plane, schedule, source, lanes, first)


@latest(PROGRAMS, static=1)
def _distributions(program: Program, prepared: Any, plane: jax.Array, rows: jax.Array) -> Distributions:
    return program.distribute(prepared, plane, jnp.maximum(rows, 0))


_settle = latest(PROGRAMS, donate_argnums=0)(loops.settle)
