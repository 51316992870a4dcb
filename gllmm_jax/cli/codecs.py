"""The codecs of one command. Each is loaded at its first use."""

import argparse
import contextlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gllmm_jax import cache, zoo
from gllmm_jax.cli.common import placement

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec
    from gllmm_jax.container.header import Header

LARGE = 16_000_000
"""Pixels. The command works on larger pictures one at a time: one takes a good part of a gigabyte."""


class Codecs:
    """The codecs that --model, --other-synthesis and the devices of a command choose. Threads may share the object.

    `seconds` is the time that loading took.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments, self._places = arguments, placement(arguments)
        self._loaded: dict[tuple[str, bytes, bytes] | None, Codec] = {}
        self._loading, self._large = threading.Lock(), threading.Lock()
        self.seconds = 0.0

    def chosen(self) -> "Codec":
        """The codec of --model. Raises `zoo.WeightsError`."""
        with self._loading:
            if None not in self._loaded:
                start = time.perf_counter()
                self._loaded[None] = _load(self._arguments.model, **self._places)
                self.seconds += round(time.perf_counter() - start, 4)
            return self._loaded[None]

    def of(self, header: "Header") -> "Codec":
        """The codec of --model, or the codec that the file needs. Raises `zoo.WeightsError`, `BitstreamError`."""
        if self._arguments.model:
            return self.chosen()
        needs = header.model, header.fingerprint, header.synthesis
        with self._loading:
            if needs not in self._loaded:
                start = time.perf_counter()
                self._loaded[needs] = _find(header, self._arguments.other_synthesis, **self._places)
                self.seconds += round(time.perf_counter() - start, 4)
            return self._loaded[needs]

    def room_for(self, pixels: int) -> contextlib.AbstractContextManager[object]:
        """A context in which other pictures wait if this picture is large."""
        return self._large if pixels >= LARGE else contextlib.nullcontext()


def judge(*given: Any) -> str | None:
    """`twin.judge.judge`, which is imported only where weights are not installed ones."""
    from gllmm_jax.twin.judge import judge

    return judge(*given)


def _load(model: str | Path, **places: str | None) -> "Codec":
    path = zoo.locate(model)
    with ThreadPoolExecutor() as pool:
        ahead = _ahead(pool, [path])
        cache.enable()
        from gllmm_jax.codec.codec import load

        return load(ahead[path].result() if path in ahead else path, **places)


def _ahead(pool: ThreadPoolExecutor, paths: list[Path]) -> dict[Path, "Future[zoo.Weights]"]:
    """Installed weights, read while JAX is imported, which takes as long. To judge others needs JAX."""
    return {path: pool.submit(zoo.read, path) for path in paths if zoo.installed(path)}


def _find(header: "Header", other_synthesis: bool, **places: str | None) -> "Codec":
    with ThreadPoolExecutor() as pool:
        ahead = _ahead(pool, zoo.candidates(header.model)[:1])
        cache.enable()
        from gllmm_jax.codec.codec import load
        from gllmm_jax.codec.find import codec_for

        def ready(path: Path) -> "Codec":
            return load(ahead[path].result() if path in ahead else path, **places)

        return codec_for(header, other_synthesis=other_synthesis, load=ready)
