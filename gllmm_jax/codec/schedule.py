"""Schedules: which latents come next. A group is coded knowing all groups before it and nothing of itself.

A site is a position and a slice of channels, numbered `slice * (h * w) + i * w + j`; models whose groups take all
channels at once, as the raster context model does, have one slice and sites that are raster positions.
"""

from typing import NamedTuple

import numpy as np


class Schedule(NamedTuple):
    """Groups of sites in coding order."""

    sites: np.ndarray  # int32 [groups, widest]; the real sites of a group first, then -1
    counts: np.ndarray  # int32 [groups], real sites in each, at least 1

    def order(self) -> np.ndarray:
        """All sites in coding order, int32 [sites]."""
        return self.sites[self.sites >= 0]


def wavefront(height: int, width: int, *, radius: int = 2) -> Schedule:
    """Schedule of a raster-causal window that reaches `radius` latents: position (i, j) in group j + (radius + 1) i.

    Every position of the window above or left of (i, j) has a smaller number, and positions of equal number do not see
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


def _grouped(order: np.ndarray, counts: np.ndarray) -> Schedule:
    sites = np.full((len(counts), counts.max()), -1, np.int32)
    sites[np.arange(counts.max()) < counts[:, None]] = order
    return Schedule(sites, counts.astype(np.int32))


def chunks(order: np.ndarray, size: int) -> Schedule:
    """The same sites, in the same order, in groups of `size`: what an encoder, who knows everything, may use."""
    counts = np.full(-(-len(order) // size), size)
    counts[-1] = len(order) - size * (len(counts) - 1)
    return _grouped(order, counts)


def padded(schedule: Schedule, *, least: int = 8) -> Schedule:
    """Groups and width rounded up to a `bucket`, so that one compiled program serves many sizes; added counts are 0."""
    groups, width = schedule.sites.shape
    more = bucket(groups, least=least) - groups
    sites = np.pad(schedule.sites, ((0, more), (0, bucket(width, least=least) - width)), constant_values=-1)
    return Schedule(sites, np.pad(schedule.counts, (0, more)))


def segments(schedule: Schedule, most: int, *, least: int = 8) -> list[Schedule]:
    """The same groups, `padded`, in runs of one length, `most` at most."""
    sites, counts = padded(schedule, least=least)
    length = min(len(counts), most)
    more = -len(counts) % length
    sites = np.pad(sites, ((0, more), (0, 0)), constant_values=-1).reshape(-1, length, sites.shape[1])
    counts = np.pad(counts, (0, more)).reshape(-1, length)
    return [Schedule(*part) for part in zip(sites, counts, strict=True)]


def bucket(n: int, *, least: int = 8) -> int:
    """The next of 4, 5, 6, 7 times a power of two, at least `least`: at most a quarter is wasted."""
    step = max(1 << max(int(n - 1).bit_length() - 3, 0), 1)
    return max(least, -(-n // step) * step)
