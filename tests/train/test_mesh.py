"""One step on one device and on eight, in every way of saying so."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from gllmm_jax.checkpoints.checkpoint import Checkpoints
from gllmm_jax.checkpoints.record import Record
from gllmm_jax.train import loop
from tests.train.worker import TINY, config

ROOT = Path(__file__).parents[2]

WORKER = """
import jax, numpy as np, jax.numpy as jnp
from functools import partial
from jax.sharding import PartitionSpec as P
from gllmm_jax.config import TrainConfig
from gllmm_jax.nn.model import init_params
from gllmm_jax import mesh as devices
from gllmm_jax.optimizer.state import state_shardings
from gllmm_jax.train.step import create_state, make_train_step, make_update
from tests.train.worker import TINY

assert jax.device_count() == 8
model, config = TINY, TrainConfig("", steps=10, crop=64, batch=8, learning_rate=1e-3, warmup=0.0)
params = init_params(model, jax.random.key(0))
images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
images[:, 16:] = images[:, :48] // 2
fresh = lambda: create_state(config, params, jax.random.PRNGKey(1))

norm = lambda tree: sum(float(np.square(np.asarray(leaf, np.float64)).sum()) for leaf in jax.tree.leaves(tree)) ** 0.5
apart = lambda a, b: jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b), a, b)

def compare(name, found, metrics):
    update = norm(apart(expected.params, params))
    assert norm(apart(expected.params, found.params)) <= 1e-5 * update > 0, name
    assert norm(apart(expected.opt_state, found.opt_state)) <= 1e-5 * norm(expected.opt_state), name
    for key, value in figures.items():
        assert abs(float(value) - float(np.ravel(metrics[key])[0])) <= 1e-5 * abs(float(value)), (name, key)

one = make_train_step(model, config)
expected, figures = one(fresh(), jax.device_put(images, jax.devices()[0]), 0.25)

mesh = devices.make_mesh()
for shard_optimizer in (False, True):
    shardings = state_shardings(mesh, fresh(), shard_optimizer=shard_optimizer)
    state = devices.place(fresh(), shardings)
    step = make_train_step(model, config, state_sharding=shardings)
    state, metrics = step(state, devices.share_out(mesh, images), 0.25)
    compare(f"mesh {shard_optimizer}", state, metrics)
    split = [not leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state.opt_state)]
    assert any(split) == shard_optimizer
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state.params))

update = make_update(model, config, axis_name="data")
mapped = jax.pmap(update, axis_name="data", in_axes=(None, 0, None), out_axes=None)
compare("pmap", *mapped(fresh(), images.reshape(8, 1, 64, 64, 3), jnp.float32(0.25)))

shard_map = getattr(jax, "shard_map", None)
if shard_map is None:
    from jax.experimental.shard_map import shard_map
sharded = shard_map(update, mesh=mesh, in_specs=(P(), P("data"), P()), out_specs=(P(), P()))
compare("shard_map", *jax.jit(sharded)(fresh(), images, jnp.float32(0.25)))
print("equal")
"""


def test_eight_devices_do_what_one_does():
    """A mesh, with the optimizer's state whole and shared out, pmap and shard_map: to 1e-5 of the update."""
    done = subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, env=simulated(8), capture_output=True, text=True)
    assert done.stdout == "equal\n", done.stderr


RUN = """
import sys
from tests.train.worker import TINY, config
from gllmm_jax.train import loop
print(loop.train(TINY, config(sys.argv[1], 2), sys.argv[2], shard_optimizer=True).step)
"""


@pytest.mark.slow
def test_a_run_that_shares_its_optimizer_goes_on_on_one_device(folder, tmp_path):
    """To the weights of a run that was on one device all along, but for the order of sums."""
    command = [sys.executable, "-c", RUN, str(folder), str(tmp_path / "four")]
    done = subprocess.run(command, cwd=ROOT, env=simulated(4), capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr
    loop.train(TINY, config(folder, 2), tmp_path / "one", show=False)
    states = []
    for name in ("four", "one"):
        outcome = loop.train(TINY, config(folder, 4), tmp_path / name, show=False)
        with Checkpoints(outcome.folder) as checkpoints:
            found = checkpoints.restore_latest(Record(TINY, config(folder, 4)))
        assert found is not None and found[1].step == 4
        states.append(found[0])
    for a, b in zip(*(jax.tree.leaves(state.params) for state in states), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def simulated(devices: int) -> dict[str, str]:
    """The environment of a process with so many devices, all of them this machine's processor."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
