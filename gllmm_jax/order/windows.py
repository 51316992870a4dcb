"""Windows: a large plane goes through a network in overlapping pieces of one size.

Windows overlap by as much as the network sees, and lie wholly in the plane. So the zeros beyond the edge of a window
are those beyond the edge of the plane, or too far away to change what is kept of the window.
"""

from typing import NamedTuple

HYPER_SIDE = 32
"""Hyper-latents on a side that go through h_a or h_s at once: 2,048 pixels."""

HYPER_REACH = 4
"""At least as far as h_a, h_s and the context see, in hyper-latents."""

Slices = tuple[slice, slice]  # rows, columns


class Window(NamedTuple):
    """One window of a plane."""

    where: Slices  # the window in the plane
    kept: Slices  # the part that is kept, in the window
    to: Slices  # the same part in the plane


def windows(size: tuple[int, int], side: int, reach: int) -> list[Window]:
    """Windows of `side` x `side` that cover a plane of `size`, row by row; an axis shorter than `side` is taken whole.

    `reach`: how far the network sees in any direction.
    """
    assert 2 * reach < side
    rows, columns = (_spans(length, side, reach) for length in size)
    return [Window((r[0], c[0]), (r[1], c[1]), (r[2], c[2])) for r in rows for c in columns]


def scaled(slices: Slices, factor: int) -> Slices:
    """The same slices of a plane with `factor` times as many samples on each axis."""
    rows, columns = (slice(factor * s.start, factor * s.stop) for s in slices)
    return rows, columns


def _spans(length: int, side: int, reach: int) -> list[tuple[slice, slice, slice]]:
    # the fields of `Window` on one axis
    side, found, begin = min(side, length), [], 0
    while begin < length:
        start = min(max(begin - reach, 0), length - side)
        end = length if start + side == length else start + side - reach
        found.append((slice(start, start + side), slice(begin - start, end - start), slice(begin, end)))
        begin = end
    return found
