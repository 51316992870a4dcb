"""Arrays that are no twin's, or whose bounds do not hold, are refused, and what cannot be made is named."""

import numpy as np
import pytest

from gllmm_jax.prob import tables
from gllmm_jax.twin.calibrate import make_twin
from gllmm_jax.twin.integer import twin_from_arrays
from gllmm_jax.twin.observe import Latents
from gllmm_jax.twin.wiring import HYPER as HYPERS
from tests.codec.twins import CHENG, MEAN, MU, PLAIN, SCALE, draw, tree, twin

HYPER, ENTROPY = HYPERS["gllmm"], ("context", "dense0", "dense1", "dense2")


def test_arrays_that_are_no_twin():
    arrays = dict(twin().arrays)
    with pytest.raises(ValueError, match=r"dense1\.bias"):
        twin_from_arrays(MU, {k: v for k, v in arrays.items() if k != "dense1.bias"})
    with pytest.raises(ValueError, match="dense1: sums may pass"):
        twin_from_arrays(MU, arrays | {"dense0.limit": arrays["dense0.limit"] * 8})
    with pytest.raises(ValueError, match="do not fit"):
        twin_from_arrays(PLAIN, arrays)
    with pytest.raises(ValueError, match="do not fit"):
        twin_from_arrays(MU, arrays | {"powers": arrays["powers"].astype(np.float32)})
    with pytest.raises(ValueError, match=r"do not fit.*classes\.cdf"):
        twin_from_arrays(MU, arrays | {"classes.cdf": arrays["prior.cdf"]})
    for name in ("prior.cdf", "prior.high", "conv2.kernel", "dense2.shift", "context.limit"):
        with pytest.raises(ValueError, match=f"do not fit.*{name}"):
            twin_from_arrays(MU, arrays | {name: arrays[name][..., :-1]})


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("dense0.limit", 3, -1),
        ("conv2.shift", 0, 100),
        ("y.limit", 0, 9000),
        ("powers", 0, 0),
        ("powers", -1, 1),
        ("powers", 7, 1 << 16),
        ("families", (0, 50), 1 << 16),
        ("families", (1, 4000), 0),
        ("prior.cdf", (2, 0), 1),
        ("prior.cdf", (2, 1), 0),
        ("prior.cdf", (0, -1), 65535),
        ("prior.low", 1, 1),
    ],
)
def test_tables_that_would_not_decode(name, place, value):
    """Somebody's weights file may hold anything; what it holds must never reach a decoder that would hang or differ."""
    arrays = dict(twin().arrays)
    arrays[name] = arrays[name].astype(np.int32)
    arrays[name][place] = value
    with pytest.raises(ValueError, match=name):
        twin_from_arrays(MU, arrays)


@pytest.mark.parametrize("name", HYPER + ENTROPY)
def test_every_sum_is_proven(name):
    """Heavy weights in all taps of a layer but the first, also where abs overflows the type they are stored in."""
    kernel = twin().arrays[f"{name}.kernel"]
    for value in (32767, -32767, -32768):
        heavy = np.full_like(kernel, value)
        heavy[: len(kernel) // 9] = 0
        with pytest.raises(ValueError, match=f"layer {name}: sums may pass"):
            twin_from_arrays(MU, dict(twin().arrays) | {f"{name}.kernel": heavy})
    bias = twin().arrays[f"{name}.bias"].copy()
    bias[1] = -(1 << 24)
    with pytest.raises(ValueError, match=f"layer {name}: sums may pass"):
        twin_from_arrays(MU, dict(twin().arrays) | {f"{name}.bias": bias})


DESIGNS = [(config, name) for config in (SCALE, MEAN, CHENG) for name in HYPERS[config.design]]


@pytest.mark.parametrize(("config", "name"), DESIGNS, ids=[f"{config.preset}-{name}" for config, name in DESIGNS])
def test_every_sum_of_other_designs_is_proven(config, name):
    """Heavy weights of the last output alone, and z of 256 values."""
    arrays = dict(twin(config).arrays)
    heavy = np.zeros_like(arrays[f"{name}.kernel"])
    heavy[..., -1] = 32767
    wide = {"prior.low": np.full(config.hyper, -127, np.int32), "prior.high": np.full(config.hyper, 128, np.int32)}
    cdf = np.full((config.hyper, 257), tables.TOTAL, np.int32)
    cdf[:, :256] = np.arange(256)
    widened = arrays | wide | {"prior.cdf": cdf}
    with pytest.raises(ValueError, match=f"layer {name}: sums may pass"):
        twin_from_arrays(config, widened | {f"{name}.kernel": heavy})


def test_supports_in_narrow_types():
    low, high = np.full(MU.hyper, -128, np.int8), np.zeros(MU.hyper, np.int32)
    cdf = np.full((MU.hyper, 130), tables.TOTAL, np.int32)
    cdf[:, :129] = np.arange(129)
    heavy = np.full_like(twin().arrays["conv0.kernel"], 30000)
    replaced = {"prior.low": low, "prior.high": high, "prior.cdf": cdf, "conv0.kernel": heavy}
    with pytest.raises(ValueError, match="layer conv0: sums may pass"):
        twin_from_arrays(MU, dict(twin().arrays) | replaced)


def test_layers_that_do_not_fit_are_named():
    calibration = [Latents(*draw(MU, 8, 8))]
    for name, value in (("dense1", np.nan), ("dense0", np.inf)):
        params = tree(MU)
        params["entropy"][name]["kernel"][3, 3] = value
        with pytest.raises(ValueError, match=name):
            make_twin(MU, params, calibration)
    params = tree(MU)
    params["entropy"]["dense1"]["bias"][0] = 1e12  # leaves no bits for its weights
    with pytest.raises(ValueError, match="dense1"):
        make_twin(MU, params, calibration)
    params["entropy"]["dense1"] = {part: 0 * array for part, array in params["entropy"]["dense1"].items()}
    params["entropy"]["dense2"]["kernel"][:, 0] = 0
    make_twin(MU, params, calibration)  # outputs that are always zero do fit
    with pytest.raises(ValueError, match="calibration"):
        make_twin(MU, tree(MU), [])
