"""The light transforms: the paper's ideas for a laptop, width growing as resolution falls. Ours.

A linear transform of 16x16 blocks runs beside the network in g_a and in g_s. Its kernels can start from the KLT of
photographs; the network's last layers start at zero. So the codec already works at step 0, and the network learns what
a linear block transform cannot do. In g_s the network also sees the linear picture, to mend the edges of its blocks:

    g_a:  x -- 4x4 planes -- conv, block -- /2 -- blocks -- /2 -- blocks -- conv --(+)-- y
           \\------------------- 16x16 planes -- linear ------------------------/
    g_s:  y -- conv, blocks -- x2 -- blocks -- x2 --(+)-- block -- conv --(+)-- x_hat
           \\-- linear -- 16x16 planes to 4x4 planes --\\-- conv --/        /
                                                       \\------------------/
Every resolution change is a space-to-depth or its inverse with a 1x1 product: XLA trains those several times faster
on a CPU than strided kernels.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gllmm_jax.config import STRIDES, ModelConfig
from gllmm_jax.layers.blocks import LeakyResidual, residual
from gllmm_jax.layers.primitive import GDN, conv, depth_to_space, in_rank_of, leaky_relu, space_to_depth
from gllmm_jax.nn.quality import Level
from gllmm_jax.prob.mixture import at_least_single

STRIDE = STRIDES["light"]

FINE = 4
"""Side of the pixel blocks whose planes the network reads and writes."""

BLOCK_VALUES = 3 * STRIDE**2
"""Numbers in one 16x16 RGB block."""


LATENT_SCALE = 1 / 8
"""Factor of latents before the network of g_s: latents may be tens, and inverse GDN suits numbers around one."""


class Linear(nn.Module):
    """x @ (kernel / sqrt(768)) * exp(log_gain) + bias over the last axis, in float32 at least.

    In this form the kernel of an orthonormal transform has entries around one, and gains are logarithms. So Adam's
    steps, which all have about one size, suit both. With a `scale` the outputs are means (`_means`).
    """

    features: int
    gain_on_input: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch C"], scale: int = 1) -> Float[Array, "*batch F"]:
        kernel = self.param("kernel", nn.initializers.normal(1.0), (x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        channels = x.shape[-1] if self.gain_on_input else self.features
        log_gain = self.param("log_gain", nn.initializers.zeros_init(), (channels,), jnp.float32)
        # latents are rounded, and pixels shown, from this sum
        x, kernel, bias, log_gain = map(at_least_single, (x, kernel, bias, log_gain))
        if scale > 1:
            kernel, bias = _means(kernel, scale), _means(bias, scale)
        gain, bias = (in_rank_of(x, row) for row in (jnp.exp(log_gain), bias))
        product = jnp.matmul(x * gain if self.gain_on_input else x, kernel / BLOCK_VALUES**0.5, precision="highest")
        return product + bias if self.gain_on_input else product * gain + bias


def _means(blocks: Float[Array, "*batch 768"], scale: int) -> Float[Array, "*batch n"]:
    """Numbers of 16x16 RGB blocks -> means over each `scale` x `scale` pixels of a block."""
    side = STRIDE // scale
    return (
        blocks.reshape(*blocks.shape[:-1], side, scale, side, scale, 3).mean((-4, -2)).reshape(*blocks.shape[:-1], -1)
    )


class LightAnalysis(nn.Module):
    """g_a: x [B, H, W, 3] in [0, 1], H and W multiples of 16 -> y [B, H/16, W/16, M].

    Nothing in it depends on the quality, so a search for a quality runs it once.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W 3"]) -> Float[Array, "*batch H//16 W//16 {self.config.latents}"]:
        c, (fine, middle, coarse) = self.config, self.config.analysis_widths or self.config.widths
        x = x - 0.5
        linear = Linear(c.latents, name="linear")(space_to_depth(x, STRIDE))
        h = leaky_relu(conv(fine, name="first")(space_to_depth(x, FINE)))
        h = LeakyResidual(name="block0")(h)
        h = GDN(name="gdn0")(conv(middle, 1, name="down0")(space_to_depth(h)))
        h = self._blocks("block1", h)
        h = GDN(name="gdn1")(conv(coarse, 1, name="down1")(space_to_depth(h)))
        h = self._blocks("block2", h)
        return linear + at_least_single(conv(c.latents, variance=0.0, name="last")(h))

    def _blocks(self, name: str, h: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        for i in range(self.config.analysis_depth):
            h = residual(self.config.block, name=f"{name}_{i}" if i else name)(h)
        return h


class LightSynthesis(nn.Module):
    """g_s: y_hat [B, h, w, M] -> x_hat [B, 16h, 16w, 3], not clipped.

    With a `scale` of 2, 4, 8 or 16 it gives the linear picture alone, with the mean of `scale` x `scale` pixels as one
    pixel: [B, 16h/scale, 16w/scale, 3].
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self, y_hat: Float[Array, "*batch h w {self.config.latents}"], scale: int = 1
    ) -> Float[Array, "*batch 16*h//{scale} 16*w//{scale} 3"]:
        c, (fine, middle, coarse) = self.config, self.config.widths
        blocks = Linear(BLOCK_VALUES, gain_on_input=True, name="linear")(y_hat, scale)
        if scale > 1:
            return depth_to_space(blocks, STRIDE // scale) + 0.5
        picture = space_to_depth(depth_to_space(blocks, STRIDE), FINE)
        h = Level(c.rate, name="level0")(conv(coarse, name="first")(y_hat * LATENT_SCALE))
        h = residual(c.block, name="block0")(h)
        h = GDN(inverse=True, name="igdn0")(depth_to_space(conv(4 * middle, 1, name="up0")(h)))
        h = residual(c.block, name="block1")(Level(c.rate, name="level1")(h))
        h = GDN(inverse=True, name="igdn1")(depth_to_space(conv(4 * fine, 1, name="up1")(h)))
        h = Level(c.rate, name="level2")(h + conv(fine, name="from_picture")(picture))
        h = LeakyResidual(name="block2")(leaky_relu(h))
        mended = at_least_single(conv(picture.shape[-1], variance=0.0, name="last")(h))
        return depth_to_space(picture + mended, FINE) + 0.5
