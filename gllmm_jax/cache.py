"""Compiled programs kept between calls, so that only the first call at a size waits for the compiler."""

import contextlib
import hashlib
import math
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

_MARK = "-checked"  # in the names of our entries: JAX alone may use the folder too, or it may hold other files
_ENTRY = f"{_MARK}-cache"  # what JAX makes of it; it may put the time of use into a second file
_OURS = (_ENTRY, f"{_MARK}-atime")

SINCE = (0, 10)
"""JAX's version from which programs that were read back are known to do what they did. In 0.5.3 some of ours do not."""

WORTH_KEEPING = 0.2
"""Seconds of compilation below which nothing is kept."""

DAY = 24 * 3600
"""Seconds. A program that is used has a time of use that is a day old at most."""

UNUSED = 90 * DAY
"""Seconds after which a program that nobody used is removed: those of earlier versions are never used again."""


def folder() -> Path | None:
    """$GLLMM_JAX_CACHE (empty: no cache), or a folder where this platform keeps caches; None where there is no home."""
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
        base = base if base.is_absolute() else home / ".cache"  # as its specification says
    return base / "gllmm_jax" / "xla"


def enable() -> None:
    """Switch JAX's persistent compilation cache on, unless the user chose one. One that cannot be used is no error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's remarks on cached programs
    import jax

    path = folder()
    if path is None or jax.config.values["jax_compilation_cache_dir"] or jax.__version_info__ < SINCE:
        return
    try:
        str(path).encode()  # JAX takes no other
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
    """A cache of JAX's whose entries begin with a digest. It is compared when an entry is read; one that differs goes.

    It guards against damage: bits that turned on a disk, and files that were cut short or are half written. XLA runs
    such a program, or crashes. It does not guard against whoever can write into the folder, who can make a digest too.
    """

    def __init__(self, kept: Any, folder: Path) -> None:
        self._kept = kept
        self._path = folder  # JAX names it in its log

    def get(self, key: str) -> bytes | None:
        """What was put under that name, or None."""
        entry = self._kept.get(key + _MARK)
        if entry is None:
            return None
        size = hashlib.sha256().digest_size
        digest, value = entry[:size], entry[size:]
        path, sound = self._path / f"{key}{_ENTRY}", digest == _digest(key, value)
        with contextlib.suppress(OSError):  # a cache that may only be read, or another process was faster
            if not sound:
                path.unlink()
            elif _age(path) > DAY:
                os.utime(path)
        return value if sound else None

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, unless there is one of that name. Whatever was not used for long goes."""
        _clear(self._path, UNUSED)
        self._kept.put(key + _MARK, _digest(key, value) + value)


def _digest(key: str, value: bytes) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(value)
    return digest.digest()


def _check(path: Path) -> bool:
    """Let JAX's cache in that folder be a checked one -> whether that was possible: JAX has no public way to do it."""
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
    """Take JAX's warnings about the cache: silence, and where an entry could not be used, an emptied folder.

    Such an entry is whole, and another XLA made it. JAX never replaces one, so it would be compiled at every call.
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
    """Remove our entries that were not used for `age` seconds; all unless given."""
    with contextlib.suppress(OSError):  # a folder that may not be listed
        for entry in (path for path in folder.iterdir() if path.name.endswith(_OURS)):
            with contextlib.suppress(OSError):  # in use, gone already, or a cache that may only be read
                if _age(entry) > age:
                    entry.unlink()


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
