"""A training set in device memory. The step draws its crops there, and the host feeds nothing.

It is for sets that fit into the memory with all images decoded, which takes three bytes a pixel.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gllmm_jax.data.batches import ImageSource, fingerprint, warn_of_change
from gllmm_jax.data.photographs import Item
from gllmm_jax.mesh import place, replicated


class Store(NamedTuple):
    """All images, one after the other, in arrays on the host or on devices."""

    pixels: jax.Array | np.ndarray  # uint8 [P, 3], row by row, image by image
    start: jax.Array | np.ndarray  # int32 [n], place in `pixels` at which each image begins
    height: jax.Array | np.ndarray  # int32 [n]
    width: jax.Array | np.ndarray  # int32 [n]


class Resident:
    """The store of a run on its devices, which every step gets. It replaces `batches.Batches`."""

    def __init__(self, files: Sequence[Item], mesh: Mesh, *, batch: int, crop: int, augment: bool = False):
        store = load(files, crop=_widest(crop) if augment else crop, batch=batch)
        self._store = place(store, jax.tree.map(lambda _: replicated(mesh), store))
        self._files = fingerprint(files)

    def __next__(self) -> Store:
        return self._store

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint. The number of the step is the place in the stream."""
        return {"files": self._files}

    def restore(self, state: dict[str, Any]) -> None:
        """Warns if the folder has changed since, because the batches are then not the same."""
        warn_of_change(state, self._files)


def load(files: Sequence[Item], *, crop: int, batch: int) -> Store:
    """Decode all `files`. Broken files are reported and left out. Small images are padded to the crop.

    Raises `ValueError` if fewer images than a batch are left, or if the images hold 2^31 pixels or more.
    """
    source = ImageSource(files, crop=crop, cache_bytes=0)
    images = [image for index in range(len(files)) if (image := source.load(index)) is not None]
    if len(images) < batch:
        raise ValueError(f"a batch of {batch} needs as many images, and there are {len(images)}: lower the batch")
    height, width = (np.array([image.shape[axis] for image in images], np.int64) for axis in (0, 1))
    end = np.cumsum(height * width)
    if end[-1] >= 1 << 31:
        raise ValueError(f"{end[-1]:,} pixels are too many to keep on a device: train without it")
    pixels = np.concatenate([image.reshape(-1, 3) for image in images])
    return Store(pixels, *(a.astype(np.int32) for a in (end - height * width, height, width)))


def draw(store: Store, key: jax.Array, step: jax.Array, *, batch: int, crop: int, augment: bool = False) -> jax.Array:
    """The batch of a step, uint8 [batch, crop, crop, 3], with random places and mirroring; traceable.

    Every image comes once an epoch, and each epoch has its own order. `key` and `step` determine everything. With
    `augment`, which is for small sets, half of the crops are scaled down, half have another contrast and other colours,
    and a quarter is transposed.
    """
    store, count = jax.tree.map(jnp.asarray, store), len(store.start)
    key_order, key_cut = jax.random.split(jax.random.fold_in(key, 0xFFFFFFFF))  # the noise folds the step in
    epoch, first = place_of(step, batch=batch, count=count)
    # a batch is no larger than the set, so it lies in at most two epochs
    orders = [jax.random.permutation(jax.random.fold_in(key_order, epoch + i), count) for i in range(2)]
    image = jnp.concatenate(orders)[first + jnp.arange(batch)]

    def cut(image: jax.Array, key: jax.Array, side: int) -> jax.Array:
        key_top, key_left, key_mirror = jax.random.split(key, 3)
        width = store.width[image]
        top = jax.random.randint(key_top, (), 0, store.height[image] - side + 1)
        left = jax.random.randint(key_left, (), 0, width - side + 1)
        along = jnp.arange(side)
        along = jnp.where(jax.random.bernoulli(key_mirror), along[::-1], along)
        rows = store.start[image] + (top + jnp.arange(side)) * width + left
        return store.pixels[rows[:, None] + along[None, :]]

    def augmented(image: jax.Array, key: jax.Array) -> jax.Array:
        key_cut, key_scale, key_colour, key_turn = jax.random.split(key, 4)
        x = _scaled(cut(image, key_cut, _widest(crop)).astype(jnp.float32), key_scale, crop)
        x = _recoloured(x, key_colour)
        x = jnp.where(jax.random.bernoulli(key_turn, 0.25), x.swapaxes(0, 1), x)
        return jnp.round(jnp.clip(x, 0, 255)).astype(jnp.uint8)

    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(key_cut, step), jnp.arange(batch))
    return jax.vmap(augmented if augment else lambda image, key: cut(image, key, crop))(image, keys)


def place_of(step: jax.Array, *, batch: int, count: int) -> tuple[jax.Array, jax.Array]:
    """The epoch in which a step's batch begins, and the place within it: divmod(step * batch, count), without overflow.

    It holds for every int32 step and batch <= count < 2^29, also if the product exceeds int32; traceable.
    """
    whole, rest = jnp.divmod(step, count)
    epoch, first = jnp.zeros_like(step), jnp.zeros_like(step)
    for digit in f"{batch:b}":  # rest * batch, doubled from the highest binary digit on
        more, first = jnp.divmod(2 * first + int(digit) * rest, count)
        epoch = 2 * epoch + more
    return whole * batch + epoch, first


def _widest(crop: int) -> int:
    # most pixels a side that are scaled down to a crop
    return crop * 11 // 8


def _scaled(x: jax.Array, key: jax.Array, crop: int) -> jax.Array:
    """A random place of x [S, S, 3], S = `_widest(crop)`, as [crop, crop, 3]: unchanged, or scaled by 8/11 or more."""
    key_whether, key_scale, *keys = jax.random.split(key, 4)
    scale = jax.random.uniform(key_scale, (), minval=crop / x.shape[0])
    scale = jnp.where(jax.random.bernoulli(key_whether), scale, 1.0)
    room = x.shape[0] - crop / scale
    shift = jnp.stack([jnp.floor(jax.random.uniform(key) * (jnp.floor(room + 1e-3) + 1)) for key in keys])
    shape, scales = (crop, crop, 3), jnp.stack([scale, scale])
    return jax.image.scale_and_translate(x, shape, (0, 1), scales, -shift * scale, "linear", antialias=True)


def _recoloured(x: jax.Array, key: jax.Array) -> jax.Array:
    """x [h, w, 3] on 0..255. Half of the results have a contrast of 0.75 to 1.1 and slightly shifted colours."""
    key_whether, key_contrast, key_colour, key_light = jax.random.split(key, 4)
    contrast = jax.random.uniform(key_contrast, (), minval=0.75, maxval=1.1)
    colour = jax.random.uniform(key_colour, (3,), minval=0.95, maxval=1.05)
    light = jax.random.uniform(key_light, (), minval=-16.0, maxval=16.0)
    other = (x - 128.0) * (contrast * colour)[None, None] + 128.0 + light
    return jnp.where(jax.random.bernoulli(key_whether), other, x)
