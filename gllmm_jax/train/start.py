"""A start for the `light` transforms that already works.

The linear parts of the transforms begin as the KLT of photographs, at the quantisation step that lmbda asks for. A
random start leaves the latents at zero for most of a short training.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.config import ModelConfig, TrainConfig, VariableRate
from gllmm_jax.data.batches import sample_photographs
from gllmm_jax.data.photographs import Item
from gllmm_jax.nn.light import BLOCK_VALUES, STRIDE
from gllmm_jax.nn.model import init_params
from gllmm_jax.optimizer.state import TrainState, create_state

_log = logging.getLogger(__name__)


def quantisation_step(lmbda: float) -> float:
    """The step of a uniform quantiser, on the 0..255 scale, that is optimal for R + lmbda * MSE at high rate.

    dR/dD = -lmbda with three values a pixel gives D = 3 / (2 ln 2 lmbda). A uniform quantiser has D = step² / 12.
    """
    return math.sqrt(12.0 * 3.0 / (2.0 * math.log(2.0) * lmbda))


def block_klt(
    photographs: Sequence[np.ndarray], count: int, *, beside: np.ndarray | None = None, limit: int = 200_000
) -> tuple[np.ndarray, np.ndarray]:
    """(basis [768, count], mean [768]) of 16x16 RGB blocks of uint8 photographs, scaled to [-1/2, 1/2].

    The columns of the basis have falling variance. If `beside` [768, n] is given, they are orthogonal to its columns.
    """
    blocks = []
    for image in photographs:
        h, w = (side // STRIDE * STRIDE for side in image.shape[:2])
        planes = image[:h, :w].reshape(h // STRIDE, STRIDE, w // STRIDE, STRIDE, 3).transpose(0, 2, 1, 3, 4)
        blocks.append(planes.reshape(-1, BLOCK_VALUES))
    x = np.concatenate(blocks)
    x = x[:: max(1, len(x) // limit)].astype(np.float32) / 255.0 - 0.5
    # training may mirror photographs: the mean and the covariance are those of both views
    mirrored = x.reshape(-1, STRIDE, STRIDE, 3)[:, :, ::-1].reshape(-1, BLOCK_VALUES)
    mean = 0.5 * (x.mean(0) + mirrored.mean(0))
    x, mirrored = x - mean, mirrored - mean
    if beside is not None:
        known = np.linalg.qr(beside)[0]
        x, mirrored = (blocks - blocks @ known @ known.T for blocks in (x, mirrored))
    _, vectors = np.linalg.eigh((x.T @ x + mirrored.T @ mirrored).astype(np.float64))
    return vectors[:, ::-1][:, :count].astype(np.float32), mean


def initial_params(
    model: ModelConfig,
    key: jax.Array,
    *,
    lmbda: float | tuple[float, float],
    photographs: Sequence[np.ndarray],
) -> Any:
    """Fresh parameters. For `light` transforms with photographs uint8 [h, w, 3], the linear part starts as their KLT.

    The start has the step of `lmbda`. With a variable rate it has the step of the middle lambda, where gains are one.
    """
    params = init_params(model, key)
    if model.transform != "light" or not photographs:
        return params
    return add_latents(params, 0, photographs, lmbda=middle_lambda(model, lmbda))


def middle_lambda(model: ModelConfig, lmbda: float | tuple[float, float]) -> float:
    """The lambda of a run. With a variable rate, the lambda of the middle quality, where gains start at one."""
    if model.rate is not None:
        return model.rate.middle
    assert not isinstance(lmbda, tuple)
    return lmbda


def add_latents(params: Any, few: int, photographs: Sequence[np.ndarray], *, lmbda: float) -> Any:
    """Parameters of `light` transforms whose latents from number `few` on code what the linear g_s cannot show yet.

    These latents start as the KLT of what the first latents leave of uint8 `photographs` [h, w, 3], at the step of
    `lmbda`.
    """
    analysis, synthesis = (dict(params[part]["linear"]) for part in ("g_a", "g_s"))
    beside = np.asarray(synthesis["kernel"])[:few].T if few else None
    basis, mean = block_klt(photographs, len(analysis["bias"]) - few, beside=beside)
    gain, scale = 255.0 / quantisation_step(lmbda), BLOCK_VALUES**0.5
    if not few:
        synthesis["bias"] = jnp.asarray(mean)
    analysis["kernel"] = analysis["kernel"].at[:, few:].set(basis * scale)
    analysis["bias"] = analysis["bias"].at[few:].set(-gain * np.asarray(synthesis["bias"]) @ basis)
    analysis["log_gain"] = analysis["log_gain"].at[few:].set(math.log(gain))
    synthesis["kernel"] = synthesis["kernel"].at[few:].set(basis.T * scale)
    synthesis["log_gain"] = synthesis["log_gain"].at[few:].set(-math.log(gain))
    return params | {"g_a": params["g_a"] | {"linear": analysis}, "g_s": params["g_s"] | {"linear": synthesis}}


def from_weights(
    model: ModelConfig,
    key: jax.Array,
    given: zoo.Weights,
    *,
    lmbda: float | tuple[float, float],
    photographs: Sequence[np.ndarray],
) -> tuple[Any, list[str]]:
    """Parameters that begin as those of `given`, and the paths of the parameters that `given` lacks.

    If `given` has fewer latents, the function makes the further ones from uint8 `photographs` [h, w, 3].
    """
    few, many = given.config.latents, model.latents
    params, missed = grafted(init_params(model, key), zoo.single(given.params), (few, many))
    if few < many:
        params = add_latents(params, few, photographs, lmbda=middle_lambda(model, lmbda))
    return params, missed


def grafted(fresh: Any, given: Any, latents: tuple[int, int]) -> tuple[Any, list[str]]:
    """Fresh parameters, with those of `given` at the same place and shape put in; and the paths of all others.

    `latents` is the number of channels of y in `given` and in the fresh parameters. If the numbers differ, the channels
    of `given` come first. A kernel that reads y has zeros for the further channels. A kernel that makes numbers for y
    keeps its fresh numbers for them. So everything that `given` calculates stays the same.
    """
    there = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(given)}
    missed: list[str] = []

    def choose(path: Any, leaf: jax.Array) -> jax.Array:
        found = there.get(jax.tree_util.keystr(path))
        found = None if found is None else _widened(leaf, jnp.asarray(found), path[-1].key == "kernel", latents)
        if found is None:
            missed.append("/".join(entry.key for entry in path))
            return leaf
        return found

    return jax.tree_util.tree_map_with_path(choose, fresh), missed


def _widened(leaf: jax.Array, found: jax.Array, kernel: bool, latents: tuple[int, int]) -> jax.Array | None:
    # None if the shapes differ in more than the number of latents
    if found.shape == leaf.shape or found.ndim != leaf.ndim:
        return found if found.shape == leaf.shape else None
    differing = [axis for axis in range(leaf.ndim) if found.shape[axis] != leaf.shape[axis]]
    axis, (few, many) = differing[0], latents
    numbers, rest = divmod(found.shape[axis], few)  # the entropy net makes several numbers for each latent
    if len(differing) > 1 or rest or leaf.shape[axis] != numbers * many:
        return None
    split = (*leaf.shape[:axis], numbers, many, *leaf.shape[axis + 1 :])
    start = jnp.zeros_like(leaf) if kernel and axis == leaf.ndim - 2 else leaf
    first = (slice(None),) * (axis + 1) + (slice(few),)
    found = found.reshape(*split[: axis + 1], few, *split[axis + 2 :])
    return start.reshape(split).at[first].set(found).reshape(leaf.shape)


def fresh_state(model_config: ModelConfig, train_config: TrainConfig, files: Sequence[Item]) -> TrainState:
    """The state before the first step of a run. It has the weights of `train_config.init`, or a start of its own.

    `files` are the training photographs. The `light` transforms start from a few of them. The log names the parameters
    that given weights lack. Raises `ValueError` if the weights are of another model, `zoo.WeightsError` if they cannot
    be read.
    """
    key_params, key_noise = jax.random.split(jax.random.PRNGKey(train_config.seed))
    given = None if train_config.init is None else _trained_weights(model_config, train_config.init)
    few, many = 0 if given is None else given.config.latents, model_config.latents
    photographs = sample_photographs(files) if model_config.transform == "light" and few < many else []
    start = {"lmbda": train_config.lmbda, "photographs": photographs}
    if given is None:
        params = initial_params(model_config, key_params, **start)
    else:
        params, fresh = from_weights(model_config, key_params, given, **start)
        if fresh:
            parts = ", ".join(sorted({path.split("/")[0] for path in fresh}))
            _log.warning("%s has no parameters for some of %s: these start afresh", train_config.init, parts)
        if given.config.rate not in (None, model_config.rate):
            _log.warning("%s was trained for %s: what depends on the quality starts elsewhere", train_config.init,
                         given.config.rate)  # fmt: skip
        if model_config.rate is not None and given.config.rate is None:
            _tune_gains(params, model_config.rate, given.provenance.get("lmbda"))
    return create_state(train_config, params, key_noise)


def _trained_weights(model_config: ModelConfig, name_or_path: str) -> zoo.Weights:
    """Given weights that have the transforms of the model to train.

    The model to train may have a wider or deeper g_a. With `light` transforms the given weights may have fewer latents.
    """
    weights = zoo.read(name_or_path)
    same = all(getattr(weights.config, name) == getattr(model_config, name) for name in ("transform", "widths"))
    few, many = weights.config.latents, model_config.latents
    if not same or not (few == many or (few < many and model_config.transform == "light")):
        raise ValueError(
            f"{name_or_path} holds a {weights.config.preset}, and a {model_config.preset} is to be trained"
        )
    return weights


def _tune_gains(params: Any, rate: VariableRate, lmbda: Any) -> None:
    """Shifts the gains so that they are one at the lambda of the given weights."""
    if isinstance(lmbda, float):
        shift = 0.5 * math.log(rate.middle / lmbda)
        for name, sign in (("analysis", 1), ("synthesis", -1)):
            params["gain"][name]["rows"] = params["gain"][name]["rows"] + sign * shift
