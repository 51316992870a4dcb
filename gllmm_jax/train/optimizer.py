"""What makes steps of gradients; the learning rate comes after it."""

from typing import Any

import jax

from gllmm_jax.config import TrainConfig
from gllmm_jax.train.soap import scale_by_soap

try:
    import optax
except ImportError as error:
    raise ImportError("training needs optax: pip install 'gllmm-jax[train]'") from error


def global_norm(tree: Any) -> jax.Array:
    """The norm of all leaves together."""
    return optax.global_norm(tree)


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Gradients clipped to `config.clip` in the norm of all together, then scaled by `config.optimizer`."""
    soap = optax.GradientTransformation(*scale_by_soap())
    scale = {"adam": optax.scale_by_adam(), "soap": soap}[config.optimizer]
    return optax.chain(optax.clip_by_global_norm(config.clip), scale)
