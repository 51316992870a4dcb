"""Trained parameters become weights that can be shipped."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.calibrate import make_twin
from gllmm_jax.codec.observe import Latents
from gllmm_jax.codec.transforms import analyse
from gllmm_jax.config import QUALITIES, ModelConfig
from gllmm_jax.nn.entropy import context_mask
from gllmm_jax.nn.quality import at_quality

SPREAD = 16
"""Qualities that a variable rate is calibrated at, evenly spread: each picture at one of them and at the highest."""


def make_weights(
    name: str,
    config: ModelConfig,
    params: zoo.Tree,
    pictures: Sequence[np.ndarray],
    provenance: Mapping[str, Any] | None = None,
) -> zoo.Weights:
    """Round the parameters to what a weights file holds and make the integer twin, calibrated on `pictures`.

    `pictures` are uint8 [height, width, 3 or 1], photographs like those of the training; one size compiles once.
    Raises `ValueError` without pictures or where a bound of the twin cannot hold (naming the layer), `zoo.WeightsError`
    on a bad name or number.
    """
    if not pictures:
        raise ValueError("the integer twin is calibrated on pictures: give at least one")
    stored = zoo.half(params)
    if "context" in stored:
        stored["context"]["kernel"] *= context_mask(config.order).astype(
            np.float16
        )  # closed taps are noise: zeros cost no bytes
    floats = zoo.single(stored)
    twin = make_twin(config, floats, _calibration(config, floats, pictures))
    return zoo.Weights(zoo.check_name(name), config, stored, twin.arrays, dict(provenance or {}))


def _calibration(config: ModelConfig, params: Any, pictures: Sequence[np.ndarray]) -> list[Latents]:
    if config.rate is None:
        return [Latents(*analyse(config, params, picture)) for picture in pictures]
    top, found = QUALITIES - 1, []
    for number, picture in enumerate(pictures):
        for quality in {number % SPREAD * top // (SPREAD - 1), top}:
            found.append(Latents(*analyse(config, at_quality(params, quality), picture), quality))
    return found
