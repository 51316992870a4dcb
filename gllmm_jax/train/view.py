"""A model's reconstruction and rate map of one picture, to look at."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import Model, apply


def make_view(model: ModelConfig) -> Callable[[Any, jax.Array], tuple[jax.Array, jax.Array]]:
    """(params, image) -> (reconstruction, rate map), compiled, as the codec would see them.

    Image and reconstruction are uint8 [H, W, 3], with sides that are multiples of 64. The rate map is float32
    [H/S, W/S] with S the stride: bits of y per pixel.
    """

    def view(params: Any, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = apply(model, params, image[None].astype(jnp.float32) / 255.0, method=Model.analysis)
        z_hat = jnp.round(apply(model, params, y, method=Model.hyper_analysis))
        means = apply(model, params, z_hat, method=Model.means) if model.centred else 0.0
        y_hat = jnp.round(y - means)
        bits, _ = apply(model, params, y_hat, z_hat, method=Model.element_bits)
        x_hat = jnp.clip(apply(model, params, y_hat + means, method=Model.synthesis)[0], 0.0, 1.0)
        return jnp.round(255.0 * x_hat).astype(jnp.uint8), bits[0].sum(-1) / model.stride**2

    return jax.jit(view)
