"""The transforms by name, and how far networks see: by so much the windows of a large picture must overlap."""

import math

from gllmm_jax.config import CONTEXT_RADIUS, Block, ModelConfig, Progressive
from gllmm_jax.nn.light import LightAnalysis, LightSynthesis
from gllmm_jax.nn.paper import PaperAnalysis, PaperSynthesis
from gllmm_jax.nn.residual import ResidualAnalysis, ResidualSynthesis
from gllmm_jax.nn.strided import BalleAnalysis, BalleSynthesis, ElicAnalysis, ElicSynthesis

TRANSFORMS = {
    "paper": (PaperAnalysis, PaperSynthesis),
    "light": (LightAnalysis, LightSynthesis),
    "residual": (ResidualAnalysis, ResidualSynthesis),
    "balle": (BalleAnalysis, BalleSynthesis),
    "cheng": (PaperAnalysis, PaperSynthesis),
    "elic": (ElicAnalysis, ElicSynthesis),
}
"""g_a and g_s by `ModelConfig.transform`."""

BLOCKS: dict[Block, int] = {"plain": 2, "leaky": 2, "crm2": 4, "crm3": 6}
"""Number of 3x3 convolutions in a row in each residual block."""

ATTENTION = 3
"""Number of 3x3 convolutions in a row in an attention block."""


def reach(config: ModelConfig) -> int:
    """How far g_s and g_a see in any direction, in latents: a pixel or a latent depends on nothing farther away."""
    return math.ceil(max(_analysis(config), _synthesis(config)) / config.stride)


def reach_of_context(config: ModelConfig) -> int:
    """How far the distribution of a latent sees latents in any direction, in latents, in a model with hyper-latents."""
    return 3 * 2 if config.splits else CONTEXT_RADIUS


def reach_of_blocks(config: Progressive) -> int:
    """How far a latent's distribution sees in any direction, in blocks of its scale."""
    return 1 + 2 * config.depth


# In pixels. A 3x3 convolution adds one sample to the reach, a 5x5 convolution two; a sample is as many pixels as its
# plane's stride. A 5x5 up-convolution adds one sample of its input.


def _analysis(config: ModelConfig) -> int:
    block = BLOCKS[config.block]
    if config.transform == "residual":
        return 1 + 2 + 2 * 2 + (2 + 4) + 2 * 4 + 4
    if config.transform == "balle":
        return 2 * (1 + 2 + 4 + 8)
    if config.transform == "elic":
        return 2 * (1 + 2 + 4 + 8) + 3 * (2 + 4 + 8) + (ATTENTION * (4 + 16) if config.attention else 0)
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
    if config.transform == "elic":
        return 16 + 8 + 4 + 2 + 3 * (8 + 4 + 2) + (ATTENTION * (16 + 4) if config.attention else 0)
    if config.transform == "light":
        return 16 + block * (16 + 8) + 4 + 2 * 4 + 4
    attention = ATTENTION * (16 + 4) if config.attention else 0
    return block * (16 + 8 + 4 + 2) + (16 + 8) + (8 + 4) + (4 + 2) + 2 + attention
