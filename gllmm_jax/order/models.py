"""The entropy models by name."""

from collections.abc import Callable

from gllmm_jax.config import ModelConfig
from gllmm_jax.order.context import Context
from gllmm_jax.order.factorized import Factorized
from gllmm_jax.order.hyper import hyper_size
from gllmm_jax.order.hyperprior import HyperpriorAlone
from gllmm_jax.order.progressive import Progression
from gllmm_jax.order.space_channel import SpaceChannel
from gllmm_jax.order.stage import EntropyModel
from gllmm_jax.twin.integer import Twin

MODELS: dict[str, Callable[[Twin, tuple[int, int]], EntropyModel]] = {
    "context": Context,
    "space-channel": SpaceChannel,
    "progressive": Progression,
    "hyperprior": HyperpriorAlone,
    "factorized": Factorized,
}
"""By `ModelConfig.entropy_model`: (twin, size (h, w) of the latents) -> the entropy model of one picture."""


def entropy_model(twin: Twin, size: tuple[int, int]) -> EntropyModel:
    """The entropy model of latents of `size` (h, w)."""
    return MODELS[twin.config.entropy_model](twin, size)


def hyper_shape(config: ModelConfig, size: tuple[int, int]) -> tuple[int, int, int]:
    """The shape of z beside y of `size` (h, w)."""
    return (*hyper_size(size), config.hyper) if config.has_hyperprior else (0, 0, 0)
