"""The transforms of the paper, layer by layer. Source: GLLMM, figure 2, and the authors' code."""

import flax.linen as nn
import jax

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.blocks import Attention, Down, Up, residual
from gllmm_jax.nn.layers import conv, depth_to_space


class PaperAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n, c = self.config.widths[0], self.config
        x = Down(n)(x)
        x = Down(n)(residual(c.block)(x))
        x = Attention()(x) if c.attention else x
        x = Down(n)(residual(c.block)(x))
        x = conv(c.latents, stride=2, bias=False)(residual(c.block)(x))
        return Attention()(x) if c.attention else x


class PaperSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: jax.Array) -> jax.Array:
        c = self.config
        x = Attention()(y_hat) if c.attention else y_hat
        x = Up()(residual(c.block)(x))
        x = Up()(residual(c.block)(x))
        x = Attention()(x) if c.attention else x
        x = Up()(residual(c.block)(x))
        return depth_to_space(conv(12)(residual(c.block)(x)))
