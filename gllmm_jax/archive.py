"""What an .npz file announces, judged before anything of it is unpacked: a small file may unpack to any size.

Only arrays of whole numbers and floats, stored plainly or deflated, each of the size that its own header tells.
"""

import math
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

LARGEST = 1 << 30
"""Bytes that all arrays of a file may have together, and that the file may have."""

LARGEST_LIST = 1 << 20
"""Bytes that the list of a file's members may have: each member becomes an object, of many times its bytes there."""

LONGEST_NAME = 255
"""Characters of an array's name. It is a path, and whoever goes down a very long one needs as deep a stack."""

_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Announced(NamedTuple):
    """One array of an archive."""

    shape: tuple[int, ...]
    dtype: np.dtype


def contents(path: Path) -> bytes:
    """The bytes of a file. Raises `OSError`, also where it is no file or larger than `LARGEST`."""
    if not path.is_file():
        raise OSError("it is no file")
    if (size := path.stat().st_size) > LARGEST:
        raise OSError(f"it has {size:,} bytes, more than the limit of {LARGEST:,}")
    return path.read_bytes()


class _Listed:
    """A file for `ZipFile` to read the list of its members from, which it does at once, whatever its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_LIST:
            raise ValueError(f"the list of its members has more than {LARGEST_LIST:,} bytes")
        return self._file.read(size)


def opened(file: BinaryIO) -> zipfile.ZipFile:
    """The zip archive in a file. Raises `ValueError` where the list of its members is larger than `LARGEST_LIST`."""
    zipfile.ZipFile(_Listed(file))
    return zipfile.ZipFile(file)


def announced(file: BinaryIO) -> dict[str, Announced]:
    """All arrays of an .npz file by name. Raises `ValueError` where it is not to be unpacked."""
    found, total = {}, 0
    archive = opened(file)
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"{name[:20]}... is the name of an array, with more than {LONGEST_NAME} characters")
        if name == member.filename or name in found:
            raise ValueError(f"{name} is no array, or is there twice")
        if member.compress_type not in _COMPRESSIONS:
            raise ValueError(f"{name} is compressed in another way than deflate")
        with archive.open(member) as content:
            version = np.lib.format.read_magic(content)
            if version not in _HEADERS:
                raise ValueError(f"{name} has the version {version} of the format .npy")
            shape, _, dtype = _HEADERS[version](content)
            size = content.tell() + math.prod(shape) * dtype.itemsize
        if dtype.kind not in "fiu":
            raise ValueError(f"{name} holds {dtype}, and neither whole numbers nor floats")
        if size != member.file_size:
            raise ValueError(f"{name} is of another size than its header tells")
        total += size
        found[name] = Announced(shape, dtype)
    if total > LARGEST:
        raise ValueError(f"it would unpack to {total:,} bytes, more than the limit of {LARGEST:,}")
    return found
