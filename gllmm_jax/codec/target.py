"""Finds the quality that meets a wish: a number of bytes at most, of bits per pixel, or of decibels.

The analysis runs once. A probe is a real file, or a real decoded picture, at one quality. The logarithm of the size and
the PSNR are nearly linear in the quality's index, so a few probes find the quality.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from gllmm_jax.config import QUALITIES

PROBES = 6

TOP = QUALITIES - 1

WIDE = 32
"""Indices. In a wider range the middle comes next if the last probe was hardly nearer: the curve is no line there."""


class Target(NamedTuple):
    """The value that `find` looks for. Values grow with the quality's index.

    `slope` is a first guess of what one index adds. A value is near enough within `tolerance`. With `below` it must not
    exceed what is wanted.
    """

    wanted: float
    slope: float
    tolerance: float
    below: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is near enough."""
        return abs(self.wanted - value) <= self.tolerance and not (self.below and value > self.wanted)


def at_most(size: float) -> Target:
    """`size` bytes and no more; values are logarithms of bytes."""
    return Target(math.log(size), 0.0095, 0.01, below=True)


def about(size: float) -> Target:
    """About `size` bytes; values are logarithms of bytes."""
    return Target(math.log(size), 0.0095, 0.01)


def decibels(psnr: float) -> Target:
    """A PSNR in dB; values are in dB."""
    return Target(psnr, 0.035, 0.05)


def find(value: Callable[[int], float], target: Target, start: int) -> int | None:
    """The index, 0 ... 255, whose value comes nearest to the target, among at most `PROBES`; the first is `start`.

    It is None if the target is out of reach: an upper limit below the value at index 0, or another target beyond either
    end. The highest quality meets an upper limit above all values.
    """
    seen: dict[int, float] = {}
    low, high = 0, TOP  # where the answer may still be
    index, nearest = start, math.inf
    while len(seen) < PROBES:
        seen[index] = value(index)
        if target.met(seen[index]):
            return index
        if seen[index] > target.wanted:
            high = index - 1
        else:
            low = index + (0 if target.below else 1)
        first = low + (low in seen)
        if first > high:
            break
        away = abs(seen[index] - target.wanted)
        above, under = min(seen.values()) > target.wanted, max(seen.values()) <= target.wanted
        if len(seen) == PROBES - 1 and (above or (under and not target.below)):
            index = 0 if above else TOP  # the end tells whether the target is in reach
        elif away > nearest / 2 and high - first > WIDE:
            index = (first + high) // 2
        else:
            index = min(max(_guess(seen, target), first), high)
        nearest = min(away, nearest)
    return _nearest(seen, target)


def _guess(seen: dict[int, float], target: Target) -> int:
    # along the line through the two values around the target, or else the two nearest, or with the usual slope
    near = sorted(seen, key=lambda index: abs(seen[index] - target.wanted))[:2]
    under = max((index for index in seen if seen[index] <= target.wanted), default=TOP)
    over = min((index for index in seen if seen[index] > target.wanted), default=0)
    if under < over:
        near = sorted((under, over), key=lambda index: abs(seen[index] - target.wanted))
    slope = target.slope
    if len(near) == 2 and (rise := (seen[near[0]] - seen[near[1]]) / (near[0] - near[1])) > target.slope / 8:
        slope = rise
    # aim a little below an upper limit
    aim = target.wanted - (target.tolerance / 2 if target.below else 0)
    step = (aim - seen[near[0]]) / slope
    return near[0] + (math.floor(step) if target.below else round(step))


def _nearest(seen: dict[int, float], target: Target) -> int | None:
    fitting = [index for index, value in seen.items() if not (target.below and value > target.wanted)]
    if not fitting:
        return None
    best = min(fitting, key=lambda index: abs(seen[index] - target.wanted))
    far = abs(seen[best] - target.wanted) > 2 * target.tolerance
    one_side = len({value > target.wanted for value in seen.values()}) == 1
    return None if far and one_side and not target.below else best
