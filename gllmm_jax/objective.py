"""The loss L = R + lmbda * D of training and of searches for latents.

R is in bits per pixel. D is the MSE on the 0..255 scale, or 1 - MS-SSIM. It serves any model:

    >>> import jax.numpy as jnp
    >>> from gllmm_jax.objective import rate_distortion
    >>> x, bits_y, bits_z = jnp.zeros((1, 64, 64, 3)), jnp.array([2048.0]), jnp.array([0.0])
    >>> terms = rate_distortion(x, x + 2 / 255, bits_y, bits_z, lmbda=0.01)
    >>> print(f"{terms.bpp_y:.2f} bits per pixel, MSE {terms.mse:.2f}, loss {terms.loss:.2f}")
    0.50 bits per pixel, MSE 4.00, loss 0.54
"""

from typing import NamedTuple, get_args

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from gllmm_jax.config import Distortion, VariableRate
from gllmm_jax.metrics import ms_ssim


class Terms(NamedTuple):
    """Means over the images of a batch: loss, rates in bits per pixel, and MSE on the 0..255 scale."""

    loss: Float[Array, ""]
    bpp_y: Float[Array, ""]
    bpp_z: Float[Array, ""]
    mse: Float[Array, ""]


def mean_squared_error(x: Float[Array, "*batch H W C"], x_hat: Float[Array, "*batch H W C"]) -> Float[Array, "*batch"]:
    """Mean squared difference of each image in [0, 1], on the 0..255 scale."""
    return jnp.mean(jnp.square((x - x_hat) * 255.0), axis=(-3, -2, -1))


def rate_distortion(
    x: Float[Array, "B H W 3"],
    x_hat: Float[Array, "B H W 3"],
    bits_y: Float[Array, "B"],
    bits_z: Float[Array, "B"],
    *,
    lmbda: Real[ArrayLike, ""] | Real[ArrayLike, "B"],
    weight: Real[ArrayLike, ""] | Real[ArrayLike, "B"] = 1.0,
    distortion: Distortion = "mse",
) -> Terms:
    """R + lmbda * D of images `x` in [0, 1], which are decoded as `x_hat`.

    `bits_y` and `bits_z` are rates in bits per image, as of `Model.__call__`. `lmbda` is one number, or one for each
    image. `weight` too is one number or one for each image; it multiplies the image's loss. Gradients flow through all
    four arrays. The terms hold the MSE with every `distortion`. Raises `ValueError` if there is no such distortion.

    Source: GLLMM, section on training.
    """
    if distortion not in get_args(Distortion):
        raise ValueError(f"there is no distortion '{distortion}': choose {' or '.join(get_args(Distortion))}")
    pixels = x.shape[1] * x.shape[2]
    bpp_y, bpp_z = bits_y / pixels, bits_z / pixels
    mse = mean_squared_error(x, x_hat)
    d = mse if distortion == "mse" else 1.0 - ms_ssim(x, x_hat)
    return Terms(*map(jnp.mean, (weight * (bpp_y + bpp_z + lmbda * d), bpp_y, bpp_z, mse)))


def balance(rate: VariableRate, quality: Real[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Weights with which the losses of all qualities have about one size: 1 / sqrt(lambda), and one in the middle.

    R + lambda * D itself grows with about the square root of lambda. Without weights the highest qualities would
    dominate the gradient.
    """
    return jnp.sqrt(rate.middle / rate.lmbda(quality))
