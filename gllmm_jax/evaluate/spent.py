"""The cost of a call: seconds without compiling, and the most memory that its process took."""

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax

Result = TypeVar("Result")

_COMPILE = "/jax/core/compile/backend_compile_duration"
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
compiled: list[float] = []  # seconds of each compilation since the first call of this module


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """The result of `call`, and its seconds. If JAX compiles on the way, the call is repeated for the time."""
    if not compiled:
        compiled.append(0.0)
        jax.monitoring.register_event_duration_secs_listener(_listen)
    before, start = len(compiled), time.perf_counter()
    result = call()
    if len(compiled) > before:
        start = time.perf_counter()
        result = call()
    return result, time.perf_counter() - start


def forget_peak() -> None:
    """Start the count of the most memory anew, if the system can (Linux)."""
    with contextlib.suppress(OSError):
        _RESET.write_text("5")


def peak_mb() -> float | None:
    """The most memory that this process took since `forget_peak`, in millions of bytes. None if it is unknown."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), flags=re.MULTILINE)
    except OSError:
        return None
    return round(int(found[1]) * 1024 / 1e6, 1) if found else None


def _listen(event: str, duration_secs: float, **_: object) -> None:
    if event == _COMPILE:
        compiled.append(duration_secs)
