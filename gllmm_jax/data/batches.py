"""Photographs as an endless, seeded, exactly resumable stream of training crops, and as a validation set.

Images are uint8 HWC RGB here. The step turns them into floats. A thread of grain decodes and crops, so that a step
finds its batch ready. There are no worker processes.
"""

import logging
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gllmm_jax.data.photographs import Item, read_image

VALIDATION_IMAGES = 40
SAMPLE_IMAGES = 240
CACHE_BYTES = 2 << 30
PREFETCH_BATCHES = 8

_log = logging.getLogger(__name__)


class ImageSource:
    """Random access to decoded images for grain, each at least `crop` pixels on both axes.

    Images are decoded on first use, and kept while they fit into `cache_bytes`. Unless `quiet`, a broken file is
    reported once. The next file takes its place, so an index always gives the same image of a folder. Small images are
    padded.
    """

    def __init__(self, files: Sequence[Item], *, crop: int, cache_bytes: int = CACHE_BYTES, quiet: bool = False):
        self._files = list(files)
        self._crop = crop
        self._room = cache_bytes
        self._cache: dict[int, np.ndarray] = {}
        self._broken: set[int] = set()
        self._padded = False
        self._say = _log.debug if quiet else _log.warning

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> np.ndarray:
        """uint8 [h, w, 3]. Raises `ValueError` if no file can be read."""
        for offset in range(len(self._files)):
            image = self.load((int(index) + offset) % len(self._files))
            if image is not None:
                return image
        raise ValueError("none of the training images can be read")

    def load(self, index: int) -> np.ndarray | None:
        """The image of this index alone, uint8 [h, w, 3]; None if its file is broken."""
        if index in self._cache:
            return self._cache[index]
        if index in self._broken:
            return None
        try:
            image = self._pad(read_image(self._files[index]), self._files[index])
        except Exception as error:  # decoders raise errors of many types, and one bad file must not end a long run
            self._broken.add(index)
            self._say("skipping %s: %s", self._files[index], error)
            return None
        if image.nbytes <= self._room:
            self._room -= image.nbytes
            self._cache[index] = image
        return image

    def _pad(self, image: np.ndarray, path: Item) -> np.ndarray:
        short = [max(0, self._crop - side) for side in image.shape[:2]]
        if not any(short):
            return image
        if not self._padded:
            self._padded = True
            self._say("images smaller than the %d-pixel crop are padded by reflection (first: %s)", self._crop, path)
        return np.pad(image, [(s // 2, s - s // 2) for s in short] + [(0, 0)], mode="reflect")


def random_crop(size: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """A map for grain: a `size` x `size` crop at a uniformly drawn place, mirrored half of the time."""

    def crop(image: np.ndarray, key: np.random.Generator) -> np.ndarray:
        top, left = (int(key.integers(side - size + 1)) for side in image.shape[:2])
        piece = image[top : top + size, left : left + size]
        return piece[:, ::-1] if key.integers(2) else piece

    return crop


def fingerprint(files: Sequence[Item]) -> int:
    """A number that changes if the names of the files or their order change."""
    return zlib.crc32("\n".join(f.name for f in files).encode(errors="surrogateescape"))


class Batches:
    """Endless batches uint8 [batch, crop, crop, 3]. Every image comes once an epoch, in a new order each time.

    `state()` gives plain JSON values. After `restore(state)` the stream goes on with the batch that would have
    followed.

    With several processes each takes its `share` (its number, number of processes) of the images of every batch,
    [batch / processes, ...]. All processes have the same state; a run with another number of processes can restore it.
    """

    def __init__(
        self,
        files: Sequence[Item],
        *,
        batch: int,
        crop: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
        cache_bytes: int = CACHE_BYTES,
    ):
        try:
            import grain.python as grain  # all versions since 0.2.6 have this name
        except ImportError as error:
            install = "pip install 'gllmm-jax[train]'"
            raise ImportError(f"training needs grain, but for a set in device memory: {install}") from error

        source = ImageSource(files, crop=crop, cache_bytes=cache_bytes)
        crops = grain.MapDataset.source(source).seed(seed).shuffle().repeat().random_map(random_crop(crop))
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=PREFETCH_BATCHES)
        which, many = share
        parts = crops.batch(batch // many, drop_remainder=True)[which::many]
        self._iterator = iter(parts.to_iter_dataset(options))
        self._files = fingerprint(files)

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> np.ndarray:
        return next(self._iterator)

    def state(self) -> dict[str, Any]:
        """The place of the stream after the last batch taken."""
        return {"iterator": self._iterator.get_state(), "files": self._files}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`. Warns if the folder has changed since, because the batches are then not the same."""
        warn_of_change(state, self._files)
        if "iterator" not in state:
            _log.warning("the run drew its crops in device memory until now: the batches begin anew")
            return
        self._iterator.set_state(state["iterator"])


def warn_of_change(state: dict[str, Any], files: int) -> None:
    """Warn if the data of a run has another fingerprint than `files`."""
    if state["files"] != files:
        _log.warning("the training folder has changed since the checkpoint: the batches will differ")


def validation_images(files: Sequence[Item], *, crop: int, limit: int = VALIDATION_IMAGES) -> np.ndarray:
    """Centre crops uint8 [n, crop, crop, 3] of up to `limit` of `files`, evenly spread; always the same."""
    return np.stack(_centres(files, least=crop, most=crop, limit=limit))


def sample_photographs(files: Sequence[Item], *, most: int = 512, limit: int = SAMPLE_IMAGES) -> list[np.ndarray]:
    """The middles of up to `limit` of `files`, for statistics: uint8 [h, w, 3] of up to `most` pixels a side."""
    return _centres(files, least=64, most=most, limit=limit)


def _centres(files: Sequence[Item], *, least: int, most: int, limit: int) -> list[np.ndarray]:
    count = min(limit, len(files))
    some = [files[i * len(files) // count] for i in range(count)]
    source = ImageSource(some, crop=least, cache_bytes=0, quiet=True)  # training reports broken files
    centres = []
    for image in (source[index] for index in range(count)):
        top, left = (max(0, side - most) // 2 for side in image.shape[:2])
        centres.append(image[top : top + most, left : left + most].copy())  # a view would keep the whole image
    return centres
