"""Real processes: several that train together, and one that is killed again and again."""

import csv
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from gllmm_jax.checkpoints.checkpoint import Checkpoints
from gllmm_jax.checkpoints.record import Record, run_folder
from gllmm_jax.train import loop
from tests.train.worker import TINY, config

SLOW = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def start():
    """The function (arguments, module, environment) that starts a Python: a worker unless `module` is another."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": root}

    def begin(*arguments: object, module: str = "tests.train.worker", **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=root, env=environment | more, **pipes)

    return begin


def finish(*processes: subprocess.Popen[str]) -> str:
    said = ""
    for process in processes:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said
    return said


def an_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def saved(workdir):
    """The newest step in whole checkpoints of a run, 0 before the first."""
    folders = (run_folder(workdir, config("", 1).lmbda) / "latest").glob("*")
    return max((int(path.name) for path in folders if path.name.isdigit()), default=0)


def latest(folder, workdir, steps):
    """The state that a run ended with, and what it says about itself."""
    train_config = config(folder, steps)
    with Checkpoints(run_folder(workdir, train_config.lmbda)) as checkpoints:
        found = checkpoints.restore_latest(Record(TINY, train_config))
    assert found is not None and found[1].step == steps
    return found


@pytest.mark.parametrize("count", [pytest.param(2, marks=SLOW), pytest.param(4, marks=SLOW)])
def test_processes_together_do_what_one_does(folder, tmp_path, start, count):
    """And their checkpoint goes on in one process, as if it had been one all along."""
    address = an_address()
    finish(*(start(folder, tmp_path / "several", 20, address, count, i) for i in range(count)))
    loop.train(TINY, config(folder, 20), tmp_path / "one", show=False)
    (one, record), (several, record_of_several) = (latest(folder, tmp_path / name, 20) for name in ("one", "several"))
    assert record.data == record_of_several.data
    close(several, one)
    assert judged(tmp_path / "several") == pytest.approx(judged(tmp_path / "one"), rel=1e-3)
    for name in ("one", "several"):
        loop.train(TINY, config(folder, 26), tmp_path / name, show=False)
    close(latest(folder, tmp_path / "several", 26)[0], latest(folder, tmp_path / "one", 26)[0])


def judged(workdir):
    """The validation loss in the last row of a run's log."""
    with (run_folder(workdir, config("", 1).lmbda) / "log.csv").open(newline="") as file:
        row = [row for row in csv.DictReader(file) if row["split"] == "validation"][-1]
    assert row["step"] == "20"
    return float(row["loss"])


def close(found, expected):
    """Sums in another order, over twenty steps."""
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_it_goes_on_to_the_same_weights(folder, tmp_path, start):
    """Ten times, each at a random moment after its next checkpoint; what was saved before is not done again.

    A kill while Orbax removes an old checkpoint leaves a part of the checkpoint, and Orbax warns of that part.
    """
    rng, steps = np.random.default_rng(), 500
    for _ in range(10):
        before = saved(tmp_path / "killed")
        process = start(folder, tmp_path / "killed", steps)
        assert process.stderr is not None
        assert f" at step {before} in " in next(line for line in process.stderr if not line.startswith("WARNING:absl:"))
        deadline = time.monotonic() + 200
        while saved(tmp_path / "killed") == before:
            assert process.poll() is None and time.monotonic() < deadline, "no checkpoint to go on from"
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 2.0))
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.communicate()
    newest = saved(tmp_path / "killed")
    assert f"resuming at step {newest} in " in finish(start(folder, tmp_path / "killed", steps)) and newest > 0
    finish(start(folder, tmp_path / "straight", steps))
    (killed, record), (straight, record_of_straight) = (
        latest(folder, tmp_path / n, steps) for n in ("killed", "straight")
    )
    assert record.data == record_of_straight.data
    for a, b in zip(jax.tree.leaves(killed), jax.tree.leaves(straight), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_that_fails_ends_all(folder, tmp_path, start):
    """The first cannot open its log; the other would wait for it."""
    (run_folder(tmp_path, 0.013) / "log.csv").mkdir(parents=True)
    run = ["train", "--data", folder, "--workdir", tmp_path, "--preset", "light", "--lmbda", "0.013", "--steps", "9"]
    run += ["--batch", "4", "--crop", "64", "--coordinator", an_address(), "--processes", "2", "--process"]
    first, second = (start(*run, i, module="gllmm_jax") for i in range(2))
    _, said = first.communicate(timeout=120)
    assert first.returncode == 2 and "log.csv: it is a folder" in said
    second.communicate(timeout=120)
    assert second.returncode != 0


@pytest.mark.slow
def test_a_full_disk_of_one_stops_all_and_saves(folder, tmp_path, start):
    address = an_address()
    first = start(folder, tmp_path / "several", 4000, address, 2, 0, ROWS="3")
    second = start(folder, tmp_path / "several", 4000, address, 2, 1)
    finish(second)
    _, why = first.communicate(timeout=100)
    step = saved(tmp_path / "several")
    assert first.returncode != 0 and 0 < step < 4000
    assert f"the disk is full; step {step} is saved in" in why
