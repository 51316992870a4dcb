"""The hyper networks of the earlier designs (`config.design`), and the choice of the networks of a config.

M channels of latents y, N of hyper-latents z, F of phi.

CompressAI rounds z about a median m of each channel: round(z - m) + m. So does TensorFlow-Compression, and with it the
authors of GLLMM (`config.medians`). Here z_hat is the whole number round(z - m).
Both are the same model: the last bias of h_a subtracts m, the density of the prior is moved by m, and `Offset` adds m
before h_s. The bias of h_s's first convolution cannot add m, since this convolution sees zeros beyond the edges. In a
model without z the same holds for y, g_a and g_s.

Source: Balle et al. 2018, Minnen et al. 2018, Cheng et al. 2020, He et al. 2022, all as in CompressAI.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gllmm_jax.config import SLOPES, ModelConfig
from gllmm_jax.layers.primitive import Layer, conv, depth_to_space, leaky_relu, up_conv
from gllmm_jax.nn.entropy import HyperAnalysis, HyperSynthesis, Offset


class StridedHyperAnalysis(Layer):
    """h_a: y [..., h, w, M], or |y| if `absolute` -> z [..., h/4, w/4, N]; h and w are multiples of 4."""

    hyper: int  # N
    slope: float
    absolute: bool

    @nn.compact
    def __call__(self, y: Float[Array, "*batch h w M"]) -> Float[Array, "*batch (h+3)//4 (w+3)//4 {self.hyper}"]:
        to = functools.partial(conv, self.hyper, variance=1.0, **self.dtypes)
        x = leaky_relu(to(name="conv0")(jnp.abs(y) if self.absolute else y), self.slope)
        x = leaky_relu(to(kernel=5, stride=2, name="conv1")(x), self.slope)
        return to(kernel=5, stride=2, name="conv2")(x)


class TransposedHyperSynthesis(Layer):
    """h_s: z_hat [..., h, w, N] -> phi [..., 4h, 4w, F]. Two 5x5 up-convolutions, to the `widths`."""

    widths: tuple[int, int]
    features: int  # F
    slope: float

    @nn.compact
    def __call__(self, z_hat: Float[Array, "*batch h w N"]) -> Float[Array, "*batch 4*h 4*w {self.features}"]:
        x = Offset(name="offset")(z_hat)
        for i, width in enumerate(self.widths):
            x = leaky_relu(up_conv(width, 5, name=f"up{i}", **self.dtypes)(x), self.slope)
        return conv(self.features, variance=1.0, name="conv2", **self.dtypes)(x)


class SubpixelHyperSynthesis(Layer):
    """h_s: z_hat [..., h, w, N] -> phi [..., 4h, 4w, F]. 3x3 kernels; depth to space doubles the resolution twice."""

    hyper: int  # N
    features: int  # F
    slope: float

    @nn.compact
    def __call__(self, z_hat: Float[Array, "*batch h w N"]) -> Float[Array, "*batch 4*h 4*w {self.features}"]:
        n, wide, to = self.hyper, self.hyper * 3 // 2, functools.partial(conv, variance=1.0, **self.dtypes)
        x = leaky_relu(to(n, name="conv0")(Offset(name="offset")(z_hat)), self.slope)
        x = leaky_relu(depth_to_space(to(4 * n, name="sub1")(x)), self.slope)
        x = leaky_relu(to(wide, name="conv2")(x), self.slope)
        x = leaky_relu(depth_to_space(to(4 * wide, name="sub3")(x)), self.slope)
        return to(self.features, name="conv4")(x)


def hyper_networks(c: ModelConfig) -> tuple[nn.Module, nn.Module]:
    """h_a and h_s of a config that has them."""
    n, m, f, slope = c.hyper, c.latents, c.context_features, SLOPES[c.design]
    if c.design == "gllmm":
        return HyperAnalysis(n, rate=c.rate), HyperSynthesis(n, f, offset=c.has_offset)
    if c.design == "cheng":
        return HyperAnalysis(n, slope=slope), SubpixelHyperSynthesis(n, f, slope)
    widths = {"balle": (n, n), "elic": (n, n * 3 // 2)}.get(c.design, (m, m * 3 // 2))
    return StridedHyperAnalysis(n, slope, c.design == "balle"), TransposedHyperSynthesis(widths, f, slope)


def without_means(phi: Float[Array, "*batch F"], latents: int) -> Float[Array, "*batch 2*{latents}"]:
    """phi of a `direct` model, which ends with M scales -> raw mixture numbers [..., 2M]: zero means, then the scales.

    The means are zero because a scale hyperprior has none, and a `centred` model codes y less its means.
    """
    scales = phi[..., -latents:]
    return jnp.concatenate([jnp.zeros_like(scales), scales], axis=-1)
