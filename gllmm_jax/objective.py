"""L = R + lmbda * D, the same in training and wherever latents are chosen.

Bits per pixel; D is the MSE on the 0..255 scale, or 1 - MS-SSIM.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gllmm_jax.config import Distortion
from gllmm_jax.metrics import ms_ssim


class Terms(NamedTuple):
    """Scalars of one batch: `loss`, rates `bpp_y` and `bpp_z` in bits per pixel, distortion `mse` on 0..255."""

    loss: jax.Array
    bpp_y: jax.Array
    bpp_z: jax.Array
    mse: jax.Array


def mean_squared_error(x: jax.Array, x_hat: jax.Array) -> jax.Array:
    """Mean over everything of the squared difference of images in [0, 1], on the 0..255 scale."""
    return jnp.mean(jnp.square((x - x_hat) * 255.0))


def rate_distortion(
    x: jax.Array,
    x_hat: jax.Array,
    bits_y: jax.Array,
    bits_z: jax.Array,
    *,
    lmbda: float,
    distortion: Distortion = "mse",
) -> Terms:
    """R + lmbda * D of images `x`, decoded as `x_hat` (both [B, H, W, 3] in [0, 1]), at rates `bits_y`, `bits_z` [B].

    Rates are in bits per image, as `Model.__call__` gives them. Gradients flow through all four. The terms hold the MSE
    whatever the `distortion`.

    Source: GLLMM, section on training.
    """
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    bpp_y, bpp_z = jnp.sum(bits_y) / pixels, jnp.sum(bits_z) / pixels
    mse = mean_squared_error(x, x_hat)
    d = mse if distortion == "mse" else 1.0 - jnp.mean(ms_ssim(x, x_hat))
    return Terms(bpp_y + bpp_z + lmbda * d, bpp_y, bpp_z, mse)
