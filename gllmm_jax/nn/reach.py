"""How far networks see: what windows of a large picture have to overlap by."""

import math

from gllmm_jax.config import Block, ModelConfig, Progressive

BLOCKS: dict[Block, int] = {"plain": 2, "leaky": 2, "crm2": 4, "crm3": 6}
"""3x3 convolutions in a row in each residual block."""

ATTENTION = 3
"""The same in an attention block."""


def reach(config: ModelConfig) -> int:
    """Latents, in any direction, that a pixel of g_s or a latent of g_a depends on beside its own."""
    return math.ceil(max(_analysis(config), _synthesis(config)) / config.stride)


def reach_of_blocks(config: Progressive) -> int:
    """Blocks of its scale, in any direction, that a latent's distribution depends on beside its own."""
    return 1 + 2 * config.depth


# In pixels: a 3x3 convolution sees one sample farther, which is as many pixels as its plane's stride, a 5x5 one two.
# A 5x5 up-convolution sees one of its input's.


def _analysis(config: ModelConfig) -> int:
    block = BLOCKS[config.block]
    if config.transform == "residual":
        return 1 + 2 + 2 * 2 + (2 + 4) + 2 * 4 + 4
    if config.transform == "balle":
        return 2 * (1 + 2 + 4 + 8)
    if config.transform == "light":
        return 4 + 2 * 4 + config.analysis_depth * block * (8 + 16) + 16
    attention = ATTENTION * (4 + 16) if config.attention else 0
    return (1 + 2) + (2 + 4) + (4 + 8) + 8 + block * (2 + 4 + 8) + attention


def _synthesis(config: ModelConfig) -> int:
    block = BLOCKS[config.block]
    if config.transform == "residual":
        return 2 * 8 + (8 + 4) + 2 * 4 + (4 + 2) + 2 * 2 + 2
    if config.transform == "balle":
        return 16 + 8 + 4 + 2
    if config.transform == "light":
        return 16 + block * (16 + 8) + 4 + 2 * 4 + 4
    attention = ATTENTION * (16 + 4) if config.attention else 0
    return block * (16 + 8 + 4 + 2) + (16 + 8) + (8 + 4) + (4 + 2) + 2 + attention
