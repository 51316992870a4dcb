"""Latents to bytes and back, exactly.

A stream is one byte of activity mode and one stream of the entropy coder that holds, in this order, the activity class
of every channel of y (if the mode says so), z in raster order, and y in the order of the schedule.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from gllmm_jax.codec import interleaved, walk
from gllmm_jax.codec.coder import Given, Static, named
from gllmm_jax.codec.container import CODERS
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.schedule import bucket
from gllmm_jax.config import HYPER_STRIDE
from gllmm_jax.prob import tables

BY_CHANNEL = 255
"""Mode: a class for each channel. Any smaller value is the one class of them all."""


class Bits(NamedTuple):
    """Information content under the integer model, in bits; `y` includes the activity classes."""

    y: float
    z: float


def clamp_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest latents a stream can carry, int32. Clamp before anything else, synthesis included."""
    y_hat = np.clip(y_hat, -tables.Y_LIMIT, tables.Y_LIMIT).astype(np.int32)
    return y_hat, np.clip(z_hat, *z_support(twin)).astype(np.int32)


def encode_latents(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray, *, coder: str = CODERS[0]) -> bytes:
    """Stream of y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N].

    Raises: `ValueError` on latents that `clamp_latents` would change, or of other shapes; `ImportError` where the extra
    of the coder is missing.
    """
    mode, static, symbols, given = _prepare(twin, y_hat, z_hat)
    return bytes([mode]) + named(coder).encode(static, symbols, given, y_hat)


def decode_latents(
    twin: Twin, data: bytes, size: tuple[int, int], *, coder: str = CODERS[0]
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `encode_latents` for y of `size` (h, w): (y_hat int32 [h, w, M], z_hat int32).

    Raises: `BitstreamError` where the stream is truncated, damaged, or made by another twin or coder; `ImportError`
    where the extra of the coder is missing.
    """
    if not data:
        raise BitstreamError("the latent stream is empty")
    mode, channels = data[0], twin.config.latents
    if mode >= tables.Y_LIMIT.bit_length() + 1 and mode != BY_CHANNEL:
        raise BitstreamError("the latent stream begins with an unknown mode")
    stream = named(coder).decoder(data[1:], size, channels)
    symbols = stream.static(_static(twin, mode, size))
    z_size = _hyper_size(size)
    split = len(symbols) - z_size[0] * z_size[1] * twin.config.hyper
    classes = symbols[:split] if split else np.full(channels, mode, np.int32)
    z_hat = symbols[split:].reshape(*z_size, -1) + z_support(twin)[0]
    y_hat = stream.latents(_given(twin, size, classes, z_hat))
    stream.finish()
    return y_hat, z_hat


def estimated_bits(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> Bits:
    """Bits of the latents at the integer model's own probabilities, without the cost of the coder."""
    _mode, static, symbols, given = _prepare(twin, y_hat, z_hat)
    _low, frequency = interleaved.intervals(static, symbols, given, y_hat)
    bits = tables.TOTAL_BITS - np.log2(frequency, dtype=np.float64)
    z = slice(len(symbols) - z_hat.size, len(symbols))
    return Bits(float(bits.sum() - bits[z].sum()), float(bits[z].sum()))


def _prepare(twin, y_hat, z_hat):
    # mode, static distributions and their symbols, and what is given for y: all but the latents themselves
    size = y_hat.shape[:2]
    if y_hat.shape[2] != twin.config.latents or z_hat.shape != (*_hyper_size(size), twin.config.hyper):
        raise ValueError(f"latents of shapes {y_hat.shape} and {z_hat.shape} do not belong together or to this model")
    low, high = z_support(twin)
    if np.abs(y_hat).max() > tables.Y_LIMIT or (z_hat < low).any() or (z_hat > high).any():
        raise ValueError("latents outside what a stream can carry: call clamp_latents first")
    mode, classes = _mode(twin, y_hat)
    symbols = (z_hat - low).ravel()
    if mode == BY_CHANNEL:
        symbols = np.concatenate([classes, symbols])
    return mode, _static(twin, mode, size), symbols, _given(twin, size, classes, z_hat)


def _given(twin, size, classes, z_hat):
    phi, phi_width = _phi(twin, z_hat)
    return Given(twin.config, twin.nets, size, phi, phi_width, _radius(classes))


def _hyper_size(size):
    return tuple(-(-n // HYPER_STRIDE) for n in size)


def _radius(classes):
    return ((1 << classes) - 1).astype(np.int32)


def _static(twin, mode, size):
    # tables: z's channels first, then the classes of y's channels
    z, classes = twin.arrays["prior.cdf"], twin.arrays["classes.cdf"]
    width = max(z.shape[1], classes.shape[1])
    table = [np.pad(t, ((0, 0), (0, width - t.shape[1])), constant_values=tables.TOTAL) for t in (z, classes)]
    hz, wz = _hyper_size(size)
    first = len(z) + np.arange(len(classes) if mode == BY_CHANNEL else 0)
    rows = np.concatenate([first, np.tile(np.arange(len(z)), hz * wz)]).astype(np.int32)
    return Static(np.concatenate(table).astype(np.int32), rows)


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
