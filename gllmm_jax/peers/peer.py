"""What the table of other codecs knows about one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]
"""Of a picture: (height, width, 3 or 1)."""


class Peer(NamedTuple):
    """`encode` makes a file of uint8 [height, width, 3 or 1] at one of `qualities`; `decode` gives back such a picture.

    `qualities` are the library's own numbers, from the smallest file to the largest; those of `curve` draw a curve.
    `missing` tells what is to be installed, None where nothing is. `outside`: ffmpeg does the work, in its own process.
    """

    library: str
    suffix: str
    missing: Callable[[], str | None]
    encode: Callable[[np.ndarray, int], bytes]
    decode: Callable[[bytes, Shape], np.ndarray]
    qualities: Sequence[int]
    curve: tuple[int, ...]
    outside: bool = False
