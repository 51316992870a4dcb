"""Makes weights that can be shipped of trained parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.transforms import analyse, quantise, ungained
from gllmm_jax.config import QUALITIES, ModelConfig
from gllmm_jax.nn.entropy import context_mask
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.twin.calibrate import make_twin
from gllmm_jax.twin.observe import Latents
from gllmm_jax.twin.wiring import EACH, LEVELS

LEVELS_EACH = 4
"""Levels of a variable rate that each picture calibrates; pictures take turns."""


def make_weights(
    name: str,
    config: ModelConfig,
    params: zoo.Tree,
    pictures: Sequence[np.ndarray],
    provenance: Mapping[str, Any] | None = None,
    *,
    short: bool = True,
) -> zoo.Weights:
    """Round the parameters to the precision of a weights file, and make the integer twin, calibrated on `pictures`.

    With `short` kernels are rounded to bfloat16, which saves a fifth of the bytes. `pictures` are uint8
    [height, width, 3 or 1], photographs like those of the training. Pictures of one size compile once.

    Raises: `ValueError` without pictures, and, with the layer's name, if a bound of the twin cannot hold;
    `zoo.WeightsError` on a bad name or number.
    """
    if not pictures:
        raise ValueError("the integer twin is calibrated on pictures: give at least one")
    stored = zoo.half(_short(params) if short else params)
    for part, layer in (stored | stored.get("space_channel", {})).items():
        if part.startswith("context"):
            # closed taps are noise: zeros cost no bytes
            layer["kernel"] *= context_mask(config.order).astype(np.float16)
    floats = zoo.single(stored)
    twin = make_twin(config, floats, _calibration(config, floats, pictures))
    return zoo.Weights(zoo.check_name(name), config, stored, twin.arrays, dict(provenance or {}))


def _short(params: zoo.Tree) -> zoo.Tree:
    """Kernels in bfloat16, except those of a linear path: a fifth fewer bytes, and the same loss to 1e-5."""

    def shorten(path: Any, leaf: Any) -> np.ndarray:
        *parts, name = (entry.key for entry in path)
        short = jnp.bfloat16 if name == "kernel" and "linear" not in parts else np.float32
        return np.asarray(leaf).astype(short).astype(np.float32)

    return jax.tree_util.tree_map_with_path(shorten, params)


def _calibration(config: ModelConfig, params: Any, pictures: Sequence[np.ndarray]) -> list[Latents]:
    if config.rate is None:
        return [Latents(*analyse(config, params, picture)) for picture in pictures]
    tops = [at_quality(params, quality) for quality in range(EACH - 1, QUALITIES, EACH)]
    found, each = [], LEVELS if len(pictures) < LEVELS else LEVELS_EACH
    for number, picture in enumerate(pictures):
        y = ungained(config, tops[0], picture)
        for level in ((number + i * LEVELS // each) % LEVELS for i in range(each)):
            found.append(Latents(*quantise(config, tops[level], y), (level + 1) * EACH - 1))
    return found
