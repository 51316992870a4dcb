"""A start for the `light` transforms that already works: their linear parts as the KLT of photographs, at the step
lmbda asks for.

A random start leaves the latents at zero for most of a short training.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.light import BLOCK_VALUES, STRIDE
from gllmm_jax.nn.model import init_params


def quantisation_step(lmbda: float) -> float:
    """The uniform quantiser's step on the 0..255 scale that is optimal for R + lmbda * MSE at high rate.

    dR/dD = -lmbda with three values a pixel gives D = 3 / (2 ln 2 lmbda); a uniform quantiser has D = step² / 12.
    """
    return math.sqrt(12.0 * 3.0 / (2.0 * math.log(2.0) * lmbda))


def block_klt(photographs: Sequence[np.ndarray], count: int, *, limit: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """(basis [768, count], mean [768]) of 16x16 RGB blocks of uint8 photographs, scaled to [-1/2, 1/2], by falling
    variance.
    """
    blocks = []
    for image in photographs:
        h, w = (side // STRIDE * STRIDE for side in image.shape[:2])
        planes = image[:h, :w].reshape(h // STRIDE, STRIDE, w // STRIDE, STRIDE, 3).transpose(0, 2, 1, 3, 4)
        blocks.append(planes.reshape(-1, BLOCK_VALUES))
    x = np.concatenate(blocks)
    x = x[:: max(1, len(x) // limit)].astype(np.float32) / 255.0 - 0.5
    # photographs may be seen in a mirror: the mean and the covariance of both views
    mirrored = x.reshape(-1, STRIDE, STRIDE, 3)[:, :, ::-1].reshape(-1, BLOCK_VALUES)
    mean = 0.5 * (x.mean(0) + mirrored.mean(0))
    x, mirrored = x - mean, mirrored - mean
    _, vectors = np.linalg.eigh((x.T @ x + mirrored.T @ mirrored).astype(np.float64))
    return vectors[:, ::-1][:, :count].astype(np.float32), mean


def initial_params(
    model: ModelConfig,
    key: jax.Array,
    *,
    lmbda: float | tuple[float, float],
    photographs: Sequence[np.ndarray],
) -> Any:
    """Fresh parameters; for the `light` transforms with the linear start of uint8 `photographs` [h, w, 3], if any.

    It has the step of `lmbda`, or with a variable rate of the lambda in the middle, where gains start at one.
    """
    params = init_params(model, key)
    if model.rate is not None:
        lmbda = model.rate.middle
    assert not isinstance(lmbda, tuple)
    if model.transform != "light" or not photographs:
        return params
    basis, mean = block_klt(photographs, model.latents)
    gain = 255.0 / quantisation_step(lmbda)
    kernel, log_gain = basis * BLOCK_VALUES**0.5, np.full(model.latents, math.log(gain), np.float32)
    analysis = {"kernel": kernel, "bias": -gain * mean @ basis, "log_gain": log_gain}
    synthesis = {"kernel": kernel.T, "bias": mean, "log_gain": -log_gain}
    for name, linear in (("g_a", analysis), ("g_s", synthesis)):
        params[name]["linear"] = jax.tree.map(jnp.asarray, linear)
    return params


def grafted(fresh: Any, given: Any) -> tuple[Any, list[str]]:
    """Fresh parameters with those of `given` that have the same place and shape; and the paths of the others."""
    there = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(given)}
    missed: list[str] = []

    def choose(path: Any, leaf: jax.Array) -> jax.Array:
        found = there.get(jax.tree_util.keystr(path))
        if found is None or np.shape(found) != leaf.shape:
            missed.append("/".join(entry.key for entry in path))
            return leaf
        return jnp.asarray(found)

    return jax.tree_util.tree_map_with_path(choose, fresh), missed
