"""The facts about a codec in the table of other codecs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]
"""Shape of a picture: (height, width, 3 or 1)."""


class Peer(NamedTuple):
    """`encode` makes a file of uint8 [height, width, 3 or 1] at one of `qualities`. `decode` gives such a picture back.

    `qualities` are the library's own numbers, from the smallest file to the largest. Those of `curve` draw a curve.
    `missing` tells what to install, or is None if nothing is missing. `outside` says that ffmpeg works in a process of
    its own.
    """

    library: str
    suffix: str
    missing: Callable[[], str | None]
    encode: Callable[[np.ndarray, int], bytes]
    decode: Callable[[bytes, Shape], np.ndarray]
    qualities: Sequence[int]
    curve: tuple[int, ...]
    outside: bool = False
