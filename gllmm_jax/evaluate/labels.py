"""Names of curves beside a plot, each level with the place that its curve would arrive at."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

GAP = 0.05
"""Least distance of two names, as a share of the height of the plot."""


class End(NamedTuple):
    """The end of a curve: its name, its last points (bits per pixel, quality in dB), colour, and whether it is ours."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    own: bool

    def at(self, bpp: float) -> float:
        """Quality in dB where the curve would arrive: straight on over the logarithm of the rate."""
        (rate, psnr), *_ = self.points[::-1]
        if len(self.points) < 2 or rate >= bpp:
            return psnr
        before, lower = self.points[-2]
        return psnr + (psnr - lower) * math.log(bpp / rate) / math.log(rate / before)


def name_ends(axes: Any, ends: Sequence[End]) -> None:
    """Write each curve's name right of the plot, in its colour, with a dotted line to its end.

    The names stand in the order in which the curves would arrive there, also those that end before.
    """
    low, high = axes.get_ylim()
    most, place = max((end.points[-1][0] for end in ends), default=1.0), high
    gap = GAP * (high - low)
    for end in sorted(ends, key=lambda end: -end.at(most)):
        place = min(end.at(most), place - gap)
        axes.annotate(
            end.name,
            end.points[-1],
            (1.03, place),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=end.colour,
            fontweight="bold" if end.own else "normal",
            arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "color": end.colour, "linestyle": ":", "alpha": 0.6},
        )
