"""The devices of a codec's networks and of its entropy coding.

The walk is a sequence of thousands of small steps. A processor takes these steps faster than an accelerator, which is
fast at the transforms. So by default JAX chooses the device of the transforms, and the exact part runs on the host's
processor.
"""

import contextlib
import os
import re
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import jax

Device: TypeAlias = Any
"""A `jax.Device`, or its name: "cpu", "gpu", "tpu", or one of several, as in "cpu:1"."""

_NAME = re.compile(r"(\w+)(?::([0-9]{1,9}))?")


_process: int | None = None  # the first that asked for `devices`, here or in a parent


def check_process() -> None:
    """Raises `RuntimeError` in the child of a fork if the parent had asked for `devices`, as `load` does.

    JAX would wait for threads that are not there. It does so, without an error, if the parent had used JAX alone.
    """
    if _process not in (None, os.getpid()):
        raise RuntimeError(
            "JAX began before the process forked, and cannot go on in the child: start processes by 'spawn', and load "
            "a codec in each"
        )


def devices() -> list[Any]:
    """All devices that JAX has. Raises `ValueError` if there are none, as if JAX_PLATFORMS names a kind not here.

    Raises `RuntimeError` as `check_process` does.
    """
    global _process
    check_process()
    _process = os.getpid()
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = jax.config.values["jax_platforms"]
        if not wanted:
            raise
        remedy = "leave it empty for what there is"
        raise ValueError(f"JAX_PLATFORMS is '{wanted}', and JAX finds no such device here: {remedy}") from error


def device(chosen: Device | None) -> Any:
    """The device of that name. Raises `ValueError` if there is none."""
    if chosen is None or isinstance(chosen, jax.Device):
        return chosen
    try:
        kind, number = _parts(chosen)
        return jax.devices(kind)[number]
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        there = ", ".join(f"{found.platform}:{found.id}" for found in devices())
        raise ValueError(f"there is no device '{chosen}'; JAX sees {there}") from error


def _parts(name: Any) -> tuple[str, int]:
    found = _NAME.fullmatch(str(name))
    if found is None:
        raise ValueError("a device is named by its kind, and by its number where there are several")
    return found[1], int(found[2] or 0)


def for_entropy(chosen: Device | None) -> Any:
    """The device of the exact path: the chosen device, or the host's processor. None means JAX's default."""
    devices()  # raises an error if there are none
    if chosen is not None or jax.default_backend() == "cpu":
        return device(chosen)
    try:
        return jax.devices("cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS names only the accelerator
        return None


def on(device: Device | None) -> AbstractContextManager[Any]:
    """Inside this context, arrays and programs without a device of their own go to `device`, in this thread."""
    return contextlib.nullcontext() if device is None else jax.default_device(device)
