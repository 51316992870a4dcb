"""Real processes: several that train together, and one that is killed again and again."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from gllmm_jax.train import loop
from gllmm_jax.train.checkpoint import Checkpoints
from gllmm_jax.train.record import Record, run_folder
from tests.train.worker import TINY, config

SLOW = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def start(folder, tmp_path):
    """The function (workdir's name, steps, *address) that starts a worker."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, **cache, "JAX_PLATFORMS": "cpu", "PYTHONPATH": root}

    def begin(name: str, steps: int, *address: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.train.worker", folder, tmp_path / name, steps, *address]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([str(part) for part in command], cwd=root, env=environment, **pipes)

    return begin


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said


def latest(folder, workdir, steps):
    """The state that a run ended with, and what it says about itself."""
    train_config = config(folder, steps)
    with Checkpoints(run_folder(workdir, train_config.lmbda)) as checkpoints:
        found = checkpoints.restore_latest(Record(TINY, train_config))
    assert found is not None and found[1].step == steps
    return found


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=SLOW)])
def test_processes_together_do_what_one_does(folder, tmp_path, start, count):
    """And their checkpoint goes on in one process, as if it had been one all along."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    finish(*(start("several", 20, address, count, i) for i in range(count)))
    loop.train(TINY, config(folder, 20), tmp_path / "one", show=False)
    (one, record), (several, record_of_several) = (latest(folder, tmp_path / name, 20) for name in ("one", "several"))
    assert record.data == record_of_several.data
    close(several, one)
    for name in ("one", "several"):
        loop.train(TINY, config(folder, 26), tmp_path / name, show=False)
    close(latest(folder, tmp_path / "several", 26)[0], latest(folder, tmp_path / "one", 26)[0])


def close(found, expected):
    """Sums in another order, over twenty steps."""
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=SLOW)])
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(folder, tmp_path, start, kills):
    rng, steps = np.random.default_rng(), 80 + 20 * kills
    for _ in range(kills):
        process = start("killed", steps)
        assert process.stderr is not None
        assert "at step" in process.stderr.readline(), "the run did not begin"
        time.sleep(rng.uniform(0.0, 1.2))
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.communicate()
    finish(start("killed", steps))
    finish(start("straight", steps))
    (killed, record), (straight, record_of_straight) = (
        latest(folder, tmp_path / n, steps) for n in ("killed", "straight")
    )
    assert record.data == record_of_straight.data
    for a, b in zip(jax.tree.leaves(killed), jax.tree.leaves(straight), strict=True):
        np.testing.assert_array_equal(a, b)
