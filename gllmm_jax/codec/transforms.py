"""The float programs of the codec: pixels to latents and back. One is compiled for every size."""

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, STRIDE, ModelConfig
from gllmm_jax.nn.model import Model, apply

_WIDEST = 2**20  # far beyond any latent; integers hold it, which is not so of any float


def analyse(config: ModelConfig, params: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Codec.analyse` before clamping, for parameters that have no integer twin yet.

    The picture is continued at the bottom and right with its last row and column, to whole latents.
    """
    bottom, right = (-side % STRIDE for side in image.shape[:2])
    padded = np.pad(np.broadcast_to(image, (*image.shape[:2], 3)), ((0, bottom), (0, right), (0, 0)), mode="edge")
    y_hat, z_hat = jax.device_get(_analyse(config, params, padded))
    return y_hat, z_hat


@functools.partial(jax.jit, static_argnums=0)
def _analyse(config: ModelConfig, params: Any, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = apply(config, params, pixels[None].astype(jnp.float32) / 255, method=Model.analysis)
    edges = [(0, -side % HYPER_STRIDE) for side in y.shape[1:3]]
    z = apply(config, params, jnp.pad(y, ((0, 0), *edges, (0, 0)), mode="edge"), method=Model.hyper_analysis)
    y_hat, z_hat = (jnp.clip(jnp.round(a[0]), -_WIDEST, _WIDEST).astype(jnp.int32) for a in (y, z))
    return y_hat, z_hat


@functools.partial(jax.jit, static_argnums=0)
def float_bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> jax.Array:
    """The float model's information content of y_hat [h, w, M] and z_hat, in bits."""
    arguments = (y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32))
    bits_y, bits_z = apply(config, params, *arguments, method=Model.bits)
    return bits_y[0] + bits_z[0]


@functools.partial(jax.jit, static_argnums=0)
def synthesise(config: ModelConfig, params: Any, y_hat: jax.Array, gray: bool) -> jax.Array:
    """int32 [h, w, M] -> uint8 [16h, 16w, 3], or [16h, 16w, 3] of equal planes for `gray`."""
    # `gray` is traced: one program a size for both
    x_hat = apply(config, params, y_hat[None].astype(jnp.float32), method=Model.synthesis)[0]
    x_hat = jnp.where(gray, x_hat.mean(axis=-1, keepdims=True), x_hat)
    return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)


def compile_synthesis(config: ModelConfig, params: Any, shape: tuple[int, int, int]) -> None:
    """Have `synthesise` ready for latents of this shape. Whatever is wrong is left for itself to find."""
    with contextlib.suppress(Exception):
        synthesise.lower(config, params, jax.ShapeDtypeStruct(shape, jnp.int32), False).compile()
