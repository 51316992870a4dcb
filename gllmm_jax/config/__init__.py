"""Values that define a model and its training. They contain no code and no arrays.

Every checkpoint and weights file holds its config.
"""

from gllmm_jax.config.design import SLOPES, Design
from gllmm_jax.config.model import (
    CONTEXT_RADIUS,
    FAMILIES,
    HYPER_STRIDE,
    PARTS,
    QUALITIES,
    STRIDES,
    TAPS,
    TRANSFORMS,
    Block,
    Family,
    ModelConfig,
    Order,
    Search,
    VariableRate,
)
from gllmm_jax.config.progressive import BLOCKS, Progressive
from gllmm_jax.config.training import MS_SSIM_CROP, Compute, Distortion, Optimizer, Schedule, TrainConfig

__all__ = [
    "BLOCKS",
    "CONTEXT_RADIUS",
    "FAMILIES",
    "HYPER_STRIDE",
    "MS_SSIM_CROP",
    "PARTS",
    "QUALITIES",
    "SLOPES",
    "STRIDES",
    "TAPS",
    "TRANSFORMS",
    "Block",
    "Compute",
    "Design",
    "Distortion",
    "Family",
    "ModelConfig",
    "Optimizer",
    "Order",
    "Progressive",
    "Schedule",
    "Search",
    "TrainConfig",
    "VariableRate",
]
