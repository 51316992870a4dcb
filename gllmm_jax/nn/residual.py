"""The transforms of the progressive model's paper: residual blocks with PReLU, 8 pixels a latent, no GDN.

The sections of Zhang et al. 2022 on the transforms could not be obtained. So this is a reconstruction. Source: Nokia's
later code of the same model, in MPEG's reference software for video coding for machines.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from gllmm_jax.config import ModelConfig
from gllmm_jax.layers.primitive import conv, depth_to_space, shortcut


class Residual(nn.Module):
    """f(x) + shortcut, f = conv, PReLU, conv, PReLU; `stride` 2 halves the resolution, `up` doubles it.

    The shortcut is x itself, or a convolution where resolution or width change.
    """

    features: int
    stride: int = 1
    up: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch H W {self.features}"]:
        resized = self.stride > 1 or self.up or x.shape[-1] != self.features
        past = self._resized(x, "shortcut") if resized else x
        x = nn.PReLU(name="prelu0")(self._resized(x, "conv0"))
        return shortcut(past, nn.PReLU(name="prelu1")(conv(self.features, name="conv1")(x)))

    def _resized(self, x: Float[Array, "*batch h w C"], name: str) -> Float[Array, "*batch H W {self.features}"]:
        if self.up:
            return depth_to_space(conv(4 * self.features, name=name)(x))
        return conv(self.features, stride=self.stride, name=name)(x)


class ResidualAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 8 -> y [B, H/8, W/8, M]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W 3"]) -> Float[Array, "*batch H//8 W//8 {self.config.latents}"]:
        c, (n,) = self.config, self.config.widths
        x = Residual(n, stride=2, name="down0")(2 * x - 1)
        x = Residual(n, name="block0")(x)
        x = Residual(n, stride=2, name="down1")(x)
        x = Residual(n, name="block1")(x)
        return conv(c.latents, stride=2, name="last")(x)


class ResidualSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 8h, 8w, 3], not clipped."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w {self.config.latents}"]) -> Float[Array, "*batch 8*h 8*w 3"]:
        (n,) = self.config.widths
        x = Residual(n, name="block0")(y_hat)
        x = Residual(n, up=True, name="up0")(x)
        x = Residual(n, name="block1")(x)
        x = Residual(n, up=True, name="up1")(x)
        x = Residual(n, name="block2")(x)
        return (depth_to_space(conv(12, name="last")(x)) + 1) / 2
