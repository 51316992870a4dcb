"""Random parameters, made by NumPy: XLA takes seconds to compile a start of `init_params`."""

import functools
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import init_params


def random_params(config: ModelConfig, seed: int = 0, variance: float = 1.5) -> Any:
    """Random parameters in the tree of `init_params`, kernels with `variance` / fan-in.

    At a third pictures keep their size through the `paper` transforms, at 1.5 they grow beyond bounds there.
    """
    rng = np.random.default_rng(seed)

    def leaf(path: Any, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        match path[-1].key:
            case "beta":
                return np.ones(shape.shape, np.float32)
            case "gamma":
                return np.sqrt(0.1) * np.eye(*shape.shape, dtype=np.float32)
            case "kernel":
                return (rng.normal(size=shape.shape) * (variance / np.prod(shape.shape[:-1])) ** 0.5).astype(np.float32)
            case _:
                return rng.uniform(-0.3, 0.3, shape.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(leaf, shapes(config))


@functools.cache
def shapes(config: ModelConfig) -> Any:
    """The tree of `init_params`, a `jax.ShapeDtypeStruct` for each array."""
    return jax.eval_shape(functools.partial(init_params, config), jax.random.key(0))
