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
    """Another process trains in the folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Reserve `folder` for this training, and make it if it is missing. Raises `FolderInUseError`, `files.WriteError`.

    The lock belongs to the operating system and ends with its process. Its empty file stays. If there are no locks
    (Windows, some network file systems), no training is refused.
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
