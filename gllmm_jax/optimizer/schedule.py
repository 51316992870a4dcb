"""The learning rate over a run."""

import jax
import jax.numpy as jnp

from gllmm_jax.config import TrainConfig

HALVINGS = 15
"""A run of the `halving` schedule has so many parts.

Source: GLLMM trains for 1.5 million steps, and halves the rate every 100,000 steps of the second half.
"""


def learning_rate(config: TrainConfig, progress: jax.Array) -> jax.Array:
    """Learning rate at `progress` in [0, 1] of the run (its clock or steps): linear warm-up, then `config.schedule`."""
    warm = jnp.minimum(progress / config.warmup, 1.0) if config.warmup else 1.0
    rest = jnp.clip((progress - config.warmup) / (1.0 - config.warmup), 0.0, 1.0)
    if config.schedule == "cosine":
        factor = 0.5 * (1.0 + jnp.cos(jnp.pi * rest))
    elif config.schedule == "linear":
        factor = 1.0 - rest
    elif config.schedule == "halving":
        factor = 0.5 ** jnp.maximum(jnp.floor(HALVINGS * progress - HALVINGS / 2) + 1.0, 0.0)
    elif config.schedule == "stable":
        factor = jnp.clip((1.0 - progress) / config.decay, 0.0, 1.0)
    else:
        factor = jnp.float32(1.0)
    return config.learning_rate * warm * factor
