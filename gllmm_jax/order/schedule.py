"""Schedules: which latents come next. The distributions of a group may depend on all groups before it.

A group is a set of rows of a plane of latents (`walk.loops`). `wavefront` and `checkerboard` number the positions of a
picture row by row. `Schedule.of` replaces these numbers by rows of a plane.

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
        """The schedule with each number n replaced by rows[n], int32."""
        return Schedule(np.where(self.rows >= 0, rows[self.rows], -1).astype(np.int32), self.counts)


def wavefront(height: int, width: int, *, radius: int = 2) -> Schedule:
    """The schedule of a raster-causal context with this `radius`: position (i, j) is in group j + (radius + 1) i.

    All positions that the context of (i, j) sees are in earlier groups, and positions of one group do not see each
    other. There are W + (radius + 1)(H - 1) groups, less those that are empty in narrow pictures.
    """
    i, j = np.divmod(np.arange(height * width), width)
    time = j + (radius + 1) * i
    order = np.lexsort((i, time)).astype(np.int32)
    _, counts = np.unique(time, return_counts=True)
    return _grouped(order, counts)


def checkerboard(height: int, width: int, *, most: int = 1024) -> Schedule:
    """Two groups: positions with even row + column, which see no others, then the rest, which see the first group.

    A group of more than `most` positions is split into parts. That bounds memory and changes nothing else.
    """
    parity = np.indices((height, width)).sum(0).ravel() % 2
    halves = [np.flatnonzero(parity == p).astype(np.int32) for p in (0, 1)]
    parts = [half[begin : begin + most] for half in halves for begin in range(0, len(half), most)]
    return _grouped(np.concatenate(parts), np.array([len(part) for part in parts]))


def at_once(count: int, *, most: int = 1024) -> Schedule:
    """One group of the numbers 0 ... count - 1, split into parts of at most `most`: no position sees another."""
    return regrouped(np.arange(count, dtype=np.int32), min(most, count))


def _grouped(order: np.ndarray, counts: np.ndarray) -> Schedule:
    rows = np.full((len(counts), counts.max()), -1, np.int32)
    rows[np.arange(counts.max()) < counts[:, None]] = order
    return Schedule(rows, counts.astype(np.int32))


def regrouped(order: np.ndarray, size: int) -> Schedule:
    """Rows in the given order, in groups of `size`. An encoder may use such groups, since it knows all latents."""
    rows = np.full((-(-len(order) // size), size), -1, np.int32)
    rows.flat[: len(order)] = order
    return Schedule(rows, np.count_nonzero(rows >= 0, axis=1).astype(np.int32))


def segments(schedule: Schedule, length: int) -> list[Schedule]:
    """The groups in runs of `length`, padded to a width that is a `bucket`, so that a program serves many sizes.

    The last run is filled up with groups that have no rows.
    """
    groups, width = schedule.rows.shape
    more, wide = -groups % length, bucket(width)
    rows = np.pad(schedule.rows, ((0, more), (0, wide - width)), constant_values=-1).reshape(-1, length, wide)
    counts = np.pad(schedule.counts, (0, more)).reshape(-1, length)
    return [Schedule(*part) for part in zip(rows, counts, strict=True)]


def bucket(n: int, *, least: int = 16, fine: bool = False) -> int:
    """The next number from n on that is 2 or 3 times a power of two, at least `least`; so at most 1.5 n or `least`.

    With `fine` it is 4, 5, 6 or 7 times a power of two, at most 1.25 n or `least`.
    """
    step = 1 << max(int(n - 1).bit_length() - (3 if fine else 2), 0)
    return max(least, -(-n // step) * step)
