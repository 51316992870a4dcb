"""Recipes and the ablation: settings that make a run, of a model there is. None is run here."""

import csv
import importlib
import runpy
from pathlib import Path

import pytest

from gllmm_jax.config import ModelConfig, Progressive, TrainConfig

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
