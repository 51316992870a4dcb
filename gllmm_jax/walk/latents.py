"""Latents to bytes and back, exactly.

A stream begins with the list of outliers, the latents outside the support of their distribution: their number as a
varint, and for each outlier two varints, its distance from the outlier before it and its excess. Then follows one
stream of the entropy coder. It holds what the factorised prior codes (z in raster order, or the coarsest scale of y),
then y in the order of the schedule.
"""

import functools
from typing import NamedTuple

import numpy as np

from gllmm_jax.container import varint
from gllmm_jax.container.container import CODERS
from gllmm_jax.entropy.symbols import Static
from gllmm_jax.errors import BitstreamError
from gllmm_jax.order.models import entropy_model, hyper_shape
from gllmm_jax.order.stage import Latents
from gllmm_jax.prob import tables
from gllmm_jax.progress import Progress, Tick, silent
from gllmm_jax.twin.integer import Twin, z_support
from gllmm_jax.walk import walk
from gllmm_jax.walk.coder import Content, Outliers, named


class Bits(NamedTuple):
    """Information content of the latents under the integer model, and the size of the list of outliers; in bits.

    `z` counts what the factorised prior codes.
    """

    y: float
    z: float
    outliers: float


def clamp_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest latents that a stream can carry, int32. Clamp latents before you use them, also for synthesis."""
    y_hat = np.clip(y_hat, -tables.Y_LIMIT, tables.Y_LIMIT).astype(np.int32, copy=False)  # a new array either way
    if not twin.config.has_hyperprior:
        return y_hat, np.zeros((0, 0, 0), np.int32)
    return y_hat, np.clip(np.asarray(z_hat, np.int32), *z_support(twin))


def encode_latents(
    twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray, *, coder: str = CODERS[0], progress: Progress = silent
) -> bytes:
    """The stream of y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N]; [0, 0, 0] without a hyperprior.

    Raises: `ValueError` on latents that `clamp_latents` would change, on other shapes, and on numbers that are no
    integers; `ImportError` if the extra of the coder is missing.
    """
    content = prepare(twin, y_hat, z_hat, functools.partial(progress, "probabilities"))
    stream = named(coder).encode(content, functools.partial(progress, "coding"))
    return pack_outliers(content.outliers) + stream


def decode_latents(
    twin: Twin,
    data: bytes,
    size: tuple[int, int],
    *,
    coder: str = CODERS[0],
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `encode_latents` for y of `size` (h, w): (y_hat int32 [h, w, M], z_hat int32).

    Raises: `BitstreamError` if the stream is truncated, damaged, or made by another twin or coder; `ImportError` if the
    extra of the coder is missing.
    """
    outliers, rest = unpack_outliers(data, size[0] * size[1] * twin.config.latents)
    stream, model = named(coder).decoder(rest, size, twin.config.latents), entropy_model(twin, size)
    symbols = stream.static(model.static())
    y_hat, z_hat = model.begin(symbols, outliers.plane((*size, twin.config.latents)))
    y_hat = stream.latents(model.stages(z_hat), y_hat, functools.partial(progress, "decoding"))
    stream.finish()
    return y_hat, z_hat


def estimated_bits(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> Bits:
    """Bits of the latents under the integer model's probabilities, without the overhead of the coder."""
    content = prepare(twin, y_hat, z_hat)
    static = content.model.static()
    frequency = static.table[static.rows, content.symbols + 1] - static.table[static.rows, content.symbols]
    frequencies = content.intervals.last - content.intervals.first.astype(np.int32) + 1, frequency
    y, z = (float((tables.TOTAL_BITS - np.log2(f, dtype=np.float64)).sum()) for f in frequencies)
    return Bits(y, z, 8.0 * len(pack_outliers(content.outliers)))


def prepare(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray, tick: Tick = silent) -> Content:
    """The argument of a coder's `encode`. Raises as `encode_latents` does."""
    if not all(np.issubdtype(a.dtype, np.integer) for a in (y_hat, z_hat)):
        raise ValueError(f"latents are whole numbers, not {y_hat.dtype} and {z_hat.dtype}: round them")
    size, m = y_hat.shape[:2], twin.config.latents
    if y_hat.ndim != 3 or not y_hat.size or y_hat.shape[2] != m or z_hat.shape != hyper_shape(twin.config, size):
        raise ValueError(f"latents of shapes {y_hat.shape} and {z_hat.shape} do not belong together or to this model")
    if not all(map(np.array_equal, (y_hat, z_hat), clamp_latents(twin, y_hat, z_hat))):
        raise ValueError("latents outside what a stream can carry: call clamp_latents first")
    y_hat, z_hat = (a.astype(np.int32, copy=False) for a in (y_hat, z_hat))
    model = entropy_model(twin, size)
    stages = model.stages(z_hat)
    symbols, excess = inside(twin, model.symbols(y_hat, z_hat), model.static())
    beyond = np.flatnonzero(excess)
    intervals, others = walk.intervals(stages, y_hat, tick)
    indices = np.concatenate([model.positions()[beyond], others.indices])
    values, order = np.concatenate([excess[beyond], others.values]), np.argsort(indices)
    return Content(model, stages, symbols, y_hat, intervals, Outliers(indices[order], values[order]))


def inside(twin: Twin, symbols: Latents, static: Static) -> tuple[Latents, Latents]:
    """(the nearest symbols in the tables of `static`, `symbols` less them), int32 [S] each."""
    low, high = z_support(twin)
    nearest = symbols.clip(0, (high - low)[static.rows])
    return nearest, symbols - nearest


def pack_outliers(outliers: Outliers) -> bytes:
    """The list of outliers at the start of a stream."""
    gaps = np.diff(outliers.indices, prepend=0).tolist()
    # the sign is the lowest bit
    values = np.where(outliers.values < 0, -2 * outliers.values - 1, 2 * outliers.values).tolist()
    numbers = [len(gaps), *(number for pair in zip(gaps, values, strict=True) for number in pair)]
    return b"".join(map(varint.write, numbers))


def unpack_outliers(data: bytes, latents: int) -> tuple[Outliers, bytes]:
    """The outliers, whose picture has so many `latents`, and the rest of the stream. Raises `BitstreamError`."""
    reader = varint.Reader(data, whole="latent stream", part="list of outliers")
    count = reader.varint()
    if count > latents:
        raise BitstreamError("the latent stream announces more outliers than there are latents")
    pairs = reader.varints(2 * count).reshape(-1, 2)
    indices, values = np.cumsum(pairs[:, 0]), pairs[:, 1]
    values = np.where(values & 1, -(values + 1) >> 1, values >> 1)
    if count and (indices[-1] >= latents or (np.diff(indices) < 1).any() or np.abs(values).max() > tables.Y_LIMIT):
        raise BitstreamError("the latent stream begins with an impossible list of outliers")
    return Outliers(indices, values.astype(np.int32)), data[reader.position :]
