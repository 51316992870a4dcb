"""`explain` and `cost`: what they print is what the library says."""

import json

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.cli import main
from gllmm_jax.evaluate import cost
from gllmm_jax.presets import PRESETS

pytestmark = pytest.mark.usefixtures("only_mu", "no_cache")


def report(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_explain(capsys, photo, tmp_path):
    outputs = "-o", tmp_path / "map.png", "--arrays", tmp_path / "it.npz"
    facts = report(capsys, "explain", photo, *outputs)
    assert facts["bpp"] == pytest.approx(facts["bits"] / 400) and facts["model"] == "mu-random"
    with np.load(tmp_path / "it.npz") as arrays:
        assert arrays["bits"].sum() == pytest.approx(facts["parts"]["latents"], rel=1e-5)
        assert {"responsibilities", "means", "scales", "weights", "z_bits"} < set(arrays)
    with Image.open(tmp_path / "map.png") as shown:
        assert shown.format == "PNG" and shown.width > 400
    assert main(["explain", str(photo), *map(str, outputs)]) == 2
    assert "map.png is there already" in capsys.readouterr().err
    assert main(["explain", str(photo), "-o", "map.jpg"]) == 2
    assert capsys.readouterr().err == "gllmm-jax: map.jpg would be a PNG file of another name: let it end in .png\n"
    assert main(["explain", str(photo)]) == 0
    assert f"{facts['bits']:,.0f} bits, {facts['bpp']:.3f} a pixel, by mu-random" in capsys.readouterr().out


def test_cost(capsys):
    timed, counted = report(capsys, "cost", "mu-random", "light-checkerboard", "--size", 64, 48, "--repeats", 1)
    assert [(stage["call"], stage["name"]) for stage in timed["stages"]] == [
        ("encode", "analysis"),
        ("encode", "entropy"),
        ("decode", "entropy"),
        ("decode", "synthesis"),
    ]
    assert all(stage["seconds"] > 0 for stage in timed["stages"])
    assert all(stage["seconds"] is None for stage in counted["stages"])
    found = cost.costs(PRESETS["mu"])
    kmac = [stage["kmac"] for stage in timed["stages"]]
    assert kmac[0] + kmac[1] == pytest.approx(sum(found.values()) - found["synthesis"])
    assert kmac[2] + kmac[3] == pytest.approx(sum(found.values()) - found["analysis"] - found["hyper_analysis"])
    assert timed["parameters"] == sum(cost.parameters(PRESETS["mu"]).values())
    assert timed["rounds"] == cost.rounds(PRESETS["mu"], (64, 48))
    assert main(["cost", "mu-random", "--repeats", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mu-random: ") and [line.split("  ")[0] for line in lines[4::3]] == [
        "encode, in all",
        "decode, in all",
    ]
    assert main(["cost", "mu-9"]) == 2
    assert "there is no model 'mu-9'" in capsys.readouterr().err
