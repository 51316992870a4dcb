"""Latents to bytes and back, exactly.

A stream is a list of outliers, latents beyond the window that their distribution gives a frequency (a varint: how many;
for each, varints: how many places after the one before, and by how much), and one stream of the entropy coder that
holds z in raster order and y in the order of the schedule.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gllmm_jax.codec import varint, walk
from gllmm_jax.codec.coder import Content, Given, Outliers, Static
from gllmm_jax.codec.coders import named
from gllmm_jax.codec.container import CODERS
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.report import Progress, Tick, silent
from gllmm_jax.codec.schedule import bucket, chunks, segments, wavefront
from gllmm_jax.codec.windows import HYPER_REACH, HYPER_SIDE, scaled, windows
from gllmm_jax.config import HYPER_STRIDE
from gllmm_jax.prob import tables

CHUNK = 256
"""Positions the encoder evaluates at once."""

CHUNKS = 64
"""How many times that, before what was found leaves the device."""


class Bits(NamedTuple):
    """Information content of the latents under the integer model, and the size of the list of outliers; in bits."""

    y: float
    z: float
    outliers: float


def clamp_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest latents a stream can carry, int32. Clamp before anything else, synthesis included."""
    y_hat = np.clip(y_hat, -tables.Y_LIMIT, tables.Y_LIMIT).astype(np.int32, copy=False)
    return y_hat, np.clip(z_hat, *z_support(twin)).astype(np.int32, copy=False)


def encode_latents(
    twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray, *, coder: str = CODERS[0], progress: Progress = silent
) -> bytes:
    """Stream of y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N].

    Raises: `ValueError` on latents that `clamp_latents` would change, of other shapes, or no integers; `ImportError`
    where the extra of the coder is missing.
    """
    static, given, content = prepare(twin, y_hat, z_hat, functools.partial(progress, "probabilities"))
    stream = named(coder).encode(static, given, content, functools.partial(progress, "coding"))
    return pack_outliers(given.outliers) + stream


def decode_latents(
    twin: Twin,
    data: bytes,
    size: tuple[int, int],
    *,
    coder: str = CODERS[0],
    begun: Callable[[tuple[int, int]], None] | None = None,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `encode_latents` for y of `size` (h, w): (y_hat int32 [h, w, M], z_hat int32).

    `begun` is called with the size once z is decoded: from then on the stream is known to be of about that size.

    Raises: `BitstreamError` where the stream is truncated, damaged, or made by another twin or coder; `ImportError`
    where the extra of the coder is missing.
    """
    outliers, rest = _unpack_outliers(data, size[0] * size[1] * twin.config.latents)
    stream = named(coder).decoder(rest, size, twin.config.latents)
    z_hat = stream.static(static_symbols(twin, size)).reshape(*hyper_size(size), -1) + z_support(twin)[0]
    given = Given(twin.config, twin.nets, size, _around(twin, size, z_hat), outliers)
    if begun:
        begun(size)
    y_hat = stream.latents(given, functools.partial(progress, "decoding"))
    stream.finish()
    return y_hat, z_hat


def estimated_bits(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> Bits:
    """Bits of the latents at the integer model's own probabilities, without the cost of the coder."""
    static, given, content = prepare(twin, y_hat, z_hat)
    frequency = static.table[static.rows, content.symbols + 1] - static.table[static.rows, content.symbols]
    frequencies = content.last - content.first.astype(np.int32) + 1, frequency
    y, z = (float((tables.TOTAL_BITS - np.log2(f, dtype=np.float64)).sum()) for f in frequencies)
    return Bits(y, z, 8.0 * len(pack_outliers(given.outliers)))


def prepare(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray, tick: Tick = silent) -> tuple[Static, Given, Content]:
    """What a coder's `encode` takes. Raises as `encode_latents` does."""
    if not all(np.issubdtype(a.dtype, np.integer) for a in (y_hat, z_hat)):
        raise ValueError(f"latents are whole numbers, not {y_hat.dtype} and {z_hat.dtype}: round them")
    size, shape = y_hat.shape[:2], (twin.config.latents, twin.config.hyper)
    if y_hat.ndim != 3 or not y_hat.size or (y_hat.shape[2], z_hat.shape) != (shape[0], (*hyper_size(size), shape[1])):
        raise ValueError(f"latents of shapes {y_hat.shape} and {z_hat.shape} do not belong together or to this model")
    if not all(map(np.array_equal, (y_hat, z_hat), clamp_latents(twin, y_hat, z_hat))):
        raise ValueError("latents outside what a stream can carry: call clamp_latents first")
    y_hat, z_hat = (a.astype(np.int32, copy=False) for a in (y_hat, z_hat))
    static, around = static_symbols(twin, size), _around(twin, size, z_hat)
    first, last, outliers = _evaluate(twin, around, y_hat, tick)
    content = Content((z_hat - z_support(twin)[0]).ravel(), y_hat, first, last)
    return static, Given(twin.config, twin.nets, size, around, outliers), content


def hyper_size(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of z beside those of y."""
    return -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)


def static_symbols(twin: Twin, size: tuple[int, int]) -> Static:
    """Distributions of z [ceil(h/4), ceil(w/4), N] in raster order, for y of `size` (h, w)."""
    hz, wz = hyper_size(size)
    return Static(twin.arrays["prior.cdf"], np.tile(np.arange(twin.config.hyper, dtype=np.int32), hz * wz))


def _around(twin, size, z_hat):
    hz, wz, _ = z_hat.shape
    height, width = HYPER_STRIDE * hz, HYPER_STRIDE * wz
    rows = np.zeros((bucket(height * width), 2 * twin.config.latents), np.float32)
    phi = rows[: height * width].reshape(height, width, -1)
    for where, kept, to in windows((hz, wz), HYPER_SIDE, HYPER_REACH):
        phi[scaled(to, HYPER_STRIDE)] = _phi(twin, z_hat[where])[scaled(kept, HYPER_STRIDE)]
    return walk.Surroundings(*jax.device_put((rows, np.int32(width), np.int32(size[1]))))


def _phi(twin, z_hat):
    # hyper-synthesis of [hz, wz, N] -> at least [4hz, 4wz, 2M]
    hz, wz, n = z_hat.shape
    plane = np.zeros((bucket(hz, least=4), bucket(wz, least=4), n), np.int32)
    plane[:hz, :wz] = z_hat
    return np.asarray(walk.phi(twin.nets, *jax.device_put((plane, np.int32(hz), np.int32(wz)))))


def _evaluate(twin, around, y_hat, tick):
    # intervals of all latents in coding order, and what of them lies outside
    size, channels = y_hat.shape[:2], y_hat.shape[2]
    plane, order = walk.empty_plane(size, channels), wavefront(*size).order()
    walk.inside(plane, size)[:] = y_hat
    plane = jax.device_put(plane)
    first, last = (np.empty((len(order), channels), np.uint16) for _ in range(2))
    places, values = [], []
    parts = segments(chunks(order, min(CHUNK, bucket(len(order)))), CHUNKS, least=1)
    begin = 0
    tick(0, len(parts))
    for done, part in enumerate(parts, 1):
        found = walk.intervals(twin.config, twin.nets, plane, around, jax.device_put(part.sites))
        low, frequency, excess = (a.reshape(-1, channels)[: part.counts.sum()] for a in jax.device_get(found))
        end = begin + len(low)
        first[begin:end], last[begin:end] = low, low + frequency - 1
        sites, channel = np.nonzero(excess)
        places.append(order[begin + sites].astype(np.int64) * channels + channel)
        values.append(excess[sites, channel])
        begin = end
        tick(done, len(parts))
    places, values = np.concatenate(places), np.concatenate(values)
    raster = np.argsort(places)
    return first.ravel(), last.ravel(), Outliers(places[raster], values[raster])


def pack_outliers(outliers: Outliers) -> bytes:
    """The list that a stream begins with."""
    gaps = np.diff(outliers.places, prepend=0).tolist()
    # the sign is the lowest bit
    values = np.where(outliers.values < 0, -2 * outliers.values - 1, 2 * outliers.values).tolist()
    numbers = [len(gaps), *(number for pair in zip(gaps, values, strict=True) for number in pair)]
    return b"".join(map(varint.write, numbers))


def _unpack_outliers(data, latents):
    # the outliers among so many latents, and the rest of the stream
    reader = varint.Reader(data, whole="latent stream", part="list of outliers")
    count = reader.varint()
    if count > latents:
        raise BitstreamError("the latent stream announces more outliers than there are latents")
    pairs = np.array([(reader.varint(), reader.varint()) for _ in range(count)], np.int64).reshape(-1, 2)
    places, values = np.cumsum(pairs[:, 0]), pairs[:, 1]
    values = np.where(values & 1, -(values + 1) >> 1, values >> 1)
    if count and (places[-1] >= latents or (np.diff(places) < 1).any() or np.abs(values).max() > tables.Y_LIMIT):
        raise BitstreamError("the latent stream begins with an impossible list of outliers")
    return Outliers(places, values.astype(np.int32)), data[reader.position :]
