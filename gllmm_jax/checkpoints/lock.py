"""One training at a time in a run's folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gllmm_jax import files

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = "lock"


class FolderInUseError(OSError):
    """Another process trains in that folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have `folder`, made where missing, for this training alone. Raises `FolderInUseError`, `files.WriteError`.

    The lock is the operating system's and dies with its process; the empty file it is on stays. Where there are none
    (Windows, some network file systems) nothing is refused.
    """
    with (files.make_folder(folder) / NAME).open("ab") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUseError(f"another training runs in {folder}: stop it, or use another workdir") from None
            except OSError:  # the file system has no locks
                pass
        yield
