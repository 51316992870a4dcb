"""What an entropy coder is told about symbols."""

from typing import NamedTuple

import numpy as np


class Static(NamedTuple):
    """Distributions of S symbols that depend on nothing in the stream."""

    table: np.ndarray  # int32 [tables, symbols + 1], CDFs in 1/65536, 2^16 past the last symbol
    rows: np.ndarray  # int32 [S], the table of each


class Intervals(NamedTuple):
    """Where in [0, 2^16) the interval of each symbol begins, and the last number that belongs to it.

    Symbols in coding order, group by group: each group begins with a step of its own.
    """

    first: np.ndarray  # uint16 [symbols]
    last: np.ndarray  # uint16 [symbols]
    groups: np.ndarray  # int64 [groups], symbols in each
