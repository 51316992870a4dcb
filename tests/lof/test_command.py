"""Latent overfitting on the command line."""

import json

import pytest

from gllmm_jax.cli import main
from gllmm_jax.lof import EFFORTS


def test_the_efforts_are_a_promise():
    assert EFFORTS == {1: 10, 2: 50, 3: 200, 4: 1000}


def test_compress(capsys, no_cache, mu_file, photo, tmp_path):
    def compressed(*more):
        arguments = ["compress", photo, "--model", mu_file, "-o", tmp_path / "out.gllm", "--force", *more]
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    assert json.loads(compressed("--json"))["refined"] is None
    assert json.loads(compressed("--json", "--effort", 1))["refined"]["rounds"] == EFFORTS[1]
    told = json.loads(compressed("--json", "--effort", 1, "--lof-steps", 3))
    refined = told["refined"]
    before, after = (refined[f"bpp_{when}"] + 0.013 * refined[f"mse_{when}"] for when in ("before", "after"))
    assert after <= before
    assert refined["rounds"] == 3
    assert refined["bytes_expected"] == pytest.approx(told["bytes"], abs=4)
    assert " dB by 1 rounds of search" in compressed("--lof-seconds", 0.001)
    assert main(["compress", str(photo), "--lof-method", "gumbel"]) == 2
    assert "give --effort too" in capsys.readouterr().err
    assert main(["decompress", str(tmp_path / "out.gllm"), "--model", str(mu_file)]) == 0
