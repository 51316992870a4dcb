"""The `.gllm` file: magic, version, a header of about 45 bytes, the entropy coder's stream, a checksum.

```
8A 47 4C 4D            magic; the first byte is not ASCII, so text-mode copies show
version                1 byte; the rest is laid out as that version says: `container.format3`
```

Every version from 3 on stays readable. A new version gets a line in `READERS`, and no line is ever removed.
"""

import zlib
from collections.abc import Callable
from typing import IO

from gllmm_jax.container import format3
from gllmm_jax.container.format3 import CRC_BYTES
from gllmm_jax.container.header import CODERS, COLOURS, FINGERPRINT_BYTES, NO_CHUNKS, Header, check, check_bytes
from gllmm_jax.errors import BitstreamError, CutShortError
from gllmm_jax.files import read_at_most

__all__ = [
    "CODERS",
    "COLOURS",
    "FINGERPRINT_BYTES",
    "MAGIC",
    "MAX_PIXELS",
    "NO_CHUNKS",
    "VERSION",
    "Header",
    "pack",
    "unpack",
    "version",
]

MAGIC = b"\x8aGLM"
VERSION = 3
"""The version that is written."""

READERS: dict[int, Callable[[bytes, int], tuple[Header, int, int]]] = {3: format3.read}
"""By version: (whole file, first byte after the version) -> header, where the stream starts, its length."""

FIRST = 1 << 16
"""Bytes of a file that are read before its length is known."""

MAX_PIXELS = 200_000_000
"""Pixels that a file may announce unless the caller allows more."""

_FOREIGN = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"PK\x03\x04", "an archive or a weights file"),
)


def pack(header: Header, stream: bytes) -> bytes:
    """The whole file. Raises `ValueError` on a header that `unpack` would refuse."""
    try:
        check(header)
        check_bytes(header.height, header.width, sum(map(len, header.chunks.values())), len(stream))
    except BitstreamError as error:
        raise ValueError(f"no file can hold {header._replace(chunks=NO_CHUNKS)}: {error}") from error
    if {len(header.fingerprint), len(header.synthesis)} != {FINGERPRINT_BYTES}:
        raise ValueError(f"no file can hold {header}: a fingerprint has {FINGERPRINT_BYTES} bytes")
    body = MAGIC + bytes([VERSION]) + format3.write(header, stream)
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def unpack(data: bytes, *, max_pixels: int | None = MAX_PIXELS) -> tuple[Header, bytes]:
    """Header and stream of a whole file. `max_pixels=None` allows any size. Raises `BitstreamError`."""
    read = _reader(data)
    header, start, length = read(data, len(MAGIC) + 1)
    announced = start + length + CRC_BYTES
    if len(data) < announced:
        raise BitstreamError(f"the file is cut short or damaged: {len(data):,} of {announced:,} bytes are here")
    if len(data) > announced:
        raise BitstreamError(f"the file is damaged: it goes on after the {announced:,} bytes that it announces")
    if zlib.crc32(memoryview(data)[:-CRC_BYTES]) != int.from_bytes(data[-CRC_BYTES:], "little"):
        raise BitstreamError("the file is damaged: its checksum does not match")
    check(header)
    if max_pixels is not None and header.height * header.width > max_pixels:
        raise BitstreamError(
            f"the picture has {header.width:,} x {header.height:,} pixels, more than the limit of {max_pixels:,}: "
            f"max_pixels={header.height * header.width} lifts it"
        )
    return header, data[start : start + length]


def read(file: IO[bytes]) -> bytes:
    """Read the argument of `unpack` from a file, a pipe or a device: only as many bytes as the file announces.

    If the file is longer, some more bytes are read, so that `unpack` finds it damaged. Raises `BitstreamError` on other
    kinds of files, before it reads them whole.
    """
    data, wanted = read_at_most(file, FIRST), FIRST
    header_of = _reader(data)
    while len(data) == wanted:  # the file may be longer
        try:
            _, start, length = header_of(data, len(MAGIC) + 1)
        except CutShortError:
            wanted *= 2
            data += read_at_most(file, wanted - len(data))
        else:
            return data + read_at_most(file, max(start + length + CRC_BYTES + 1 - len(data), 0))
    return data


def version(data: bytes) -> int:
    """The format version of a whole file that `unpack` accepts."""
    return data[len(MAGIC)]


def _reader(data: bytes) -> Callable[[bytes, int], tuple[Header, int, int]]:
    if not data:
        raise BitstreamError("the file is empty")
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            raise BitstreamError(f"the file is cut short: only {len(data)} bytes of it are here")
        for start, mark, what in _FOREIGN:
            if data.startswith(mark, start):
                raise BitstreamError(f"this is {what}, not a .gllm file")
        raise BitstreamError("this is not a .gllm file")
    if len(data) == len(MAGIC):
        raise BitstreamError(f"the file is cut short: only {len(data)} bytes of it are here")
    number = version(data)
    if number not in READERS:
        raise BitstreamError(
            f"the file has format version {number}, newer than this program's {VERSION}: upgrade gllmm_jax to read it"
            if number > VERSION
            else f"the file has format version {number}, of before the first release: nothing reads it any more"
        )
    return READERS[number]
