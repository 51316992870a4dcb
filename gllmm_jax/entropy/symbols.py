"""What an entropy coder needs to know of symbols."""

from typing import NamedTuple

import numpy as np


class Static(NamedTuple):
    """The distributions of S symbols, if they depend on nothing in the stream."""

    table: np.ndarray  # int32 [tables, symbols + 1], CDFs in 1/65536, 2^16 past the last symbol
    rows: np.ndarray  # int32 [S], the table of each


class Intervals(NamedTuple):
    """The first and the last number of each symbol's interval in [0, 2^16).

    Symbols are in coding order, group by group. Each group begins with a new step.
    """

    first: np.ndarray  # uint16 [symbols]
    last: np.ndarray  # uint16 [symbols]
    groups: np.ndarray  # int64 [groups], symbols in each
