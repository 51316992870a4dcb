"""The size of EXIF's tags, from its directories alone, before a parser reads the tags."""

import struct

from PIL import ExifTags

MOST = 1 << 16
"""Most bytes of directories and of their tags' values: what JPEG has room for. Source: EXIF 2.32, 4.7.2."""

_ORDER = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRY = 12  # bytes of tag, type, count, and value or offset
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # of a value, by type
_POINTERS = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop}
_OFFSETS = (4, 13)  # types


def check(exif: bytes) -> None:
    """Raises `ValueError` if EXIF, from its TIFF header on, is damaged or has more than `MOST` bytes of tags.

    Values that tags share count for each, as a parser copies them for each.
    """
    try:
        order = _ORDER[exif[:4]]
        waiting, size = [struct.unpack_from(f"{order}I", exif, 4)[0]], 0
        while waiting:
            start = waiting.pop()
            (count,) = struct.unpack_from(f"{order}H", exif, start)
            size += 2
            for i in range(count):
                tag, kind, values, value = struct.unpack_from(f"{order}HHII", exif, start + 2 + _ENTRY * i)
                size += _ENTRY + values * _SIZES.get(kind, 8)
                if size > MOST:  # ends loops, too
                    raise ValueError(f"its tags have more than {MOST:,} bytes")
                if tag in _POINTERS:
                    if kind not in _OFFSETS or values != 1:
                        raise ValueError("it is damaged")
                    waiting.append(value)
    except (KeyError, struct.error) as error:
        raise ValueError("it is damaged") from error
