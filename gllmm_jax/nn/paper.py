"""The transforms of the paper, layer by layer. Source: GLLMM, figure 2, and the authors' code."""

import flax.linen as nn
import jax

from gllmm_jax.config import ModelConfig
from gllmm_jax.layers.blocks import Attention, Down, Up, residual
from gllmm_jax.layers.primitive import conv, depth_to_space


class PaperAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n, c = self.config.widths[0], self.config
        x = Down(n, name="down0")(x)
        x = Down(n, name="down1")(residual(c.block, name="block0")(x))
        x = Attention(name="attention0")(x) if c.attention else x
        x = Down(n, name="down2")(residual(c.block, name="block1")(x))
        x = conv(c.latents, stride=2, bias=False, name="last")(residual(c.block, name="block2")(x))
        return Attention(name="attention1")(x) if c.attention else x


class PaperSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: jax.Array) -> jax.Array:
        c = self.config
        x = Attention(name="attention0")(y_hat) if c.attention else y_hat
        x = Up(name="up0")(residual(c.block, name="block0")(x))
        x = Up(name="up1")(residual(c.block, name="block1")(x))
        x = Attention(name="attention1")(x) if c.attention else x
        x = Up(name="up2")(residual(c.block, name="block2")(x))
        return depth_to_space(conv(12, name="last")(residual(c.block, name="block3")(x)))
