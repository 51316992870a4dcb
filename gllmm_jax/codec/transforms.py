"""The float programs of the codec: pixels to latents and back. One is compiled for every size up to a window's.

Larger pictures go through in windows of one size (`windows`), so memory is a window's and the picture's own.
"""

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.reach import reach
from gllmm_jax.order.windows import HYPER_REACH, HYPER_SIDE, Slices, scaled, windows
from gllmm_jax.progress import Tick, silent

SIDE = 128
"""Latents on a side that go through g_a or g_s at once: 2,048 pixels."""

_WIDEST = 2**20  # far beyond any latent; integers hold it, which is not so of any float


def analyse(config: ModelConfig, params: Any, image: np.ndarray, tick: Tick = silent) -> tuple[np.ndarray, np.ndarray]:
    """`Codec.analyse` before clamping, for parameters that have no integer twin yet."""
    return quantise(config, params, ungained(config, params, image, tick))


def ungained(config: ModelConfig, params: Any, image: np.ndarray, tick: Tick = silent) -> np.ndarray:
    """g_a: uint8 [height, width, 3 or 1] -> y float32 [h, w, M], the same at every quality.

    The picture is continued at the bottom and right with its last row and column, to whole latents.
    """
    h, w = (-(-side // config.stride) for side in image.shape[:2])
    parts = windows((h, w), SIDE, reach(config))
    y = np.empty((h, w, config.latents), np.float32)
    tick(0, len(parts))
    for done, (where, kept, to) in enumerate(parts, 1):
        y[to] = np.asarray(_ungained(config, params, continued(image, scaled(where, config.stride))))[kept]
        tick(done, len(parts))
    return y


def quantise(config: ModelConfig, params: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y of `ungained` -> y_hat int32 [h, w, M] and z_hat int32 at the quality of the parameters.

    y is continued at the bottom and right with its last row and column, to whole hyper-latents.
    """
    hyper = -(-y.shape[0] // HYPER_STRIDE), -(-y.shape[1] // HYPER_STRIDE)
    y_hat, z_hat = np.empty(y.shape, np.int32), np.empty((*hyper, config.hyper), np.int32)
    for where, kept, to in windows(hyper, HYPER_SIDE, HYPER_REACH):
        found = jax.device_get(_quantised(config, params, continued(y, scaled(where, HYPER_STRIDE))))
        inside = y_hat[scaled(to, HYPER_STRIDE)]
        inside[:] = found[0][scaled(kept, HYPER_STRIDE)][: inside.shape[0], : inside.shape[1]]
        if config.has_hyperprior:
            z_hat[to] = found[1][kept]
    return y_hat, z_hat if config.has_hyperprior else np.zeros((0, 0, 0), np.int32)


def synthesise(config: ModelConfig, params: Any, y_hat: np.ndarray, gray: bool, tick: Tick = silent) -> np.ndarray:
    """int32 [h, w, M] -> uint8 [S h, S w, 3], S the stride; of equal planes for `gray`."""
    size = y_hat.shape[:2]
    parts = windows((size[0], size[1]), SIDE, reach(config))
    pixels = np.empty((config.stride * size[0], config.stride * size[1], 3), np.uint8)
    tick(0, len(parts))
    for done, (where, kept, to) in enumerate(parts, 1):
        found = np.asarray(_synthesis(config, params, y_hat[where], gray))
        pixels[scaled(to, config.stride)] = found[scaled(kept, config.stride)]
        tick(done, len(parts))
    return pixels


def synthesise_many(config: ModelConfig, params: Any, y_hat: np.ndarray, gray: np.ndarray) -> np.ndarray:
    """`synthesise` of small pictures of one size, in one program: int32 [B, h, w, M] and bool [B]."""
    return np.asarray(_synthesis_of_many(config, params, y_hat, gray))


def compile_synthesis(config: ModelConfig, params: Any, shape: tuple[int, int, int]) -> None:
    """Have `synthesise` ready for latents of this shape. Whatever is wrong is left for itself to find."""
    window = jax.ShapeDtypeStruct((min(SIDE, shape[0]), min(SIDE, shape[1]), shape[2]), jnp.int32)
    with contextlib.suppress(Exception):
        _synthesis.lower(config, params, window, False).compile()


def float_bits(config: ModelConfig, params: Any, y_hat: np.ndarray, z_hat: np.ndarray) -> float:
    """The float model's information content of y_hat [h, w, M] and z_hat, in bits."""
    if not config.has_hyperprior:
        return float(_progressive_bits(config, params, y_hat))
    total = 0.0
    for where, kept, _ in windows((z_hat.shape[0], z_hat.shape[1]), HYPER_SIDE, HYPER_REACH):
        bits_y, bits_z = jax.device_get(_bits(config, params, y_hat[scaled(where, HYPER_STRIDE)], z_hat[where]))
        total += bits_y[scaled(kept, HYPER_STRIDE)].sum(dtype=np.float64) + bits_z[kept].sum(dtype=np.float64)
    return total


def continued(plane: np.ndarray, where: Slices) -> np.ndarray:
    """That part of a plane [h, w, C], which goes on for ever with its last row and column."""
    part = plane[where]
    edges = [(0, s.stop - s.start - n) for s, n in zip(where, part.shape[:2], strict=True)]
    return np.pad(part, (*edges, (0, 0)), mode="edge") if np.any(edges) else part


@functools.partial(jax.jit, static_argnums=0)
def _bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Bits of each position of y_hat [h, w, M] and of z_hat, the channels summed."""
    arguments = (y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32))
    bits_y, bits_z = apply(config, params, *arguments, method=Model.element_bits)
    return bits_y[0].sum(-1), bits_z[0].sum(-1)


@functools.partial(jax.jit, static_argnums=0)
def _progressive_bits(config: ModelConfig, params: Any, y_hat: jax.Array) -> jax.Array:
    """Bits of all of y_hat [h, w, M]."""
    bits = apply(config, params, y_hat[None].astype(jnp.float32), None, method=Model.bits)
    return bits[0][0] + bits[1][0]


@functools.partial(jax.jit, static_argnums=0)
def _ungained(config: ModelConfig, params: Any, pixels: jax.Array) -> jax.Array:
    """uint8 [S h, S w, 3 or 1] -> y float32 [h, w, M], S the stride."""
    x = jnp.broadcast_to(pixels[None], (1, *pixels.shape[:2], 3)).astype(jnp.float32) / 255
    return apply(config, params, x, method=Model.ungained)[0]


@functools.partial(jax.jit, static_argnums=0)
def _quantised(config: ModelConfig, params: Any, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """y [4h, 4w, M] -> y_hat and z_hat [h, w, N], int32, not clamped."""
    y = apply(config, params, y[None], method=Model.gained)
    z = apply(config, params, y, method=Model.hyper_analysis)
    y_hat, z_hat = (jnp.clip(jnp.round(a[0]), -_WIDEST, _WIDEST).astype(jnp.int32) for a in (y, z))
    return y_hat, z_hat


@functools.partial(jax.jit, static_argnums=0)
def _synthesis(config: ModelConfig, params: Any, y_hat: jax.Array, gray: bool) -> jax.Array:
    # `gray` is traced: one program a size for both
    x_hat = apply(config, params, y_hat[None].astype(jnp.float32), method=Model.synthesis)[0]
    x_hat = jnp.where(gray, x_hat.mean(axis=-1, keepdims=True), x_hat)
    return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)


@functools.partial(jax.jit, static_argnums=0)
def _synthesis_of_many(config: ModelConfig, params: Any, y_hat: jax.Array, gray: jax.Array) -> jax.Array:
    return jax.vmap(_synthesis, (None, None, 0, 0))(config, params, y_hat, gray)
