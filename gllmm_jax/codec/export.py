"""Trained parameters become weights that can be shipped."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.calibrate import make_twin
from gllmm_jax.codec.transforms import analyse
from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.entropy import context_mask


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
    calibration = [analyse(config, floats, picture) for picture in pictures]
    twin = make_twin(config, floats, calibration)
    return zoo.Weights(zoo.check_name(name), config, stored, twin.arrays, dict(provenance or {}))
