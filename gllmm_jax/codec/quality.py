"""The quality from 0 to 100 that a user chooses, and the index 0 ... 255 that a file holds.

    index = round(quality * 255 / 100), halves to the even number

The index stands for a lambda (`config.VariableRate`). Quality 100 gives the best picture and the largest file. The
mapping is a promise: in every later version a quality gives the same index.
"""

from gllmm_jax.config import QUALITIES

BEST = 100
DEFAULT = 50


def index_of(quality: float) -> int:
    """Index of a quality from 0 to 100, fractions allowed. Raises `ValueError` outside."""
    if not 0 <= quality <= BEST:  # also false for NaN
        raise ValueError(f"the quality must be from 0 to {BEST}, not {quality}")
    return round(quality * (QUALITIES - 1) / BEST)


def quality_of(index: int) -> float:
    """A quality with that index: a whole number if one has the index, else a number with two digits."""
    quality = index * BEST / (QUALITIES - 1)
    return float(round(quality)) if index_of(round(quality)) == index else round(quality, 2)
