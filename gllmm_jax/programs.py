"""Compiled programs, of which the latest are kept: a process that meets pictures of any size does not grow for ever."""

import collections
import ctypes
import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def latest(most: int, *, static: int = 0, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator like `jax.jit` that keeps the programs of the `most` latest shapes of arguments, and no others.

    The first `static` arguments are part of the program; `options` are those of `jax.jit`. The function may be
    called from several threads. `function.programs` are its `Latest`.
    """

    def decorated(function: Callable[..., Any]) -> Any:
        programs, signature = Latest(function, most, static, options), inspect.signature(function)

        @functools.wraps(function)
        def call(*arguments: Any, **by_name: Any) -> Any:
            if by_name:
                arguments = signature.bind(*arguments, **by_name).args
            before = programs.made
            result = programs.program(*arguments)(*arguments)
            if programs.made > before:
                trim()
            return result

        call.__dict__["programs"] = programs
        return call

    return decorated


class Latest:
    """The programs of a function; see `latest`."""

    def __init__(self, function: Callable[..., Any], most: int, static: int, options: dict[str, Any]) -> None:
        self._function = function
        self._most, self._static, self._options = most, static, options
        self._programs: collections.OrderedDict[Any, Any] = collections.OrderedDict()
        self._lock = threading.Lock()
        self.made = 0  # programs so far, those that were dropped included

    def __len__(self) -> int:
        return len(self._programs)

    def program(self, *arguments: Any) -> Any:
        """The jitted function for arguments like these, which may be `jax.ShapeDtypeStruct`s."""
        key = self._key(arguments)
        with self._lock:
            found = self._programs.pop(key, None) or self._jitted()
            self._programs[key] = found  # the latest is the last
            if len(self._programs) > self._most:
                self._programs.popitem(last=False)
        return found

    def __contains__(self, arguments: tuple[Any, ...]) -> bool:
        """Whether the program for arguments like these is kept."""
        return self._key(arguments) in self._programs

    def _key(self, arguments: tuple[Any, ...]) -> Any:
        leaves, structure = jax.tree.flatten(arguments[self._static :])
        shapes = tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
        return arguments[: self._static], structure, shapes

    def _jitted(self) -> Any:
        self.made += 1

        @functools.wraps(self._function)
        def own(*arguments: Any) -> Any:  # its programs go when it goes
            return self._function(*arguments)

        return jax.jit(own, static_argnums=tuple(range(self._static)), **self._options)


def trim() -> None:
    """Give the system back what the compiler has freed and glibc would keep: some MB a program."""
    _malloc_trim()(0)


@functools.cache
def _malloc_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # of another C library
        return lambda _: 0
