"""Files that are either written whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class WriteError(OSError):
    """A file could not be written; the message is one sentence that says which and why."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends well, and leaves no trace when it does not.

    It is written beside its place and renamed, so a reader sees the old content or the new, never a part. A link is
    followed; a device such as /dev/null is written to as it is. Raises `WriteError`.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            with open(target, "wb") as file:
                yield file
            return
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            with open(temporary, "xb") as file:
                yield file
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"cannot write {path}: {_reason(error, target)}") from error


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """All of `data` as the file `path`, or nothing. Raises `WriteError`."""
    with replacing(path) as file:
        file.write(data)


def _reason(error: OSError, target: Path) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or str(error)).lower()
