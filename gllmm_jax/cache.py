"""Compiled programs are kept between calls, so that only the first call at a size waits for the compiler."""

import contextlib
import hashlib
import math
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

_MARK = "-checked"  # in the names of our entries: the folder may hold other files, and JAX alone may use it too
_ENTRY = f"{_MARK}-cache"  # JAX's name of an entry; it may put the time of use into a second file
_OURS = (_ENTRY, f"{_MARK}-atime")

SINCE = (0, 10)
"""From this version of JAX on, programs read back from the cache work as before. In 0.5.3 some do not."""

WORTH_KEEPING = 0.2
"""Seconds of compilation. Programs that compile faster are not kept."""

DAY = 24 * 3600
"""Seconds. The recorded time of use of a program in use is at most so old."""

UNUSED = 90 * DAY
"""Seconds. A program that was not used for so long is removed: nobody uses those of earlier versions again."""


def folder() -> Path | None:
    """$GLLMM_JAX_CACHE (empty: no cache), or this platform's folder for caches. None if there is no home."""
    chosen = os.environ.get("GLLMM_JAX_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local")
    elif sys.platform == "darwin":
        base = home / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        base = base if base.is_absolute() else home / ".cache"  # as the specification of the variable says
    return base / "gllmm_jax" / "xla"


def enable() -> None:
    """Switch JAX's persistent compilation cache on, unless the user chose one. An unusable cache is no error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's remarks on cached programs
    import jax

    path = folder()
    if path is None or jax.config.values["jax_compilation_cache_dir"] or jax.__version_info__ < SINCE:
        return
    try:
        str(path).encode()  # JAX takes no other path
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeEncodeError):
        return
    if not _check(path):
        return
    _heal(path)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


class Checked:
    """A cache of JAX whose entries begin with a digest. A read compares the digest, and removes an entry that differs.

    It guards against damage: bits that turned on a disk, files cut short and files half written. XLA would run such a
    program, or crash. It does not guard against people who can write into the folder: they can make a digest too.
    """

    def __init__(self, kept: Any, folder: Path) -> None:
        self._kept = kept
        self._path = folder  # JAX's log shows this path

    def get(self, key: str) -> bytes | None:
        """The value under that name, or None."""
        entry = self._kept.get(key + _MARK)
        if entry is None:
            return None
        size = hashlib.sha256().digest_size
        digest, value = entry[:size], entry[size:]
        path, sound = self._path / f"{key}{_ENTRY}", digest == _digest(key, value)
        with contextlib.suppress(OSError):  # the cache is read-only, or another process was faster
            if not sound:
                path.unlink()
            elif _age(path) > DAY:
                os.utime(path)
        return value if sound else None

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, unless there is one of that name. Remove what was not used for long."""
        _clear(self._path, UNUSED)
        self._kept.put(key + _MARK, _digest(key, value) + value)


def _digest(key: str, value: bytes) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(value)
    return digest.digest()


def _check(path: Path) -> bool:
    """Make JAX's cache in that folder a checked one -> whether that was possible: JAX has no public way to do it."""
    try:
        from jax._src import compilation_cache

        make = compilation_cache.get_file_cache
    except (ImportError, AttributeError):
        return False

    def make_checked(folder: str) -> Any:
        made = make(folder)
        return made if made is None or folder != str(path) else (Checked(made[0], path), made[1])

    compilation_cache.get_file_cache = make_checked
    return True


def _heal(path: Path) -> None:
    """Hides JAX's warnings about the cache. If an entry could not be used, it empties the folder.

    Such an entry is whole, but another XLA made it. JAX never replaces an entry, so every call would compile its
    program.
    """
    show = warnings.showwarning

    def listen(message: Warning | str, *rest: Any, **named: Any) -> None:
        text = str(message)
        if "persistent compilation cache" not in text:
            show(message, *rest, **named)
        elif "reading" in text:
            _clear(path)

    warnings.filterwarnings("always", message=".*persistent compilation cache.*")
    warnings.showwarning = listen


def _clear(folder: Path, age: float = -math.inf) -> None:
    """Remove our entries that were not used for `age` seconds. Remove all unless `age` is given."""
    with contextlib.suppress(OSError):  # the folder may not be listed
        for entry in (path for path in folder.iterdir() if path.name.endswith(_OURS)):
            with contextlib.suppress(OSError):  # in use, already gone, or in a read-only cache
                if _age(entry) > age:
                    entry.unlink()


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
