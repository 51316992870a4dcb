"""Whether parameters are those of a config."""

import functools
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import init_params


def misfit(config: ModelConfig, params: Any) -> str | None:
    """Says which parameter of the config is missing or has another shape, or which parameter is not of the config.

    It names the first such parameter; None if there is none. It compares names and shapes, and no values.
    """
    wanted = jax.eval_shape(functools.partial(init_params, config), jax.random.key(0))
    found = {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(wanted):
        name, shape = "/".join(entry.key for entry in path), found.get(jax.tree_util.keystr(path))
        if shape is None:
            return f"{name} is missing"
        if shape != leaf.shape:
            return f"{name} is {shape} and not {leaf.shape}"
    if more := found.keys() - {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(wanted)}:
        return f"{min(more)} is not of this model"
    return None
