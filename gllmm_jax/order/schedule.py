"""Schedules: which latents come next. A group is coded knowing all groups before it and nothing of itself.

A group is a set of rows of a plane of latents (`walk.loops`). `wavefront` and `checkerboard` number the positions of a
picture row by row; `Schedule.of` says where in a plane they lie.

    >>> from gllmm_jax.order.schedule import checkerboard, wavefront
    >>> len(wavefront(4, 8, radius=1).counts)  # 8 + 2 (4 - 1): a causal context costs as many steps
    14
    >>> [int(count) for count in checkerboard(4, 8).counts]
    [16, 16]
"""

from typing import NamedTuple

import numpy as np


class Schedule(NamedTuple):
    """Groups of rows in coding order."""

    rows: np.ndarray  # int32 [groups, widest]; the rows of a group first, then -1
    counts: np.ndarray  # int32 [groups], rows in each, at least 1

    def order(self) -> np.ndarray:
        """All rows in coding order, int32 [rows]."""
        return self.rows[self.rows >= 0]

    def of(self, rows: np.ndarray) -> "Schedule":
        """The same with each number n replaced by rows[n], int32."""
        return Schedule(np.where(self.rows >= 0, rows[self.rows], -1).astype(np.int32), self.counts)


def wavefront(height: int, width: int, *, radius: int = 2) -> Schedule:
    """Schedule of a raster-causal context that reaches `radius` latents: position (i, j) in group j + (radius + 1) i.

    Every position of the context above or left of (i, j) has a smaller number, and positions of equal number do not see
    each other. W + (radius + 1)(H - 1) groups, less those that are empty in narrow pictures.
    """
    i, j = np.divmod(np.arange(height * width), width)
    time = j + (radius + 1) * i
    order = np.lexsort((i, time)).astype(np.int32)
    _, counts = np.unique(time, return_counts=True)
    return _grouped(order, counts)


def checkerboard(height: int, width: int, *, most: int = 1024) -> Schedule:
    """Positions of even row + column, which see no other, then the rest, which see those; `most` in a group.

    Two groups, but for large pictures in parts, which bounds memory and changes nothing else.
    """
    parity = np.indices((height, width)).sum(0).ravel() % 2
    halves = [np.flatnonzero(parity == p).astype(np.int32) for p in (0, 1)]
    parts = [half[begin : begin + most] for half in halves for begin in range(0, len(half), most)]
    return _grouped(np.concatenate(parts), np.array([len(part) for part in parts]))


def at_once(count: int, *, most: int = 1024) -> Schedule:
    """Numbers 0 ... count - 1, none of which sees another: one group, but for many in parts of `most`."""
    return chunks(np.arange(count, dtype=np.int32), min(most, count))


def _grouped(order: np.ndarray, counts: np.ndarray) -> Schedule:
    rows = np.full((len(counts), counts.max()), -1, np.int32)
    rows[np.arange(counts.max()) < counts[:, None]] = order
    return Schedule(rows, counts.astype(np.int32))


def chunks(order: np.ndarray, size: int) -> Schedule:
    """The same rows, in the same order, in groups of `size`: what an encoder, who knows everything, may use."""
    rows = np.full((-(-len(order) // size), size), -1, np.int32)
    rows.flat[: len(order)] = order
    return Schedule(rows, np.count_nonzero(rows >= 0, axis=1).astype(np.int32))


def segments(schedule: Schedule, length: int) -> list[Schedule]:
    """The same groups in runs of `length`, their width a `bucket`: one compiled program serves many sizes.

    Groups that fill up the last run have no rows.
    """
    groups, width = schedule.rows.shape
    more, wide = -groups % length, bucket(width)
    rows = np.pad(schedule.rows, ((0, more), (0, wide - width)), constant_values=-1).reshape(-1, length, wide)
    counts = np.pad(schedule.counts, (0, more)).reshape(-1, length)
    return [Schedule(*part) for part in zip(rows, counts, strict=True)]


def bucket(n: int, *, least: int = 16, fine: bool = False) -> int:
    """The next of 2 or 3 times a power of two, at least `least`: at most half as much again.

    A `fine` one is 4, 5, 6 or 7 times a power of two: at most a quarter more.
    """
    step = 1 << max(int(n - 1).bit_length() - (3 if fine else 2), 0)
    return max(least, -(-n // step) * step)
