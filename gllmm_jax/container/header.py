"""What a `.gllm` file says about itself, in any version of its format."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gllmm_jax.errors import BitstreamError

CODERS = ("rans", "tfc")  # a file holds the place in this list: the order stays, and the first is the default
COLOURS = ("rgb", "gray")
FINGERPRINT_BYTES = 4
SIDE_MAX = 2**26
"""Pixels on a side."""

CHUNKS: frozenset[str] = frozenset()
"""Names of the critical chunks that this version understands."""

MOST_CHUNKS = 256
"""Chunks of a file, at most."""

BESIDE = 1 << 26, 8
"""Bytes of all chunks together, at most: so many, and so many a pixel, for transparency."""

STREAM = 1 << 20, 64
"""Bytes of the stream, at most: so many, and so many a pixel. No preset has more than two latents a pixel."""

_PADDED = 64
"""Pixels are counted after both sides are rounded up to its multiples, about as models pad them."""

NO_CHUNKS: Mapping[str, bytes] = MappingProxyType({})

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}", re.ASCII)
_CHUNK = re.compile(r"[A-Za-z]{4}", re.ASCII)


class Header(NamedTuple):
    """What a file says about itself.

    Two fingerprints say which weights the file needs. `fingerprint` covers everything that its stream depends on
    (`twin.integer.fingerprint`). `synthesis` covers everything that turns its latents into pixels
    (`codec.fingerprint.synthesis`).
    """

    model: str  # the name of those weights
    fingerprint: bytes  # 4 bytes
    synthesis: bytes  # 4 bytes
    height: int  # in pixels
    width: int
    colour: str  # of COLOURS
    coder: str  # of CODERS
    latents_crc32: int
    quality: int | None = None  # 0 ... 255; None if the model has a single quality
    arithmetic: int = 1  # version, see `walk.arithmetic`
    chunks: Mapping[str, bytes] = NO_CHUNKS  # other data in the file, by name


def check(header: Header) -> None:
    """Raises `BitstreamError` on values that no picture can have, on too many chunks, and on a critical chunk that is
    not in `CHUNKS`."""
    if not _MODEL.fullmatch(header.model):
        raise BitstreamError("the file is damaged: its model has no valid name")
    check_sides(header.height, header.width)
    check_chunk_count(len(header.chunks))
    for name in header.chunks:
        if not _CHUNK.fullmatch(name):
            raise BitstreamError("the file is damaged: one of its chunks has no valid name")
        if name[0].isupper() and name not in CHUNKS:
            raise BitstreamError(
                f"the file needs its chunk '{name}', which this version does not know: upgrade gllmm_jax"
            )


def check_sides(height: int, width: int) -> None:
    """Raises `BitstreamError` on a size that no picture can have."""
    if not (0 < height <= SIDE_MAX and 0 < width <= SIDE_MAX):
        raise BitstreamError(f"the file is damaged: it announces a picture of {width:,} x {height:,} pixels")


def check_bytes(height: int, width: int, chunks: int, stream: int) -> None:
    """Raises `BitstreamError` on more bytes of chunks (`BESIDE`) or of a stream (`STREAM`) than a picture may have."""
    pixels = math.prod(-(-side // _PADDED) * _PADDED for side in (height, width))
    for count, (least, each), what in ((chunks, BESIDE, "chunks"), (stream, STREAM, "a stream")):
        if count > least + each * pixels:
            most = f"{least + each * pixels:,} for {width:,} x {height:,} pixels"
            raise BitstreamError(f"the file is damaged: it announces {what} of {count:,} bytes, and may have {most}")


def check_chunk_count(count: int) -> None:
    """Raises `BitstreamError` on more than `MOST_CHUNKS`."""
    if count > MOST_CHUNKS:
        raise BitstreamError(f"the file is damaged: it announces {count:,} chunks, and may have {MOST_CHUNKS}")
