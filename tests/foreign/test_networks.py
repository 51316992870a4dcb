"""Networks as programs for others: equal to ours, and run without this package or Flax."""

import dataclasses
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax import export

from gllmm_jax import zoo
from gllmm_jax.cli import main
from gllmm_jax.config import VariableRate
from gllmm_jax.foreign.networks import networks, of_quality, onnx, stablehlo, takes_any_size
from gllmm_jax.nn.model import apply
from tests.codec.twins import BOARD, ELIC, FAST, PLAIN
from tests.parameters import random_params

LONE = """
import sys
sys.modules["flax"] = sys.modules["gllmm_jax"] = None
import jax, numpy as np
from jax import export
arrays = np.load(sys.argv[2])
made = jax.tree.leaves(export.deserialize(open(sys.argv[1], "rb").read()).call(*arrays.values()))
np.savez(sys.argv[3], *map(np.asarray, made))
"""


def inputs(config, name, size=(64, 128)):
    rng = np.random.default_rng(0)
    shapes = [(1, size[0] // stride, size[1] // stride, channels) for stride, channels in networks(config)[name].takes]
    return [rng.uniform(0, 1, shape).astype(np.float32) for shape in shapes]


def ours(config, params, name, arrays):
    return jax.tree.leaves(apply(config, params, *arrays, method=networks(config)[name].method))


def close(theirs, own):
    """Within 1e-4 of the largest value: random parameters make large ones."""
    own = np.asarray(own)
    assert theirs.shape == own.shape
    assert np.abs(np.asarray(theirs) - own).max() <= 1e-4 * np.abs(own).max()


def loaded(data):
    """The function that a program is."""
    return export.deserialize(bytearray(data)).call


def test_a_process_without_flax_runs_them(tmp_path, mu_file):
    weights = zoo.read(mu_file)
    params = of_quality(weights)
    assert main(["networks", "--model", str(mu_file), "-o", str(tmp_path / "made")]) == 0
    names = list(networks(weights.config))
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(f"{name}.stablehlo" for name in names)
    for name in ("synthesis", "distributions"):
        arrays = inputs(weights.config, name)
        np.savez(tmp_path / "given.npz", *arrays)
        line = [sys.executable, "-c", LONE, tmp_path / "made" / f"{name}.stablehlo", tmp_path / "given.npz"]
        subprocess.run([*line, tmp_path / "found.npz"], check=True)
        with np.load(tmp_path / "found.npz") as found:
            for theirs, own in zip(found.values(), ours(weights.config, params, name, arrays), strict=True):
                close(theirs, own)


def test_one_program_serves_all_sizes_and_counts():
    params = random_params(PLAIN)
    program = loaded(stablehlo(PLAIN, params, "hyper_synthesis"))
    for shape in ((1, 1, 2, 4), (3, 2, 1, 4)):
        z = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        (own,) = ours(PLAIN, params, "hyper_synthesis", [z])
        close(program(z), own)


@pytest.mark.parametrize("config", [BOARD, FAST], ids=lambda config: config.preset)
def test_some_depend_on_the_size(config):
    params = random_params(config)
    assert takes_any_size(config, "synthesis")
    with pytest.raises(ValueError, match="depends on the size"):
        stablehlo(config, params, "distributions")
    with pytest.raises(ValueError, match="multiples of 64"):
        stablehlo(config, params, "distributions", size=(64, 65))
    program = loaded(stablehlo(config, params, "distributions", size=(64, 128)))
    arrays = inputs(config, "distributions")
    for theirs, own in zip(program(*arrays), ours(config, params, "distributions", arrays), strict=True):
        close(theirs, own)


def test_parameters_of_one_quality():
    config = dataclasses.replace(PLAIN, rate=VariableRate())
    weights = zoo.Weights("a", config, random_params(config), {}, {})
    y = inputs(config, "hyper_analysis")
    low, high = (loaded(stablehlo(config, of_quality(weights, index), "hyper_analysis"))(*y) for index in (0, 255))
    assert not np.allclose(low, high)


def test_what_there_is_not(tmp_path, mu_file, capsys):
    line = ["networks", "--model", str(mu_file), "-o", str(tmp_path)]
    assert main([*line, "--network", "context"]) == 2
    assert "has no network 'context': there are analysis, synthesis, hyper_analysis" in capsys.readouterr().err
    assert main([*line, "--quality", "50"]) == 2
    assert "has one quality" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["analysis", "synthesis", "hyper_analysis", "hyper_synthesis", "distributions"])
def test_onnx_runtime_runs_them(name):
    pytest.importorskip("jax2onnx", reason="needs the extra onnx")
    runtime = pytest.importorskip("onnxruntime")
    params = random_params(PLAIN)
    with jax.numpy_rank_promotion("allow"):  # jax2onnx adds biases of its own
        session = runtime.InferenceSession(onnx(PLAIN, params, name, size=(64, 128)))
    arrays = inputs(PLAIN, name)
    found = session.run(None, {given.name: array for given, array in zip(session.get_inputs(), arrays, strict=True)})
    for theirs, own in zip(found, ours(PLAIN, params, name, arrays), strict=True):
        close(theirs, own)


def test_what_onnx_refuses_is_an_error():
    pytest.importorskip("jax2onnx", reason="needs the extra onnx")
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match="jax2onnx cannot take distributions: "):
        onnx(ELIC, random_params(ELIC), "distributions", size=(64, 128))
