"""Optimizers, which turn gradients into steps. The learning rate comes after them."""

from collections.abc import Callable
from typing import Any

import jax

from gllmm_jax.config import TrainConfig
from gllmm_jax.optimizer.soap import scale_by_soap

try:
    import optax
    from optax import contrib
except ImportError as error:
    raise ImportError("training needs optax: pip install 'gllmm-jax[train]'") from error


def global_norm(tree: Any) -> jax.Array:
    """The norm of all leaves together, as one vector."""
    return optax.global_norm(tree)


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Gradients are clipped to `config.clip` in their joint norm. Then `config.optimizer` scales them."""
    scale = {"adam": optax.scale_by_adam, "soap": _soap, "muon": _muon}[config.optimizer]()
    return lenient(optax.chain(optax.clip_by_global_norm(config.clip), scale))


def lenient(transformation: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same transformation under JAX's standard promotion of dtypes and ranks, which optax needs, in any program."""

    def leniently(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
                return function(*arguments)

        return called

    return optax.GradientTransformation(*map(leniently, transformation))


def _soap() -> optax.GradientTransformation:
    return optax.GradientTransformation(*scale_by_soap())


def _muon() -> optax.GradientTransformation:
    # Muon for kernels, as matrices from all inputs to outputs, with steps as large as Adam's; Adam for everything else
    def matrices(params: Any) -> Any:
        def shape(path: Any, leaf: jax.Array) -> contrib.MuonDimensionNumbers | None:
            matrix = contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)
            return matrix if path[-1].key == "kernel" else None

        return jax.tree_util.tree_map_with_path(shape, params)

    muon = contrib.muon(1.0, consistent_rms=0.2, muon_weight_dimension_numbers=matrices)
    return optax.chain(muon, optax.scale(-1.0))  # the learning rate and its sign come after
