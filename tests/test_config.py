"""What makes no model or no run is refused in a sentence, before anything is computed."""

import dataclasses
import json
import math
import re

import pytest

from gllmm_jax.config import ModelConfig, Progressive, TrainConfig, VariableRate
from gllmm_jax.presets import PRESETS

COUNT = "a whole number above zero"
WIDTH = "a whole number from 1 to 8192"
LMBDA = "finite and above zero, or two such numbers, the lower one first"
SPLITS = "up to 64 rising numbers below 16, on a checkerboard"
DESIGN = "gllmm or balle or minnen or cheng or elic, with what `config.design` allows"


@pytest.mark.parametrize("config", [*PRESETS.values(), TrainConfig(data="d", steps=1)])
def test_json_and_back(config):
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("field", "wrong", "wanted"),
    [
        ("preset", {}, "a name"),  # a config must be hashable
        ("attention", {}, "true or false"),
        ("transform", "wavelet", "paper or light or residual or balle or cheng or elic"),
        ("widths", (16, 16, 16), f"a tuple of 1, each {WIDTH}"),
        ("widths", (0,), f"a tuple of 1, each {WIDTH}"),
        ("widths", 16, f"a tuple of 1, each {WIDTH}"),
        ("latents", 0, WIDTH),
        ("latents", "x", WIDTH),
        ("hyper", 16.0, f"{WIDTH}, or 0"),
        ("features", 0, f"{WIDTH}, or None"),
        ("hidden", (32,), f"a tuple of 2, each {WIDTH}"),
        ("hidden", (32, -1), f"a tuple of 2, each {WIDTH}"),
        ("families", (), "a tuple of some of gaussian, laplace, logistic"),
        ("families", ("gaussian", "cauchy"), "a tuple of some of gaussian, laplace, logistic"),
        ("components", -3, "a whole number from 1 to 64"),
        ("block", "crm4", "plain or leaky or crm2 or crm3"),
        ("design", "bellard", DESIGN),
        ("design", "balle", DESIGN),  # which has no context
        ("splits", (4,), SPLITS),  # in raster order
    ],
)
def test_models_that_cannot_be(field, wrong, wanted):
    with pytest.raises(ValueError, match=f"^{re.escape(f'{field} must be {wanted}, not {wrong!r}')}$"):
        ModelConfig.from_dict(PRESETS["mu"].to_dict() | {field: wrong})


@pytest.mark.parametrize(
    ("preset", "change"),
    [
        ("cheng2020-anchor-128", {"order": "none"}),
        ("mbt2018-mean-192", {"components": 3}),
        ("mbt2018-mean-192", {"families": ("laplace",)}),
        ("mbt2018-192", {"msp": Progressive()}),
    ],
)
def test_published_designs_are_what_they_are(preset, change):
    with pytest.raises(ValueError, match=f"^design must be {DESIGN}"):
        dataclasses.replace(PRESETS[preset], **change)


@pytest.mark.parametrize(
    "change",
    [{"splits": (4, 4)}, {"splits": (0,)}, {"splits": (16,)}, {"splits": 4}, {"hyper": 0}, {"msp": Progressive()}],
)
def test_splits_part_the_channels_of_a_checkerboard(change):
    board = dataclasses.replace(PRESETS["mu"], order="checkerboard", splits=(4, 8))
    assert board.groups == [(0, 4), (4, 8), (8, 16)]
    with pytest.raises(ValueError, match=f"^splits must be {SPLITS}"):
        dataclasses.replace(board, **change)


@pytest.mark.parametrize("change", [{"design": "cheng"}, {"hyper": 0}, {"rate": VariableRate()}])
def test_medians_are_of_z_at_one_rate(change):
    assert dataclasses.replace(PRESETS["mu"], medians=True).has_offset and not PRESETS["mu"].has_offset
    with pytest.raises(ValueError, match=r"^medians must be False, or True for a hyperprior"):
        dataclasses.replace(PRESETS["mu"], medians=True, **change)


def test_the_light_transforms_take_three_widths():
    with pytest.raises(ValueError, match=f"widths must be a tuple of 3, each {WIDTH}"):
        dataclasses.replace(PRESETS["light"], widths=(48, 96))


@pytest.mark.parametrize(
    ("field", "wrong", "wanted"),
    [
        ("lmbda", 0.0, LMBDA),
        ("lmbda", math.inf, LMBDA),
        ("lmbda", math.nan, LMBDA),
        ("lmbda", (0.01, 0.01), LMBDA),
        ("lmbda", (0.0, 0.01), LMBDA),
        ("lmbda", (), LMBDA),
        ("lmbda", (0.1, 0.2, 0.3), LMBDA),
        ("decay", 0.0, "above 0 and at most 1"),
        ("settle", 1.0, "at least 0 and below 1"),
        ("augment", True, "False unless the training set is resident"),
        ("steps_per_call", 0, "1, or more where the training set is resident"),
        ("steps_per_call", 2, "1, or more where the training set is resident"),
        ("batch", 0, COUNT),
        ("batch", 1.5, COUNT),
        ("crop", 0, "a multiple of 64 pixels"),
        ("crop", -64, "a multiple of 64 pixels"),
        ("crop", 96, "a multiple of 64 pixels"),
        ("learning_rate", -1e-3, "finite and not below zero"),
        ("learning_rate", math.inf, "finite and not below zero"),
        ("warmup", -0.1, "at least 0 and below 1"),
        ("warmup", 1.0, "at least 0 and below 1"),  # nothing would be left to fall over
        ("clip", 0.0, "above zero"),
        ("clip", math.nan, "above zero"),
        ("ema", -0.1, "at least 0 and below 1"),
        ("ema", 1.0, "at least 0 and below 1"),
        ("seed", -1, "a whole number, not below zero"),
        ("steps", 0, COUNT),
        ("steps", 2.5, COUNT),
        ("validate_minutes", 0.0, "above zero"),
    ],
)
def test_runs_that_cannot_be(field, wrong, wanted):
    with pytest.raises(ValueError, match=f"^{re.escape(f'{field} must be {wanted}, not {wrong!r}')}$"):
        TrainConfig(**({"data": "", "steps": 10} | {field: wrong}))


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf, math.nan])
def test_minutes_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="minutes must be finite and above zero"):
        TrainConfig(data="", minutes=wrong)


def test_length_is_given_once():
    for wrong in ({}, {"steps": 1, "minutes": 1.0}):
        with pytest.raises(ValueError, match="minutes or as steps"):
            TrainConfig(data="", **wrong)


def test_the_bounds_themselves_are_allowed():
    TrainConfig(data="", steps=1, batch=1, crop=64, learning_rate=0.0, warmup=0.0, ema=0.0, clip=math.inf)
