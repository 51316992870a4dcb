"""Whether parameters are those of a config."""

import functools
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import init_params


def misfit(config: ModelConfig, params: Any) -> str | None:
    """What the first parameter is that a tree lacks, holds in another shape than the config's, or has beside them.

    None where all fit. Nothing but shapes is looked at.
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
