"""The `.gllm` file: a header of about 40 bytes, the entropy coder's stream, a checksum.

```
8A 47 4C 4D            magic; the first byte is not ASCII, so text-mode copies show
version                1 byte
flags                  1 byte: bit 0 gray, bits 1-3 coder, bit 4 quality, the rest 0
model                  1 byte of length, ASCII name
fingerprint            4 bytes, of the integer twin
quality                1 byte, where its flag is set: of a model with a variable rate
height, width          varints, true size in pixels
latents CRC32          4 bytes, little-endian
stream length          varint, in bytes
stream
file CRC32             4 bytes, little-endian, of everything before it
```

Varints are those of `container.varint`. A change of what an encoder writes raises `VERSION`.
"""

import re
import zlib
from typing import NamedTuple

from gllmm_jax.container import varint
from gllmm_jax.errors import BitstreamError

MAGIC = b"\x8aGLM"
VERSION = 2
CODERS = ("rans", "tfc")  # a file holds the place in this list: the order stays, and the first is the default
COLOURS = ("rgb", "gray")
FINGERPRINT_BYTES = 4
MAX_PIXELS = 200_000_000
"""What a file may announce unless the caller allows more."""

_CRC_BYTES = 4
_QUALITY_BIT = 4
_SIDE_MAX = 2**26
_MODEL = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")

_FOREIGN = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"PK\x03\x04", "an archive or a weights file"),
)


class Header(NamedTuple):
    """What a file says about itself. `height`, `width` in pixels; `colour` one of COLOURS, `coder` one of CODERS.

    `quality` is None for models that have one alone.
    """

    model: str
    fingerprint: bytes
    height: int
    width: int
    colour: str
    coder: str
    latents_crc32: int
    quality: int | None = None  # 0 ... 255


def pack(header: Header, stream: bytes) -> bytes:
    """The whole file."""
    name = header.model.encode("ascii")
    if not _MODEL.fullmatch(name) or len(header.fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"no header can hold {header}")
    quality = b"" if header.quality is None else bytes([header.quality])
    flags = COLOURS.index(header.colour) | CODERS.index(header.coder) << 1 | len(quality) << _QUALITY_BIT
    body = b"".join([
        MAGIC,
        bytes([VERSION, flags, len(name)]),
        name,
        header.fingerprint,
        quality,
        varint.write(header.height),
        varint.write(header.width),
        header.latents_crc32.to_bytes(_CRC_BYTES, "little"),
        varint.write(len(stream)),
        stream,
    ])  # fmt: skip
    return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")


def unpack(data: bytes, *, max_pixels: int | None = MAX_PIXELS) -> tuple[Header, bytes]:
    """Header and stream of a whole file; `max_pixels=None`: a picture of any size. Raises `BitstreamError`."""
    _check_magic(data)
    header, start, length = _parse(data)
    announced = start + length + _CRC_BYTES
    if len(data) < announced:
        raise BitstreamError(f"the file is cut short or damaged: {len(data):,} of {announced:,} bytes are here")
    if len(data) > announced:
        raise BitstreamError(f"the file is damaged: {len(data):,} bytes are here, it announces {announced:,}")
    if zlib.crc32(data[:-_CRC_BYTES]) != int.from_bytes(data[-_CRC_BYTES:], "little"):
        raise BitstreamError("the file is damaged: its checksum does not match")
    if max_pixels is not None and header.height * header.width > max_pixels:
        raise BitstreamError(
            f"the picture has {header.width:,} x {header.height:,} pixels, more than the limit of {max_pixels:,}: "
            f"max_pixels={header.height * header.width} lifts it"
        )
    return header, data[start : start + length]


def _check_magic(data: bytes) -> None:
    if not data:
        raise BitstreamError("the file is empty")
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            raise BitstreamError(f"the file is cut short: only {len(data)} bytes of it are here")
        for start, mark, what in _FOREIGN:
            if data.startswith(mark, start):
                raise BitstreamError(f"this is {what}, not a .gllm file")
        raise BitstreamError("this is not a .gllm file")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        version = data[len(MAGIC)]
        raise BitstreamError(
            f"the file has format version {version}, newer than this program's {VERSION}: upgrade gllmm_jax to read it"
            if version > VERSION
            else f"the file has format version {version}, of before the first release: nothing reads it any more"
        )


def _parse(data: bytes) -> tuple[Header, int, int]:
    """Header, where the stream starts, its length. Reads a bounded number of bytes."""
    reader = varint.Reader(data, len(MAGIC) + 1, whole="file", part="header")
    flags = reader.byte()
    colour, coder, quality = flags & 1, flags >> 1 & 7, flags >> _QUALITY_BIT
    if quality > 1 or coder >= len(CODERS):
        raise BitstreamError("the file is damaged or uses a coder this version does not know")
    name = reader.take(reader.byte())
    if not _MODEL.fullmatch(name):
        raise BitstreamError("the file is damaged: its model has no valid name")
    fingerprint = reader.take(FINGERPRINT_BYTES)
    quality = reader.byte() if quality else None
    height, width = reader.varint(), reader.varint()
    if not (0 < height <= _SIDE_MAX and 0 < width <= _SIDE_MAX):
        raise BitstreamError(f"the file is damaged: it announces a picture of {width:,} x {height:,} pixels")
    crc = int.from_bytes(reader.take(_CRC_BYTES), "little")
    length = reader.varint()
    header = Header(name.decode(), fingerprint, height, width, COLOURS[colour], CODERS[coder], crc, quality)
    return header, reader.position, length
