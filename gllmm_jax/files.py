"""Files that are either written whole or not at all; and files that are read to a limit."""

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

PIECE = 1 << 20
"""Bytes that are read at once."""

_unfinished: set[Path] = set()


class WriteError(OSError):
    """A file could not be written; the message is one sentence that says which and why."""


def read_at_most(file: IO[bytes], count: int) -> bytes:
    """So many bytes of a file or a pipe, or all that there are.

    Memory is taken for what is there. `file.read(count)` would take it for the whole count beforehand.
    """
    read = io.BytesIO()
    while count > 0 and (piece := file.read(min(count, PIECE))):
        count -= read.write(piece)
    return read.getvalue()


@contextlib.contextmanager
def reported(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever the system refuses within is a `WriteError` about `path`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write {path}: {_reason(error, Path(os.path.realpath(path)))}") from error


def check_free(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Raises `WriteError` where writing `path` would replace a file, unless `force`. Devices and pipes are free.

    So is what the process has open already: /dev/stdout, whatever it was sent to.
    """
    if not force and os.path.isfile(path) and not _is_open(path):
        raise WriteError(f"{path} is there already: force=True replaces it")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends well, and leaves no trace when it does not.

    It is written beside its place and renamed, so a reader sees the old content or the new, never a part, even after
    the power fails. An existing file keeps its permissions. A link is followed, unless it leads nowhere; a device or a
    pipe (/dev/null, /dev/stdout) is written to as it is. Raises `WriteError`.
    """
    target = Path(os.path.realpath(path))
    with reported(path):
        if os.path.islink(path) and not os.path.exists(path):
            raise WriteError(f"cannot write {path}: it is a link to {target}, which is not there")
        if _is_open(path) or (os.path.exists(path) and not os.path.isfile(path)):
            # by its own name: /dev/stdout may be a link to a pipe, which has none; or to a file that others write too
            with open(path, "ab" if _is_open(path) else "wb") as file:
                yield file
            return
        # no part of the target's name, which may be as long as a name can be
        temporary = target.with_name(f".gllmm-jax.{secrets.token_hex(8)}.part")
        _unfinished.add(temporary)
        try:
            with open(temporary, "xb") as file:
                if target.exists():
                    os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
                yield file
                file.flush()
                os.fsync(file.fileno())  # or the new name might be kept and what it names be lost
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
            _unfinished.discard(temporary)


def _is_open(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).startswith(("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/"))


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """All of `data` as the file `path`, or nothing. Raises `WriteError`."""
    with replacing(path) as file:
        file.write(data)


def discard_unfinished() -> None:
    """Remove what the open `replacing` blocks have written: for a process that leaves without closing them."""
    for path in tuple(_unfinished):
        with contextlib.suppress(OSError):
            path.unlink()


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder `path`, made with those above it where missing. Raises `WriteError`."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise WriteError(f"cannot make the folder {path}: there is a file of that name") from error
    except NotADirectoryError as error:
        raise WriteError(f"cannot make the folder {path}: a part of that path is a file") from error
    except OSError as error:
        raise WriteError(f"cannot make the folder {path}: {(error.strerror or str(error)).lower()}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise WriteError(f"cannot write into the folder {path}: permission denied")
    return Path(path)


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
