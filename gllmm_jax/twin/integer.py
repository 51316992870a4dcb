"""The integer twin of a trained model: integer arrays that fix every probability of every stream.

A twin is made once from the float parameters and stored with them. Encoder and decoder use the same twin.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.twin import exact, levels, proof
from gllmm_jax.twin.wiring import by_quality

LEVELS_KEPT = 4
"""Levels of a variable rate that a twin keeps in memory; each takes some megabytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Twin:
    """Integer arrays by name, as they are stored. `nets` has them in the form that programs take.

    With a variable rate the arrays are those of all levels (`twin.levels`). `at` makes the twin of one quality, which
    streams need.
    """

    config: ModelConfig
    arrays: Mapping[str, np.ndarray]
    whole: "Twin | None" = None  # the twin of the level, if this is the twin of one of its qualities

    @functools.cached_property
    def nets(self) -> exact.Nets:
        """The networks on the default device; the first use moves them there."""
        if self.whole is None:
            return exact.nets(self.arrays)
        nets, names = self.whole.nets, by_quality(self.config)
        biases = jax.device_put([self.arrays[f"{name}.bias"].astype(np.float32) for name in names])
        chosen = {name: nets.layers[name]._replace(bias=bias) for name, bias in zip(names, biases, strict=True)}
        return nets._replace(layers=nets.layers | chosen)

    def at(self, quality: int) -> "Twin":
        """The twin of one quality, 0 ... 255, of a model with a variable rate.

        Raises `ValueError` if the bounds of the quality's level do not hold.
        """
        number, index = levels.level_of(quality)
        level = self._found.get(number)
        if level is None:  # proven when it is first used, since most processes use one level
            arrays = levels.split(self.arrays, number)
            proof.check(self.config, arrays)
            if len(self._found) >= LEVELS_KEPT:
                self._found.pop(next(iter(self._found)), None)
            level = self._found[number] = Twin(self.config, arrays)
        rows = {f"{name}.bias": level.arrays[f"{name}.bias"][index] for name in by_quality(self.config)}
        return Twin(self.config, {**level.arrays, **rows}, level)

    @functools.cached_property
    def _found(self) -> "dict[int, Twin]":
        return {}


def twin_from_arrays(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> Twin:
    """The twin of stored arrays. Raises `ValueError` if the arrays are no twin's or a bound does not hold.

    With a variable rate `Twin.at` proves the bounds of a level, when it first chooses one of the level's qualities.
    """
    if config.rate is None:
        proof.check(config, arrays)
    return Twin(config, dict(arrays))


def fingerprint(twin: Twin) -> bytes:
    """8 bytes that differ if two twins may give different latents for the same stream and size of picture."""
    config = twin.config
    wiring = {
        "entropy model": config.entropy_model,
        "order": config.order,
        "families": config.families,
        "components": config.components,
        "stride": config.stride,
        "progressive": None if config.msp is None else _fields(config.msp),
        "variable rate": config.rate is not None,
    }
    if config.design != "gllmm":
        wiring["design"] = config.design
    if config.splits:
        wiring["splits"] = config.splits
    digest = hashlib.sha256(json.dumps(wiring).encode())
    for name in sorted(twin.arrays):
        array = twin.arrays[name]
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, "<i4").tobytes())
    return digest.digest()[:8]


def _fields(msp: Progressive) -> tuple[Any, ...]:
    *fields, splits = dataclasses.astuple(msp)
    return (*fields, splits) if splits else tuple(fields)  # files from before there were splits keep their fingerprint


def z_support(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest z_hat a stream can carry, int32 [N] each."""
    return twin.arrays["prior.low"].astype(np.int32), twin.arrays["prior.high"].astype(np.int32)
