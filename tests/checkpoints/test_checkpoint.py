"""Saving, restoring and refusing, without training anything."""

import dataclasses

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from gllmm_jax.checkpoints.checkpoint import CheckpointError, Checkpoints, SaveError, load_best
from gllmm_jax.checkpoints.record import Record, run_folder
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.optimizer.state import state_shapes
from gllmm_jax.presets import PRESETS

MODEL = ModelConfig("tiny", "light", (4, 4, 4), latents=4, hyper=4, hidden=(8, 8), components=1, attention=False)
TRAIN = TrainConfig(data="photographs", steps=10)


def make_state(record, seed):
    """A state of random numbers."""
    rng = np.random.default_rng(seed)
    shapes = state_shapes(record.model, record.train)
    return jax.tree.map(lambda s: rng.integers(0, 100, s.shape).astype(s.dtype), shapes)


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.fixture
def record():
    return Record(MODEL, TRAIN, step=7, seconds=1.5, best_loss=2.0, data={"iterator": {"next_index": 7}, "files": 1})


@pytest.fixture
def run(tmp_path):
    return run_folder(tmp_path, TRAIN.lmbda)


def test_folder_per_lambda(tmp_path):
    assert run_folder(tmp_path, 0.013) == tmp_path / "lmbda_0.0130"


def test_what_is_saved_comes_back(run, record):
    state = make_state(record, 0)
    with Checkpoints(run) as checkpoints:
        assert checkpoints.restore_latest(record) is None
        checkpoints.save_latest(state, record)
        checkpoints.save_latest(make_state(record, 1), record)  # the same step: kept already
    with Checkpoints(run) as checkpoints:
        restored = checkpoints.restore_latest(record)
    assert restored is not None
    assert_same(restored[0], state)
    assert restored[1] == record


def test_the_latest_two_are_kept(run, record):
    with Checkpoints(run) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save_latest(make_state(record, step), dataclasses.replace(record, step=step))
        assert checkpoints.latest_step() == 3
    assert sorted(p.name for p in (run / "latest").iterdir() if p.name.isdigit()) == ["2", "3"]


def test_only_the_newest_best_is_kept_whatever_its_step(run, record):
    """A run killed and resumed may find a best at the step of the one on disk, or before it."""
    with Checkpoints(run) as checkpoints:
        for seed, step in enumerate((5, 5, 4)):
            params = make_state(record, seed).ema
            checkpoints.save_best(params, dataclasses.replace(record, step=step, best_loss=3.0 - seed))
    model, params, train = load_best(run)
    assert (model, train) == (MODEL, TRAIN)
    assert_same(params, make_state(record, 2).ema)


def test_best_loss_is_that_of_the_best_on_disk(run, record):
    """Killed between the two saves, a run knows of its newest best."""
    with Checkpoints(run) as checkpoints:
        checkpoints.save_latest(make_state(record, 0), record)
        checkpoints.save_best(make_state(record, 1).ema, dataclasses.replace(record, step=9, best_loss=1.0))
        restored = checkpoints.restore_latest(record)
    assert restored is not None
    assert (restored[1].step, restored[1].best_loss) == (7, 1.0)


def test_load_best_finds_the_run_in_its_workdir(tmp_path, run, record):
    with Checkpoints(run) as checkpoints:
        checkpoints.save_best(make_state(record, 0).ema, record)
    assert_same(load_best(tmp_path)[1], load_best(run)[1])


def test_load_best_takes_the_latest_before_the_first_validation(run, record):
    state = make_state(record, 0)
    with Checkpoints(run) as checkpoints:
        checkpoints.save_latest(state, record)
    assert_same(load_best(run)[1], state.ema)


def test_load_best_says_what_is_missing(tmp_path, run, record):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        load_best(tmp_path)
    with Checkpoints(run):
        pass
    with pytest.raises(CheckpointError, match="holds no checkpoint yet"):
        load_best(tmp_path)
    with Checkpoints(run_folder(tmp_path, 0.1)):
        pass
    with pytest.raises(CheckpointError, match="several runs"):
        load_best(tmp_path)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (Record(PRESETS["light"], TRAIN), "preset tiny, not light"),
        (Record(dataclasses.replace(MODEL, latents=8), TRAIN), "another tiny model"),
        (Record(MODEL, dataclasses.replace(TRAIN, lmbda=0.01301)), "lambda 0.013, not 0.01301"),
    ],
)
def test_another_run_is_refused(run, record, other, sentence):
    with Checkpoints(run) as checkpoints:
        checkpoints.save_latest(make_state(record, 0), record)
        with pytest.raises(CheckpointError, match=sentence):
            checkpoints.restore_latest(other)


def test_an_unfinished_save_is_not_a_checkpoint(run, record):
    """What a kill in mid-save leaves is passed over, and swept away by the next run."""
    with Checkpoints(run) as checkpoints:
        checkpoints.save_latest(make_state(record, 0), record)
    (run / "latest" / "9.orbax-checkpoint-tmp-3").mkdir()
    with Checkpoints(run) as checkpoints:
        assert checkpoints.latest_step() == 7
    assert not (run / "latest" / "9.orbax-checkpoint-tmp-3").exists()


@pytest.fixture
def full_disk(monkeypatch):
    """The function (saves) that has so many of the next saves fail as on a full disk, part of their files written."""
    save = ocp.CheckpointManager.save

    def arrange(saves):
        def fail(manager, step, **settings):
            nonlocal saves
            if saves == 0:
                return save(manager, step, **settings)
            saves -= 1
            (manager.directory / f"{step}.orbax-checkpoint-tmp").mkdir()
            raise ValueError("RESOURCE_EXHAUSTED: Error writing: No space left on device [os_error_code='28']")

        monkeypatch.setattr(ocp.CheckpointManager, "save", fail)

    return arrange


def steps_in(run):
    return sorted(path.name for path in (run / "latest").iterdir())


def test_on_a_full_disk_older_checkpoints_make_room(run, record, full_disk):
    states = [make_state(record, step) for step in (1, 2, 3)]
    with Checkpoints(run) as checkpoints:
        for step in (1, 2):
            checkpoints.save(states[step - 1], dataclasses.replace(record, step=step), best=step == 1, wait=True)
        full_disk(1)
        with pytest.raises(SaveError, match="is full: step 3 was saved in place of older checkpoints"):
            checkpoints.save(states[2], dataclasses.replace(record, step=3), best=True)
    assert steps_in(run) == ["2", "3"]
    with Checkpoints(run) as checkpoints:
        restored = checkpoints.restore_latest(record)
    assert restored is not None
    assert_same(restored[0], states[2])
    assert_same(load_best(run)[1], states[0].ema)


def test_on_a_disk_that_stays_full_the_newest_checkpoint_stands(run, record, full_disk):
    with Checkpoints(run) as checkpoints:
        for step in (1, 2):
            checkpoints.save(make_state(record, step), dataclasses.replace(record, step=step), wait=True)
        full_disk(2)
        with pytest.raises(SaveError, match="is full: the steps since the checkpoint of step 2 are lost"):
            checkpoints.save(make_state(record, 3), dataclasses.replace(record, step=3))
    assert steps_in(run) == ["2"]


def test_a_save_that_fails_otherwise_says_why(run, record, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("not allowed here")

    with Checkpoints(run) as checkpoints:
        monkeypatch.setattr(ocp.CheckpointManager, "save", refuse)
        with pytest.raises(SaveError, match=r"cannot save in .* \(not allowed here\): nothing was saved yet"):
            checkpoints.save(make_state(record, 0), record)
