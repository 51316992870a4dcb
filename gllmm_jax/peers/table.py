"""The table of other codecs, and functions for each codec in it.

>>> import numpy as np
>>> from gllmm_jax.peers import table
>>> image = np.full((64, 96, 3), 128, np.uint8)
>>> data = table.encode("jpeg-4:4:4", image, 75)
>>> table.decode("jpeg-4:4:4", data, image.shape).shape
(64, 96, 3)
"""

from collections.abc import Iterable

import numpy as np

from gllmm_jax.peers import ffmpeg, through_pillow
from gllmm_jax.peers.peer import Peer, Shape

PEERS: dict[str, Peer] = through_pillow.peers() | ffmpeg.peers()


def available() -> list[str]:
    """Names of the codecs whose library is installed."""
    return [name for name in PEERS if missing(name) is None]


def missing(name: str) -> str | None:
    """What to install for a codec, in a sentence; None if it is installed."""
    return PEERS[name].missing()


def named(names: Iterable[str]) -> list[str]:
    """Full names. "jpeg" gives all names that begin so, up to a dash. Raises `ValueError` for a name that none has."""
    found: dict[str, None] = {}
    for name in names:
        its = [full for full in PEERS if full == name or full.startswith(f"{name}-")]
        if not its:
            raise ValueError(f"there is no other codec '{name}'; there are: {', '.join(PEERS)}")
        found |= dict.fromkeys(its)
    return list(found)


def encode(name: str, image: np.ndarray, quality: int) -> bytes:
    """A file of the codec `name` from uint8 [height, width, 3 or 1]. Raises `ImportError` if the codec is missing."""
    return PEERS[name].encode(image, quality)


def decode(name: str, data: bytes, shape: Shape) -> np.ndarray:
    """The picture in such a file -> uint8 of `shape`, which is (height, width, 3 or 1)."""
    return PEERS[name].decode(data, shape)


def at_size(name: str, image: np.ndarray, size: int) -> tuple[int, bytes]:
    """The lowest quality whose file has at least `size` bytes, and that file: the same size, in the peer's favour.

    If even the largest file is smaller, that file. The search is a bisection: sizes rise with quality, to a few bytes.
    """
    qualities = PEERS[name].qualities
    low, high = 0, len(qualities) - 1
    best = encode(name, image, qualities[high])
    while low < high:
        middle = (low + high) // 2
        data = encode(name, image, qualities[middle])
        if len(data) >= size:
            high, best = middle, data
        else:
            low = middle + 1
    return qualities[high], best
