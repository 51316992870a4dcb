"""Latents to bytes and back, exactly.

A stream is one byte of activity mode and one rANS stream that holds, in this order, the activity class of every channel
of y (if the mode says so), z in raster order, and y in the order of the schedule.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.codec import rans, walk
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.schedule import bucket, chunks, padded, wavefront
from gllmm_jax.config import HYPER_STRIDE
from gllmm_jax.prob import tables

BY_CHANNEL = 255
"""Mode: a class for each channel. Any smaller value is the one class of them all."""

CHUNK = 256
"""Positions the encoder evaluates at once."""


class Bits(NamedTuple):
    """Information content under the integer model, in bits; `y` includes the activity classes."""

    y: float
    z: float


def clamp_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest latents a stream can carry, int32. Clamp before anything else, synthesis included."""
    y_hat = np.clip(y_hat, -tables.Y_LIMIT, tables.Y_LIMIT).astype(np.int32)
    return y_hat, np.clip(z_hat, *z_support(twin)).astype(np.int32)


def encode_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> bytes:
    """Stream of y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N].

    Raises: `ValueError` on latents that `clamp_latents` would change, or of other shapes.
    """
    mode, low, frequency = _intervals(twin, y_hat, z_hat)
    steps = len(low)
    low = np.pad(low, ((0, bucket(steps) - steps), (0, 0)))
    frequency = np.pad(frequency, ((0, len(low) - steps), (0, 0)), constant_values=tables.TOTAL)
    coded = jax.device_get(rans.encode(jnp.asarray(low), jnp.asarray(frequency)))
    return bytes([mode]) + rans.pack(*coded)


def decode_latents(twin: Twin, data: bytes, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `encode_latents` for y of `size` (h, w): (y_hat int32 [h, w, M], z_hat int32).

    Raises: `BitstreamError` where the stream is truncated, damaged, or made by another twin.
    """
    if not data:
        raise BitstreamError("the latent stream is empty")
    mode, config = data[0], twin.config
    if mode >= tables.Y_LIMIT.bit_length() + 1 and mode != BY_CHANNEL:
        raise BitstreamError("the latent stream begins with an unknown mode")
    states, found = rans.unpack(data[1:], _lanes(twin, size))
    pairs, lanes = jnp.asarray(rans.byte_pairs(found)), rans.Lanes(jnp.asarray(states), jnp.int32(0))
    classes, z_hat, lanes = _decode_static(twin, mode, size, pairs, len(found), lanes)
    rans.check_within(lanes, len(found))  # before anything of the picture's size is made
    phi, phi_width = _phi(twin, z_hat)
    schedule = wavefront(*size)
    groups, schedule = len(schedule.counts), padded(schedule)
    plane = walk.empty_plane(size, config.latents)
    args = (plane, phi, *schedule, np.int32(groups), _radius(classes), np.int32(size[1]), phi_width)
    end = jnp.int32(len(found))
    plane, lanes = walk.decode(config, twin.nets, *map(jnp.asarray, args), pairs, end, lanes)  # pyright: ignore[reportCallIssue]
    rans.check_within(lanes, len(found))
    rans.check_finished(lanes, len(found))
    return walk.inside(np.asarray(plane), size).copy(), z_hat


def estimated_bits(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> Bits:
    """Bits of the latents at the integer model's own probabilities, without the cost of the coder."""
    mode, _low, frequency = _intervals(twin, y_hat, z_hat)
    bits = tables.TOTAL_BITS - np.log2(frequency, dtype=np.float64).ravel()
    classes = twin.config.latents if mode == BY_CHANNEL else 0
    z = bits[classes : classes + z_hat.size].sum()
    return Bits(float(bits.sum() - z), float(z))


def _hyper_size(size):
    return tuple(-(-n // HYPER_STRIDE) for n in size)


def _lanes(twin, size):
    return rans.lane_count(size[0] * size[1] * twin.config.latents, twin.config.latents)


def _radius(classes):
    return ((1 << classes) - 1).astype(np.int32)


def _static_rows(twin, mode, size):
    # which table each class and each z takes: z's channels first, then the channels of y
    hz, wz = _hyper_size(size)
    n, m = twin.config.hyper, twin.config.latents
    classes = n + np.arange(m if mode == BY_CHANNEL else 0)
    return np.concatenate([classes, np.tile(np.arange(n), hz * wz)]).astype(np.int32)


def _static_table(twin):
    # z's channels, the classes of y's channels, and last the one certain symbol that fills up a step
    z, classes = twin.arrays["prior.cdf"], twin.arrays["classes.cdf"]
    width = max(z.shape[1], classes.shape[1])
    parts = z, classes, np.array([[0, tables.TOTAL]], np.int32)
    return np.concatenate([np.pad(t, ((0, 0), (0, width - t.shape[1])), constant_values=tables.TOTAL) for t in parts])


def _phi(twin, z_hat):
    hz, wz, n = z_hat.shape
    plane = np.zeros((bucket(hz, least=4), bucket(wz, least=4), n), np.int32)
    plane[:hz, :wz] = z_hat
    phi = walk.phi_rows(twin.nets, jnp.asarray(plane), jnp.int32(hz), jnp.int32(wz))
    return phi, np.int32(HYPER_STRIDE * plane.shape[1])


def _mode(twin, y_hat):
    # a class per channel costs its own bits; one class for all costs frequency on symbols that never come
    peak = np.abs(y_hat).max((0, 1))
    classes = np.array([int(p).bit_length() for p in peak], np.int32)
    frequency = np.diff(twin.arrays["classes.cdf"], axis=1)[np.arange(len(peak)), classes]
    cost = 2.0 * y_hat.shape[0] * y_hat.shape[1] / tables.TOTAL / np.log(2)
    by_channel = (tables.TOTAL_BITS - np.log2(frequency)).sum() + cost * _radius(classes).sum()
    if by_channel < cost * _radius(classes.max()) * len(peak):
        return BY_CHANNEL, classes
    return int(classes.max()), np.full_like(classes, classes.max())


def _intervals(twin, y_hat, z_hat):
    # low and frequency of every symbol of the stream in order, int32 [steps, lanes], and the mode
    config, size = twin.config, y_hat.shape[:2]
    if y_hat.shape[2] != config.latents or z_hat.shape != (*_hyper_size(size), config.hyper):
        raise ValueError(f"latents of shapes {y_hat.shape} and {z_hat.shape} do not belong together or to this model")
    low_z, high_z = z_support(twin)
    if np.abs(y_hat).max() > tables.Y_LIMIT or (z_hat < low_z).any() or (z_hat > high_z).any():
        raise ValueError("latents outside what a stream can carry: call clamp_latents first")
    mode, classes = _mode(twin, y_hat)
    n = _lanes(twin, size)
    rows, table = _static_rows(twin, mode, size), _static_table(twin)
    symbols = np.concatenate([classes[: len(rows) - z_hat.size], (z_hat - low_z).ravel()])
    low = table[rows, symbols]
    pad = (0, -len(rows) % n)
    static = np.pad(low, pad), np.pad(table[rows, symbols + 1] - low, pad, constant_values=tables.TOTAL)
    plane = walk.empty_plane(size, config.latents)
    walk.inside(plane, size)[:] = y_hat
    phi, phi_width = _phi(twin, z_hat)
    order = wavefront(*size).order()
    sites = padded(chunks(order, min(CHUNK, bucket(len(order)))), least=1).sites
    rest = (jnp.asarray(a) for a in (plane, phi, sites, _radius(classes), np.int32(size[1]), phi_width))
    found = jax.device_get(walk.intervals(config, twin.nets, *rest))
    real = len(order) * config.latents
    low, frequency = (np.concatenate([a, b.ravel()[:real]]).reshape(-1, n) for a, b in zip(static, found, strict=True))
    return mode, low, frequency


def _decode_static(twin, mode, size, pairs, end, lanes):
    rows = _static_rows(twin, mode, size)
    n = lanes.state.shape[0]
    steps = -(-len(rows) // n)
    filled = np.full((bucket(steps), n), twin.config.hyper + twin.config.latents, np.int32)
    filled.ravel()[: len(rows)] = rows
    table = jnp.asarray(_static_table(twin))
    symbols, lanes = walk.decode_static(table, jnp.asarray(filled), jnp.int32(steps), pairs, jnp.int32(end), lanes)
    symbols = np.asarray(symbols).ravel()[: len(rows)]
    hz, wz = _hyper_size(size)
    split = len(rows) - hz * wz * twin.config.hyper
    classes = symbols[:split] if split else np.full(twin.config.latents, mode, np.int32)
    return classes, symbols[split:].reshape(hz, wz, -1) + z_support(twin)[0], lanes
