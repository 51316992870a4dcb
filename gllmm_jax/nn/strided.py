"""Transforms of 5x5 convolutions that halve or double the resolution: those of 2018 and those of ELIC.

In 2018 a GDN follows each convolution but the last. In ELIC three bottleneck units follow it, and there is attention.

Source: Balle et al. 2018 ("Variational image compression with a scale hyperprior"), He et al. 2022 ("ELIC"), figure 3;
both as in CompressAI.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from gllmm_jax.config import ModelConfig
from gllmm_jax.layers.blocks import Attention, Bottleneck
from gllmm_jax.layers.primitive import GDN, conv, up_conv
from gllmm_jax.nn.entropy import Offset


class BalleAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W 3"]) -> Float[Array, "*batch H//16 W//16 {self.config.latents}"]:
        for i in range(3):
            x = GDN(name=f"gdn{i}")(conv(self.config.widths[0], 5, stride=2, name=f"down{i}")(x))
        return conv(self.config.latents, 5, stride=2, name="last")(x)


class BalleSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped.

    In a model without z the prior codes y_hat. There the offset of CompressAI's medians is added first (`nn.hyper`).
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w {self.config.latents}"]) -> Float[Array, "*batch 16*h 16*w 3"]:
        coded = self.config.design != "gllmm" and self.config.entropy_model == "factorized"
        x = Offset(name="offset")(y_hat) if coded else y_hat
        for i in range(3):
            x = GDN(inverse=True, name=f"igdn{i}")(up_conv(self.config.widths[0], 5, name=f"up{i}")(x))
        return up_conv(3, 5, name="last")(x)


class ElicAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W 3"]) -> Float[Array, "*batch H//16 W//16 {self.config.latents}"]:
        c = self.config
        for i in range(3):
            x = conv(c.widths[0], 5, stride=2, name=f"down{i}")(x)
            for j in range(3):
                x = Bottleneck(name=f"block{i}{j}")(x)
            x = Attention(last=True, name="attention0")(x) if c.attention and i == 1 else x
        x = conv(c.latents, 5, stride=2, name="last")(x)
        return Attention(last=True, name="attention1")(x) if c.attention else x


class ElicSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w {self.config.latents}"]) -> Float[Array, "*batch 16*h 16*w 3"]:
        c = self.config
        x = Attention(last=True, name="attention0")(y_hat) if c.attention else y_hat
        for i in range(3):
            x = up_conv(c.widths[0], 5, name=f"up{i}")(x)
            x = Attention(last=True, name="attention1")(x) if c.attention and i == 1 else x
            for j in range(3):
                x = Bottleneck(name=f"block{i}{j}")(x)
        return up_conv(3, 5, name="last")(x)
