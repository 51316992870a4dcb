"""Compiled programs, of which the latest are kept: a process that meets pictures of any size does not grow for ever."""

import collections
import functools
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def latest(most: int, *, static: int = 0, **options: Any) -> Callable[[Callable[..., Any]], "Latest"]:
    """Decorator like `jax.jit` that keeps the programs of the `most` latest shapes of arguments, and no others.

    The first `static` arguments are part of the program; `options` are those of `jax.jit`.
    """
    return lambda function: Latest(function, most, static, options)


class Latest:
    """See `latest`. May be called from several threads."""

    def __init__(self, function: Callable[..., Any], most: int, static: int, options: dict[str, Any]) -> None:
        self.__wrapped__, self.__doc__ = function, function.__doc__
        self._most, self._static, self._options = most, static, options
        self._programs: collections.OrderedDict[Any, Any] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        return self.program(*arguments)(*arguments)

    def __len__(self) -> int:
        return len(self._programs)

    def clear(self) -> None:
        """Forget all programs."""
        with self._lock:
            self._programs.clear()

    def program(self, *arguments: Any) -> Any:
        """The jitted function for arguments like these, which may be `jax.ShapeDtypeStruct`s."""
        leaves, structure = jax.tree.flatten(arguments[self._static :])
        shapes = tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
        key = arguments[: self._static], structure, shapes
        with self._lock:
            found = self._programs.pop(key, None) or self._jitted()
            self._programs[key] = found  # the latest is the last
            if len(self._programs) > self._most:
                self._programs.popitem(last=False)
        return found

    def _jitted(self) -> Any:
        @functools.wraps(self.__wrapped__)
        def own(*arguments: Any) -> Any:  # its programs go when it goes
            return self.__wrapped__(*arguments)

        return jax.jit(own, static_argnums=tuple(range(self._static)), **self._options)
