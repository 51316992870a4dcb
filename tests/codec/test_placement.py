"""Transforms and exact path on devices of their own, processors that JAX makes believe are several; other processes."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import gllmm_jax
from gllmm_jax import placement, zoo
from gllmm_jax.cli import main

ROOT = Path(__file__).parent.parent.parent

THREE = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=3"

RUN = """
import sys
import jax
import numpy as np
import gllmm_jax
from gllmm_jax.lof import Overfit

_, first, second = jax.devices()
get, fetched = jax.device_get, set()


def watched(arrays):
    fetched.update(d for leaf in jax.tree.leaves(arrays) for d in leaf.devices())
    return get(arrays)


weights = sys.argv[1]
picture, data, shown = np.load(sys.argv[2]).values()
data = data.tobytes()
jax.config.update("jax_transfer_guard_device_to_device", "disallow")  # in every thread
codec = gllmm_jax.load(weights, transforms=first, entropy="cpu:2")
assert {d for leaf in jax.tree.leaves(codec.twin.nets) for d in leaf.devices()} == {second}
assert codec.compress(picture) == data
assert np.array_equal(codec.decompress(data), shown)
assert codec.decompress_many([data] * 3)[2].shape == picture.shape
jax.device_get = watched
together = codec.decompress_many([data] * 3, batch=3)[2]
jax.device_get = get
assert fetched == {second}, fetched
assert np.allclose(together, shown.astype(int), atol=1)  # equal up to rounding
codec.encode(picture, refine=Overfit(steps=1))
assert {d for leaf in jax.tree.leaves(codec.params) for d in leaf.devices()} == {first}
left = {d for array in jax.live_arrays() for d in array.devices()}
assert left == {first, second}, left
print("placed")
"""


def test_each_array_is_where_it_should_be(mu_file, mu_codec, photograph, tmp_path):
    """No array of a codec is on the third device, which is JAX's default, and none is copied between the two."""
    picture = photograph(40, 56)
    data = mu_codec.compress(picture)
    np.savez(tmp_path / "plain.npz", picture, np.frombuffer(data, np.uint8), mu_codec.decompress(data))
    command = [sys.executable, "-c", RUN, str(mu_file), str(tmp_path / "plain.npz")]
    environment = {**os.environ, "XLA_FLAGS": THREE, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "placed\n", done.stderr


MANY_QUALITIES = """
import sys
import jax
import gllmm_jax

jax.config.update("jax_transfer_guard_device_to_device", "disallow")
_, first, second = jax.devices()
codec = gllmm_jax.load(sys.argv[1], transforms=first, entropy=second)
for chosen in (codec, codec.at(90)):
    assert {d for leaf in jax.tree.leaves(chosen.params) for d in leaf.devices()} == {first}
    assert {d for leaf in jax.tree.leaves(chosen.twin.nets) for d in leaf.devices()} == {second}
print("placed")
"""


def test_each_quality_is_where_it_should_be(vr_file):
    """Nothing comes by way of JAX's default device, and the twin is in its place before anybody uses it."""
    command = [sys.executable, "-c", MANY_QUALITIES, str(vr_file)]
    environment = {**os.environ, "XLA_FLAGS": THREE, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "placed\n", done.stderr


def test_names_of_devices(mu_file, mu_weights):
    with pytest.raises(ValueError, match=r"^there is no device 'cpu:7'; JAX sees cpu:0"):
        gllmm_jax.load(mu_file, entropy="cpu:7")
    with pytest.raises(ValueError, match=r"^there is no device 'gpux'"):
        gllmm_jax.load(mu_file, transforms="gpux")
    assert gllmm_jax.load(mu_weights, transforms="cpu").transforms == jax.devices("cpu")[0]
    assert placement.device("cpu:0") == placement.device(jax.devices("cpu")[0]) == jax.devices("cpu")[0]


@pytest.mark.parametrize("option", ["--transforms", "--entropy"])
def test_every_command_passes_its_devices_on(mu_file, mu_codec, photo, tmp_path, monkeypatch, capsys, option):
    monkeypatch.setenv(zoo.PLACES, str(mu_file.parent))
    data = tmp_path / "small.gllm"
    data.write_bytes(mu_codec.compress(np.zeros((8, 8, 3), np.uint8)))
    for command in (["compress", photo, "--model", mu_file], ["decompress", data], ["evaluate", photo]):
        assert main([*map(str, command), option, "cpu:7"]) == 2
        assert "there is no device 'cpu:7'; JAX sees cpu:0" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["cpu:-1", "cpu:", "cpu:0:0", "cpu: 0", "cpu:0\n", "cpu:" + 5000 * "9", ":0", "", 0])
def test_what_names_no_device(wrong):
    with pytest.raises(ValueError, match=r"(?s)^there is no device .*; JAX sees cpu:0"):
        placement.device(wrong)


def test_beside_an_accelerator_the_walk_stays_with_the_host(monkeypatch):
    assert placement.for_entropy(None) is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert placement.for_entropy(None) == jax.devices("cpu")[0]
    assert placement.device(None) is None


FORK = """
import os, sys, warnings
import numpy as np
import gllmm_jax
warnings.simplefilter("ignore")
codec = gllmm_jax.load(sys.argv[1])
codec.compress(np.zeros((8, 8, 3), np.uint8))
if os.fork() == 0:
    for again in (lambda: codec.compress(np.zeros((8, 8, 3), np.uint8)), lambda: gllmm_jax.load(sys.argv[1])):
        try:
            again()
        except RuntimeError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_after_a_fork_it_says_so_where_it_would_hang(mu_file):
    done = subprocess.run([sys.executable, "-c", FORK, str(mu_file)], capture_output=True, text=True, timeout=120)
    assert done.stdout.count("JAX began before the process forked") == 2, done.stderr
