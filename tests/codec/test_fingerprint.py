"""The two fingerprints differ wherever a stream may give other latents, or latents another picture."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.codec.fingerprint import synthesis
from gllmm_jax.config import ModelConfig, Progressive, VariableRate
from gllmm_jax.twin.integer import Twin, fingerprint
from tests.codec.twins import FAST, PLAIN, twin

WITH_RATE = dataclasses.replace(PLAIN, rate=VariableRate(anchors=2))

OF_A_STREAM: list[dict[str, Any]] = [
    {"order": "checkerboard"},
    {"order": "none"},
    {"hyper": 0},
    {"families": ("laplace",)},
    {"families": ("laplace", "gaussian", "logistic")},
    {"components": 2},
    {"transform": "residual"},
    {"msp": Progressive()},
    {"rate": VariableRate()},
]

OF_PROGRESSIVE: list[dict[str, Any]] = [
    {"scales": 2},
    {"block": (2, 4)},
    {"seeds": 1},
    {"width": 16},
    {"depth": 2},
    {"splits": (4,)},
]

OF_THE_PICTURE: list[dict[str, Any]] = [
    {"transform": "residual"},
    {"widths": (24,)},
    {"latents": 24},
    {"block": "plain"},
    {"attention": False},
]


def entropy(config: ModelConfig, arrays: dict[str, np.ndarray]) -> bytes:
    return fingerprint(Twin(config, arrays))


@pytest.mark.parametrize("change", OF_A_STREAM, ids=str)
def test_the_first_covers_what_changes_a_stream(change):
    arrays = dict(twin(PLAIN).arrays)
    assert entropy(dataclasses.replace(PLAIN, **change), arrays) != entropy(PLAIN, arrays)


@pytest.mark.parametrize("change", OF_PROGRESSIVE, ids=str)
def test_the_first_covers_the_progressive_model(change):
    arrays, msp = dict(twin(FAST).arrays), FAST.msp
    assert msp is not None
    other = dataclasses.replace(FAST, msp=dataclasses.replace(msp, **change))
    assert entropy(other, arrays) != entropy(FAST, arrays)


@pytest.mark.parametrize("config", [PLAIN, FAST], ids=lambda config: config.preset)
def test_the_first_covers_every_array(config):
    """Their last numbers, their shapes and their names."""
    arrays = dict(twin(config).arrays)
    seen = {entropy(config, arrays)}
    for name, array in arrays.items():
        last = array.copy()
        last.flat[-1] += 1
        without = {key: value for key, value in arrays.items() if key != name}
        for other in ({name: last}, {name: array[None]}, {f"{name}x": array}, {}):
            seen.add(entropy(config, without | other))
    assert len(seen) == 1 + 4 * len(arrays)


@pytest.mark.parametrize("change", OF_THE_PICTURE, ids=str)
def test_the_second_covers_what_changes_a_picture(change, random_params):
    params = random_params(PLAIN)
    assert synthesis(dataclasses.replace(PLAIN, **change), params) != synthesis(PLAIN, params)


def test_the_second_covers_every_parameter_that_is_shown(random_params):
    """All of g_s, and the gains after rounding: their last numbers, their shapes and whether they are there."""
    params = zoo.half(random_params(WITH_RATE))
    shown = {"g_s": params["g_s"], "gain": {"synthesis": params["gain"]["synthesis"]}}
    flat = dict(zoo.leaves(shown))
    assert "gain/synthesis/rows" in flat and len(flat) > 20
    seen = {synthesis(WITH_RATE, params)}
    assert seen == {synthesis(WITH_RATE, shown)}
    for path, leaf in flat.items():
        last = leaf.copy()
        last.flat[-1] += np.float16(0.5)
        for other in ({path: last}, {path: leaf[None]}, {}):
            seen.add(synthesis(WITH_RATE, nested({k: v for k, v in flat.items() if k != path} | other)))
    assert len(seen) == 1 + 3 * len(flat)


def test_the_second_covers_the_rate(random_params):
    configs = [dataclasses.replace(PLAIN, rate=rate) for rate in (None, VariableRate(anchors=2), VariableRate())]
    assert len({synthesis(config, random_params(config)) for config in configs}) == 3


def test_what_is_not_shown_is_left_out_of_the_second(random_params):
    params = random_params(WITH_RATE)
    other = params | {name: {} for name in params if name not in ("g_s", "gain")}
    other["gain"] = params["gain"] | {"analysis": {"rows": params["gain"]["analysis"]["rows"] + 1}}
    assert synthesis(WITH_RATE, other) == synthesis(WITH_RATE, params)


def nested(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    """Inverse of `zoo.leaves`."""
    tree: dict[str, Any] = {}
    for path, leaf in flat.items():
        *folders, last = path.split("/")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = leaf
    return tree
