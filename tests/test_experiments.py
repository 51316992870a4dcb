"""Recipes and ablations: settings that make a run, of a model there is. None is run here."""

import csv
import dataclasses
import importlib
import math
import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import ModelConfig, Progressive, TrainConfig
from gllmm_jax.presets import PRESETS
from gllmm_jax.prob import mixture

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
RECIPES = sorted(path for path in (EXPERIMENTS / "recipes").glob("*.py") if path.stem != "common")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_runs_that_can_be(path, monkeypatch):
    given = {}

    def launch(about, model, **settings):
        given.update(about=" ".join(about.split()), model=model, settings=settings)

    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.setattr(importlib.import_module("common"), "launch", launch)
    runpy.run_path(str(path), run_name="__main__")
    assert f"python experiments/recipes/{path.name} " in given["about"]
    assert "Cost: " in given["about"]
    assert "To expect: " in given["about"]
    lmbda = given["settings"].get("lmbda") or 0.013
    config = TrainConfig(**({"data": "", "lmbda": lmbda} | given["settings"]))
    assert isinstance(given["model"](config.lmbda), ModelConfig)


def test_ablation(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    ablation = importlib.import_module("ablation")
    models = dict(ablation.variants("gllmm-128"))
    assert len({str(model.to_dict()) for model in models.values()}) == len(models) == 13
    assert models["mixture GMM3"].families == ("gaussian",)
    assert not models["no attention"].attention
    assert (models["residual, msp"].transform, models["residual, msp"].msp) == ("residual", Progressive())
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["split", "loss", "bpp", "psnr"], ["validation", 2.0, 0.5, 30.0], ["train", 0.1, 0.1, 40.0]])
        writer.writerows([["validation", 1.5, 0.4, 31.0], ["validation", 1.8, 0.3, 32.0]])
    assert ablation.best(tmp_path / "log.csv") == {"loss": 1.5, "bpp": 0.4, "psnr": 31.0}


@pytest.mark.parametrize("after", [("gaussian", 3), ("laplace", 3), ("logistic", 1)])
def test_a_last_layer_for_another_mixture_keeps_means_deviations_and_weights(monkeypatch, after):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    behind = importlib.import_module("entropy_behind")
    config = dataclasses.replace(PRESETS["light"], latents=6)
    changed = dataclasses.replace(config, families=(after[0],), components=after[1])
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(8, 9 * 6)).astype(np.float32), jnp.asarray(rng.normal(size=(5, 8)), jnp.float32)
    old = mixture.split(x @ kernel, config.families, 1)
    new = mixture.split(x @ behind.last_kernel(kernel, config, changed), changed.families, changed.components)
    kept, wider = (slice(3), 1.0) if changed.components == 3 else (slice(behind.ALONE[0], 2), behind.ALONE[1])
    np.testing.assert_allclose(new.mean, old.mean[:, kept], rtol=1e-5)
    deviations = {"gaussian": 1.0, "laplace": math.sqrt(2), "logistic": math.pi / math.sqrt(3)}
    own = np.array([deviations[name] for name in config.families])[None, kept, None]
    expected, found = wider * own * np.asarray(old.scale)[:, kept], np.asarray(new.scale) * deviations[after[0]]
    above = expected > 4 * mixture.SCALE_MIN  # where no floor is
    np.testing.assert_allclose(found[above], expected[above], rtol=1e-4)
    if changed.components == 3:
        np.testing.assert_allclose(new.log_weight, old.log_weight, atol=1e-5)
    assert behind.last_kernel(kernel, config, config) is kernel
