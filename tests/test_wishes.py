"""What users turn, at the command line and in Pillow: quality, size, rate and PSNR."""

import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gllmm_jax
import gllmm_jax.pillow
from gllmm_jax import zoo
from gllmm_jax.cli import main

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.fixture
def picture(photograph, tmp_path):
    path = tmp_path / "photograph.png"
    Image.fromarray(photograph(48, 64)).save(path)
    return path


def run(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 0
    return capsys.readouterr().out


def fails(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 2
    return capsys.readouterr().err


def test_compress(capsys, picture, tmp_path, vr_file):
    def compressed(*wish):
        output = tmp_path / "x.gllm"
        return json.loads(
            run(capsys, "compress", picture, "--model", vr_file, "-o", output, "--force", "--json", *wish)
        ), output

    plain, _ = compressed()
    assert plain["quality"] == 50
    fine, output = compressed("--quality", "80")
    assert (fine["quality"], fine["bytes"] > plain["bytes"]) == (80, True)
    facts = json.loads(run(capsys, "info", output, "--json"))
    assert facts["quality"] == 80
    limit = int(0.95 * plain["bytes"])
    small, _ = compressed("--max-bytes", limit)
    assert 0.9 * limit < small["bytes"] <= limit
    near, _ = compressed("--bpp", plain["bpp"] * 0.95)
    assert near["bpp"] == pytest.approx(plain["bpp"] * 0.95, rel=0.02)
    told = run(capsys, "compress", picture, "--model", vr_file, "-o", output, "--force", "--quality", "80")
    assert told.rstrip().endswith("bits a pixel, quality 80")
    told = run(capsys, "compress", picture, "--model", vr_file, "-o", output, "--force", "--psnr", "4.93")
    assert re.search(r"quality \d+\.?\d*, 4\.9\d dB$", told.rstrip())


def test_what_cannot_be(capsys, picture, mu_file, vr_file):
    line = fails(capsys, "compress", picture, "--model", vr_file, "--max-bytes", "10")
    assert line.startswith("gllmm-jax: --max-bytes 10 is out of reach: the least that this picture takes is ")
    line = fails(capsys, "compress", picture, "--model", vr_file, "--psnr", "99")
    assert line.startswith("gllmm-jax: --psnr 99.0 is out of reach: this picture has ")
    line = fails(capsys, "compress", picture, "--model", mu_file, "--quality", "30")
    assert "'mu-random' has one quality alone: name no quality, size, rate or PSNR, or take another model" in line
    for wrong in (["--quality", "101"], ["--quality", "nan"], ["--quality", "30", "--bpp", "1"]):
        with pytest.raises(SystemExit):
            main(["compress", str(picture), *wrong])


def test_evaluate_takes_several_qualities(capsys, picture, tmp_path, vr_file):
    arguments = ["evaluate", picture, "--model", vr_file, "--quality", "20", "80"]
    told = json.loads(run(capsys, *arguments, "--json", "-o", tmp_path / "kept"))
    assert [(row["image"], row["setting"]) for row in told["rows"]] == [("photograph", 20.0), ("photograph", 80.0)]
    assert [row["setting"] for row in told["means"]] == [20.0, 80.0]
    assert told["rows"][0]["bytes"] < told["rows"][1]["bytes"]
    kept = sorted(str(path.relative_to(tmp_path / "kept")) for path in (tmp_path / "kept").rglob("*.gllm"))
    assert kept == ["quality-20/photograph.gllm", "quality-80/photograph.gllm"]
    shown = run(capsys, *arguments)
    rows = [line.split()[1:3] for line in shown.splitlines()]
    assert all(row in rows for row in (["20", "photograph"], ["20", "mean"], ["80", "photograph"], ["80", "mean"]))


def test_pillow(picture, tmp_path, vr_file):
    codec, pixels = gllmm_jax.pillow.use(vr_file), np.asarray(Image.open(picture))
    Image.open(picture).save(tmp_path / "x.gllm", model=codec, quality=75)
    assert (tmp_path / "x.gllm").read_bytes() == codec.compress(pixels, quality=75)
    with Image.open(tmp_path / "x.gllm") as opened:
        assert opened.info["quality"] == 75
        assert np.array_equal(np.asarray(opened), codec.decompress((tmp_path / "x.gllm").read_bytes()))
    size = len(codec.compress(pixels))
    wishes: list[dict[str, Any]] = [{"max_bytes": int(0.95 * size)}, {"bpp": 0.95 * 8 * size / pixels[..., 0].size}]
    for wish in wishes:
        Image.open(picture).save(tmp_path / "y.gllm", model=codec, **wish)
        assert (tmp_path / "y.gllm").read_bytes() == codec.compress(pixels, **wish) != codec.compress(pixels)
    with pytest.raises(OSError, match="psnr=99 is out of reach"):
        Image.open(picture).save(tmp_path / "y.gllm", model=codec, psnr=99)


def test_a_run_over_a_range(tmp_path, capsys):
    line = fails(capsys, "train", "--data", tmp_path, "--workdir", tmp_path / "w", "--preset", "mu", "--steps", "1")
    assert "a mu is trained for one lambda or for a range of them: give --lmbda" in line
    arguments = ["train", "--data", tmp_path, "--workdir", tmp_path / "w", "--preset", "light-vr", "--steps", "1"]
    assert "serves a range of lambdas: give two" in fails(capsys, *arguments, "--lmbda", "0.01")
    with pytest.raises(SystemExit):
        main([*map(str, arguments), "--lmbda", "0.01:x"])
    assert zoo.DEFAULT == "light-vr-3"
