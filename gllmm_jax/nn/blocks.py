"""Blocks of the transforms: residual blocks and their concatenation, attention, and changes of resolution.

Shapes are [B, h, w, C] in and out unless said. Source: GLLMM, figure 3, and the authors' code.
"""

import flax.linen as nn
import jax

from gllmm_jax.config import Block
from gllmm_jax.nn.layers import GDN, conv, depth_to_space, leaky_relu


class PlainResidual(nn.Module):
    """x + conv(relu(conv(x))), figure 3a (the caption only was available: reconstruction)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = x.shape[-1]
        return x + conv(c)(nn.relu(conv(c)(x)))


class LeakyResidual(nn.Module):
    """x + f(x), f = conv, leaky ReLU, conv, leaky ReLU: figure 3b, the block of Cheng et al. 2020."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = x.shape[-1]
        return x + leaky_relu(conv(c)(leaky_relu(conv(c)(x))))


class ConcatenatedResidual(nn.Module):
    """Concatenated residual module: `stages` leaky residual blocks in a row and one more shortcut around them all.

    Two stages are figure 3c and the authors' code; three are figure 3d (reconstruction).
    """

    stages: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        r = x
        for _ in range(self.stages):
            r = LeakyResidual()(r)
        return x + r


def residual(block: Block) -> nn.Module:
    """The residual block a config names."""
    if block in ("crm2", "crm3"):
        return ConcatenatedResidual(stages=2 if block == "crm2" else 3)
    return LeakyResidual() if block == "leaky" else PlainResidual()


class Bottleneck(nn.Module):
    """The residual unit of the attention block: 1x1 to half the width, 3x3, 1x1 back, plain ReLU between."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = x.shape[-1]
        r = nn.relu(conv(c // 2, 1)(x))
        r = nn.relu(conv(c // 2, 3)(r))
        return x + conv(c, 1)(r)


class Attention(nn.Module):
    """x + sigmoid(mask(x)) * trunk(x), both branches three bottleneck units.

    Source: Cheng et al. 2020, whose name for it is simplified attention; nothing in it is non-local.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        mask, trunk = x, x
        for _ in range(3):
            mask = Bottleneck()(mask)
        for _ in range(3):
            trunk = Bottleneck()(trunk)
        return x + nn.sigmoid(conv(x.shape[-1], 1)(mask)) * trunk


class Down(nn.Module):
    """[B, h, w, C] -> [B, h/2, w/2, features]: strided 3x3, leaky ReLU, 3x3, GDN, beside a strided 1x1."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        main = GDN()(conv(self.features)(leaky_relu(conv(self.features, stride=2)(x))))
        return main + conv(self.features, 1, stride=2)(x)


class Up(nn.Module):
    """[B, h, w, C] -> [B, 2h, 2w, C]: sub-pixel 3x3, leaky ReLU, 3x3, inverse GDN, beside a sub-pixel 1x1."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = x.shape[-1]
        main = leaky_relu(depth_to_space(conv(4 * c)(x)))
        return GDN(inverse=True)(conv(c)(main)) + depth_to_space(conv(4 * c, 1)(x))
