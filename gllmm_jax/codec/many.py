"""Many pictures: several at once in threads, or small ones of one size in one program."""

import collections
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from gllmm_jax import placement
from gllmm_jax.codec import transforms
from gllmm_jax.codec.fingerprint import check_crc
from gllmm_jax.codec.latent_codec import Bytes, LatentCodec
from gllmm_jax.container.container import CODERS, Header
from gllmm_jax.errors import BitstreamError
from gllmm_jax.programs import latest
from gllmm_jax.twin.integer import Twin
from gllmm_jax.walk import arithmetic, traceable

AHEAD = 2
"""Items taken for each worker: one that it works on, and one that waits."""

LARGEST = 1024
"""The most positions of latents in a picture of a batch: 512x512 pixels at 16x16 pixels a latent."""

PROGRAMS = 8
"""Programs that are kept, of all sizes, qualities and counts together."""

LEAST = 1024
"""The least number of bytes of a stream that a program has room for."""


def map_in_threads(function: Callable[..., Any], items: Iterable[Any], workers: int | None) -> list[Any]:
    """The results in the order of the items. By default there are as many `workers` as cores, at most 4.

    Items are taken only as they are needed, so an iterator may load pictures one by one.
    """
    workers = workers or min(4, os.cpu_count() or 1)
    results, waiting = [], collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= AHEAD * workers:
                    results.append(waiting.popleft().result())
            return results + [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing more is begun


Opened = tuple[int, Header, bytes]
"""The number of a file among all files, its header and its stream."""


class Batch:
    """Decodes `count` small pictures of one size at once: each small step of the walk runs for all of them.

    A program serves one size, one quality and one count, and takes seconds to compile. The latest are kept. Before a
    program is made, the first of its files is decoded alone.
    """

    def __init__(self, codec: LatentCodec, count: int) -> None:
        self._codec, self._count = codec, count
        self._at = functools.lru_cache(PROGRAMS)(codec.at_index)  # a program belongs to one twin

    def decode(self, files: Iterable[Bytes], **limits: Any) -> tuple[dict[int, np.ndarray], dict[int, Bytes]]:
        """Pictures by the number of their file, and the files that are left: large ones, and the last few of a size.

        It reads and checks all files before it decodes the first. Raises as `Codec.decode` does.
        """
        alike: dict[tuple[int | None, tuple[int, int]], list[Opened]] = collections.defaultdict(list)
        done, left = {}, {}
        for number, data in enumerate(files):
            header, stream = self._codec.opened(data, **limits)
            size = self._codec.latent_size(header.height, header.width)
            left[number] = data
            if size[0] * size[1] <= LARGEST and (header.coder, header.arithmetic) == (CODERS[0], arithmetic.NEWEST):
                alike[header.quality, size].append((number, header, stream))
        for (quality, size), opened in sorted(alike.items(), key=lambda group: str(group[0])):  # a quality at a time
            for begin in range(0, len(opened) - self._count + 1, self._count):
                done.update(self._pictures(size, quality, opened[begin : begin + self._count]))
        return done, {number: data for number, data in left.items() if number not in done}

    def _pictures(
        self, size: tuple[int, int], quality: int | None, opened: list[Opened]
    ) -> Iterator[tuple[int, np.ndarray]]:
        codec = self._at(quality)
        streams = [traceable.unpack(stream, (*size, codec.config.latents)) for _, _, stream in opened]
        capacity = max(LEAST, 1 << max(len(stream.data) for stream in streams).bit_length())  # few programs
        padded = [s._replace(data=np.pad(s.data, (0, capacity - len(s.data)))) for s in streams]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *padded)
        if (codec.twin, stacked) not in _decoded.programs:
            codec._latents(*opened[0][1:])  # raises, before a program is made, if this one is refused
        with placement.on(codec.entropy):
            decoded = _decoded(codec.twin, stacked)
        y_hat, z_hat, whole = jax.device_get(decoded)
        for (_, header, _), y, z, good in zip(opened, y_hat, z_hat, whole, strict=True):
            if not good:
                raise BitstreamError("the latent stream is cut short or damaged")
            check_crc(header, y, z)
        gray = np.array([header.colour == "gray" for _, header, _ in opened])
        latents = np.stack(list(map(codec.shown, y_hat, z_hat)))
        with placement.on(codec.transforms):
            pixels = transforms.synthesise_many(codec.config, codec.params, latents, gray)
        for (number, header, _), picture in zip(opened, pixels, strict=True):
            channels = 1 if header.colour == "gray" else 3
            yield number, picture[: header.height, : header.width, :channels].copy()


@latest(PROGRAMS, static=1)
def _decoded(twin: Twin, streams: traceable.Stream) -> Any:
    return jax.vmap(lambda stream: traceable.decode_latents(twin, stream))(streams)
