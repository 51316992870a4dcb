"""The transforms of the GLLMM paper. Those of Cheng et al. 2020 are the same layers with other `MANNERS`.

Source: GLLMM, figure 2, and the authors' code; `cheng` as in CompressAI.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float

from gllmm_jax.config import ModelConfig
from gllmm_jax.layers.blocks import Attention, Down, Up, residual
from gllmm_jax.layers.primitive import LEAK, conv, depth_to_space


class Manner(NamedTuple):
    """What differs between the two papers' transforms."""

    slope: float = LEAK  # of leaky ReLUs
    bias: bool = False  # whether the last convolution of g_a has one
    relu: bool = False  # whether one follows each sum in attention's residual units
    skip: int = 1  # side of the kernel beside an upsampling block


MANNERS = {"paper": Manner(), "cheng": Manner(slope=0.01, bias=True, relu=True, skip=3)}
"""By `ModelConfig.transform`."""


class PaperAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W 3"]) -> Float[Array, "*batch H//16 W//16 {self.config.latents}"]:
        n, c, manner = self.config.widths[0], self.config, MANNERS[self.config.transform]
        slope, attention = manner.slope, functools.partial(Attention, last=manner.relu)
        x = Down(n, slope=slope, name="down0")(x)
        x = Down(n, slope=slope, name="down1")(residual(c.block, slope, name="block0")(x))
        x = attention(name="attention0")(x) if c.attention else x
        x = Down(n, slope=slope, name="down2")(residual(c.block, slope, name="block1")(x))
        x = residual(c.block, slope, name="block2")(x)
        x = conv(c.latents, stride=2, bias=manner.bias, name="last")(x)
        return attention(name="attention1")(x) if c.attention else x


class PaperSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w {self.config.latents}"]) -> Float[Array, "*batch 16*h 16*w 3"]:
        c, manner = self.config, MANNERS[self.config.transform]
        block = functools.partial(residual, c.block, manner.slope)
        attention = functools.partial(Attention, last=manner.relu)
        up = functools.partial(Up, slope=manner.slope, skip=manner.skip)
        x = attention(name="attention0")(y_hat) if c.attention else y_hat
        x = up(name="up0")(block(name="block0")(x))
        x = up(name="up1")(block(name="block1")(x))
        x = attention(name="attention1")(x) if c.attention else x
        x = up(name="up2")(block(name="block2")(x))
        return depth_to_space(conv(12, name="last")(block(name="block3")(x)))
