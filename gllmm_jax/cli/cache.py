"""Compiled programs kept between calls, so that only the first call at a size waits for the compiler."""

import contextlib
import os
import sys
import warnings
from pathlib import Path
from typing import Any

_OURS = ("-cache", "-atime")  # what JAX's files end in: the folder may be one the user has other files in

SINCE = (0, 10)
"""JAX's version from which programs that were read back are known to do what they did. In 0.5.3 some of ours do not."""

WORTH_KEEPING = 0.2
"""Seconds of compilation below which nothing is kept."""


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
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    _clear(path, only_empty=True)
    _heal(path)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _heal(path: Path) -> None:
    """Take JAX's warnings about the cache: silence, and where an entry could not be read, an emptied folder.

    JAX never replaces an entry that is there, so one damaged program would be compiled at every call from then on.
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


def _clear(folder: Path, *, only_empty: bool = False) -> None:
    with contextlib.suppress(OSError):  # a folder that may not be listed
        for entry in (path for path in folder.iterdir() if path.name.endswith(_OURS)):
            with contextlib.suppress(OSError):  # in use, gone already, or a cache that may only be read
                if not (only_empty and entry.stat().st_size):
                    entry.unlink()
