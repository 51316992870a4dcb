"""The float programs of the codec: pixels to latents and back. One is compiled for every size up to `WINDOW`.

Larger pictures go through in windows of that size, which overlap by as much as a network sees: a window lies wholly in
the picture, so what its networks pad with zeros is either the picture's own edge or too far away to matter.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, STRIDE, ModelConfig
from gllmm_jax.nn.model import Model, apply

WINDOW = 128
"""Latents on a side that go through the transforms at once: 2,048 pixels."""

REACH = {"paper": 14, "light": 8}
"""How far, in latents, a transform sees in any direction."""

_WIDEST = 2**20  # far beyond any latent; integers hold it, which is not so of any float


class Span(NamedTuple):
    """One window on one axis, in latents: it begins at `start`, and `begin` ... `end` of it are kept."""

    start: int
    begin: int
    end: int


def spans(length: int, reach: int) -> list[Span]:
    """Windows of one size that cover an axis; the whole of a short one."""
    window, found, begin = min(WINDOW, length), [], 0
    while begin < length:
        start = min(max(begin - reach, 0), length - window)
        end = length if start + window == length else start + window - reach
        found.append(Span(start, begin, end))
        begin = end
    return found


def _tiles(size: tuple[int, int], config: ModelConfig) -> Iterator[tuple[tuple[slice, ...], ...]]:
    """For every window: where it lies, what of it is kept, and where that goes; slices of rows and columns, latents."""
    reach = REACH[config.transform]
    for rows in spans(size[0], reach):
        for columns in spans(size[1], reach):
            both, window = (rows, columns), [min(WINDOW, side) for side in size]
            yield (
                tuple(slice(s.start, s.start + side) for s, side in zip(both, window, strict=True)),
                tuple(slice(s.begin - s.start, s.end - s.start) for s in both),
                tuple(slice(s.begin, s.end) for s in both),
            )


def _pixels(slices: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(slice(STRIDE * s.start, STRIDE * s.stop) for s in slices)


def analyse(config: ModelConfig, params: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Codec.analyse` before clamping, for parameters that have no integer twin yet.

    The picture is continued at the bottom and right with its last row and column, to whole latents.
    """
    size = -(-image.shape[0] // STRIDE), -(-image.shape[1] // STRIDE)
    edges = [(0, STRIDE * n - side) for n, side in zip(size, image.shape[:2], strict=True)]
    padded = np.pad(image, (*edges, (0, 0)), mode="edge")
    if max(size) <= WINDOW:
        y = _analysis(config, params, padded)
    else:
        y = np.empty((*size, config.latents), np.float32)
        for window, kept, to in _tiles(size, config):
            y[to] = np.asarray(_analysis(config, params, padded[_pixels(window)]))[kept]
    y_hat, z_hat = jax.device_get(_hyper_analysis(config, params, y))
    return y_hat, z_hat


def synthesise(config: ModelConfig, params: Any, y_hat: np.ndarray, gray: bool) -> np.ndarray:
    """int32 [h, w, M] -> uint8 [16h, 16w, 3], or [16h, 16w, 3] of equal planes for `gray`."""
    size = y_hat.shape[:2]
    if max(size) <= WINDOW:
        return np.asarray(_synthesis(config, params, y_hat, gray))
    pixels = np.empty((STRIDE * size[0], STRIDE * size[1], 3), np.uint8)
    for window, kept, to in _tiles(size, config):
        pixels[_pixels(to)] = np.asarray(_synthesis(config, params, y_hat[window], gray))[_pixels(kept)]
    return pixels


def compile_synthesis(config: ModelConfig, params: Any, shape: tuple[int, int, int]) -> None:
    """Have `synthesise` ready for latents of this shape. Whatever is wrong is left for itself to find."""
    window = jax.ShapeDtypeStruct((min(WINDOW, shape[0]), min(WINDOW, shape[1]), shape[2]), jnp.int32)
    with contextlib.suppress(Exception):
        _synthesis.lower(config, params, window, False).compile()


@functools.partial(jax.jit, static_argnums=0)
def float_bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> jax.Array:
    """The float model's information content of y_hat [h, w, M] and z_hat, in bits."""
    arguments = (y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32))
    bits_y, bits_z = apply(config, params, *arguments, method=Model.bits)
    return bits_y[0] + bits_z[0]


@functools.partial(jax.jit, static_argnums=0)
def _analysis(config: ModelConfig, params: Any, pixels: jax.Array) -> jax.Array:
    """uint8 [16h, 16w, 3 or 1] -> y float32 [h, w, M]."""
    x = jnp.broadcast_to(pixels[None], (1, *pixels.shape[:2], 3)).astype(jnp.float32) / 255
    return apply(config, params, x, method=Model.analysis)[0]


@functools.partial(jax.jit, static_argnums=0)
def _hyper_analysis(config: ModelConfig, params: Any, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """y [h, w, M] -> y_hat and z_hat, int32, not clamped."""
    edges = [(0, -side % HYPER_STRIDE) for side in y.shape[:2]]
    z = apply(config, params, jnp.pad(y, (*edges, (0, 0)), mode="edge")[None], method=Model.hyper_analysis)[0]
    y_hat, z_hat = (jnp.clip(jnp.round(a), -_WIDEST, _WIDEST).astype(jnp.int32) for a in (y, z))
    return y_hat, z_hat


@functools.partial(jax.jit, static_argnums=0)
def _synthesis(config: ModelConfig, params: Any, y_hat: jax.Array, gray: bool) -> jax.Array:
    # `gray` is traced: one program a size for both
    x_hat = apply(config, params, y_hat[None].astype(jnp.float32), method=Model.synthesis)[0]
    x_hat = jnp.where(gray, x_hat.mean(axis=-1, keepdims=True), x_hat)
    return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)
