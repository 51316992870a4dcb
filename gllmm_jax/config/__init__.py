"""Values that say what a model is and how it is trained: no code, no arrays.

A config is saved with every checkpoint and weights file.
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
