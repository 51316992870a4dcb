"""Version 3 of the format, the first that stays readable for ever. Its layout after magic and version is:

```
arithmetic             1 byte, version of the exact arithmetic
flags                  1 byte: bit 0 gray, bits 1-3 coder, bit 4 quality, the rest 0
model                  1 byte of length, ASCII name
fingerprint            4 bytes, of what the stream depends on
synthesis              4 bytes, fingerprint of what the picture depends on
quality                1 byte, where its flag is set: of a model with a variable rate
height, width          varints, true size in pixels
latents CRC32          4 bytes, little-endian
chunks                 varint, how many, at most 256; of each: 4 letters, varint length in bytes, bytes
                       (in all at most 64 MiB and 8 bytes a pixel)
stream length          varint, in bytes, at most 1 MiB and 64 a pixel
stream
file CRC32             4 bytes, little-endian, of everything before it
```

Pixels are counted after both sides are rounded up to multiples of 64. Varints are those of `container.varint`. A chunk
whose name begins with a small letter is optional: a reader that does not know it ignores it. A chunk whose name begins
with a capital is critical: a reader that does not know it refuses the file.
"""

from gllmm_jax.container import varint
from gllmm_jax.container.header import (
    CODERS,
    COLOURS,
    FINGERPRINT_BYTES,
    Header,
    check_bytes,
    check_chunk_count,
    check_sides,
)
from gllmm_jax.errors import BitstreamError

CRC_BYTES = 4

_QUALITY_BIT = 4
_CHUNK_NAME = 4


def write(header: Header, stream: bytes) -> bytes:
    """Everything between version and file CRC32."""
    name = header.model.encode("ascii")
    quality = b"" if header.quality is None else bytes([header.quality])
    flags = COLOURS.index(header.colour) | CODERS.index(header.coder) << 1 | len(quality) << _QUALITY_BIT
    chunks = (kind.encode("ascii") + varint.write(len(data)) + data for kind, data in header.chunks.items())
    return b"".join([
        bytes([header.arithmetic, flags, len(name)]),
        name,
        header.fingerprint,
        header.synthesis,
        quality,
        varint.write(header.height),
        varint.write(header.width),
        header.latents_crc32.to_bytes(CRC_BYTES, "little"),
        varint.write(len(header.chunks)),
        *chunks,
        varint.write(len(stream)),
        stream,
    ])  # fmt: skip


def read(data: bytes, start: int) -> tuple[Header, int, int]:
    """The header, the index of the stream's first byte, and the stream's length. Raises `BitstreamError`."""
    reader = varint.Reader(data, start, whole="file", part="header")
    arithmetic, flags = reader.byte(), reader.byte()
    colour, coder, has_quality = flags & 1, flags >> 1 & 7, flags >> _QUALITY_BIT
    if has_quality > 1 or coder >= len(CODERS):
        raise BitstreamError("the file is damaged or uses a coder this version does not know")
    name = reader.take(reader.byte()).decode("ascii", "replace")
    fingerprint, synthesis = reader.take(FINGERPRINT_BYTES), reader.take(FINGERPRINT_BYTES)
    quality = reader.byte() if has_quality else None
    height, width = reader.varint(), reader.varint()
    check_sides(height, width)
    crc = int.from_bytes(reader.take(CRC_BYTES), "little")
    count, size, chunks = reader.varint(), 0, {}
    check_chunk_count(count)  # before it is read: a chunk of 5 bytes takes a hundred of memory
    for _ in range(count):
        kind = reader.take(_CHUNK_NAME).decode("ascii", "replace")
        if kind in chunks:
            raise BitstreamError("the file is damaged: two of its chunks have one name")
        length = reader.varint()
        size += length
        check_bytes(height, width, size, 0)  # before it is read, too
        chunks[kind] = reader.take(length)
    length = reader.varint()
    check_bytes(height, width, 0, length)
    facts = name, fingerprint, synthesis, height, width, COLOURS[colour], CODERS[coder], crc, quality
    return Header(*facts, arithmetic, chunks), reader.position, length
