"""A run whose folder is not as it was left: checkpoints that are damaged, and a best that says nothing any more."""

import dataclasses
import json
import os
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.checkpoints import checkpoint, digest
from gllmm_jax.checkpoints.checkpoint import CheckpointError, Checkpoints, load_best
from gllmm_jax.checkpoints.record import Record
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.optimizer.state import TrainState

# Of the many arrays of a checkpoint that cannot be read Orbax waits for one.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

RECORD = Record(
    ModelConfig("tiny", "light", (4, 4, 4), latents=4, hyper=4, hidden=(8, 8), components=1, attention=False),
    TrainConfig(data="photographs", steps=10),
    best_loss=2.0,
    held_out="these",
    data={"iterator": {"next_index": 7}, "files": 1},
)


def at(step, **changes):
    return dataclasses.replace(RECORD, step=step, seconds=1.5 * step, **changes)


def state_of(seed):
    """A state of a few arrays, of numbers that do not compress."""
    rng = np.random.default_rng(seed)
    weights, average = ({name: rng.normal(size=(8, 16)).astype(np.float32) for name in "ab"} for _ in range(2))
    numbers: Any = np.array(seed, np.int32), np.array([0, seed], np.uint32)
    return TrainState(numbers[0], weights, average, (), numbers[1])


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.fixture(autouse=True)
def few_arrays(monkeypatch):
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), state_of(0))
    monkeypatch.setattr(checkpoint, "state_shapes", lambda *_: shapes)


@pytest.fixture
def run(tmp_path):
    """A run of two checkpoints, the first of which is the best."""
    with Checkpoints(tmp_path / "run") as checkpoints:
        for step in (1, 2):
            checkpoints.save(state_of(step), at(step), best=step == 1, wait=True)
    return tmp_path / "run"


def restored(run, record=RECORD):
    with Checkpoints(run) as checkpoints:
        found = checkpoints.restore_latest(record)
    assert found is not None
    return found


def told(caplog):
    """What this library said; Orbax has remarks of its own."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("gllmm_jax")]


def meta(run, series, step):
    return run / series / str(step) / "meta" / "metadata"


def delete(path):
    path.unlink()


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def flip(share):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[int(share * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return damage


DAMAGES = {"delete": delete, "cut": cut, "empty": empty} | {f"flip {x}": flip(x) for x in (0.1, 0.3, 0.5, 0.7, 0.9)}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_whatever_file_of_the_newest_is_damaged_a_state_that_was_saved_comes_back(run, tmp_path, caplog, damage):
    """Orbax passes over some files; where it needs the one that is damaged, the older state is taken."""
    files = sorted(path.relative_to(run) for path in (run / "latest" / "2").rglob("*") if path.is_file())
    passed_over = []
    for file in files:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(run, tmp_path / "copy")
        damage(tmp_path / "copy" / file)
        caplog.clear()
        state, record = restored(tmp_path / "copy")
        assert same(state, state_of(record.step)), file
        assert record == at(record.step), file
        line = (
            f"the checkpoint of step 2 in {tmp_path}/copy/latest is damaged or cannot be read: step 1 is taken instead"
        )
        assert told(caplog) == ([line] if record.step == 1 else []), file
        if record.step == 1:
            passed_over.append(file.name)
    assert {"metadata", "manifest.ocdbt"} <= set(passed_over) and len(passed_over) >= 3


@pytest.mark.parametrize("folder", ["", "meta", "state", "state/d"])
def test_a_folder_that_is_empty_is_damage(run, caplog, folder):
    shutil.rmtree(run / "latest" / "2" / folder)
    (run / "latest" / "2" / folder).mkdir()
    assert same(restored(run)[0], state_of(1))
    assert "step 1 is taken instead" in caplog.text


@pytest.mark.parametrize(("what", "other"), [("seconds", 9.0), ("best_loss", 0.5), ("data", {}), ("arrays", "0")])
def test_a_record_that_was_changed_is_damage(run, caplog, what, other):
    values = json.loads(meta(run, "latest", 2).read_text())
    meta(run, "latest", 2).write_text(json.dumps(values | {what: other}))
    assert restored(run)[1].step == 1
    assert "step 1 is taken instead" in caplog.text


def test_a_run_that_fell_back_goes_on_and_puts_a_good_one_in_its_place(run, caplog):
    cut(meta(run, "latest", 2))
    with Checkpoints(run) as checkpoints:
        found = checkpoints.restore_latest(RECORD)
        assert found is not None and checkpoints.latest_step() == 1
        checkpoints.save(found[0], found[1])  # stopped at once: nothing is new, and nothing is thrown away
        assert sorted(path.name for path in (run / "latest").iterdir()) == ["1", "2"]
        checkpoints.save(state_of(2), at(2), wait=True)
    caplog.clear()
    assert same(restored(run)[0], state_of(2))
    assert sorted(path.name for path in (run / "latest").iterdir()) == ["1", "2"]
    assert not told(caplog)


def test_a_damaged_one_that_is_far_ahead_does_not_outlive_the_next_save(run):
    with Checkpoints(run) as checkpoints:
        checkpoints.save(state_of(9), at(9), wait=True)
    cut(meta(run, "latest", 9))
    with Checkpoints(run) as checkpoints:
        assert checkpoints.restore_latest(RECORD) is not None
        for step in (3, 4):
            checkpoints.save(state_of(step), at(step), wait=True)
    assert sorted(path.name for path in (run / "latest").iterdir()) == ["3", "4"]


def test_where_none_is_whole_the_error_says_what_to_do(run):
    for step in (1, 2):
        cut(meta(run, "latest", step))
    sentence = (
        r"no checkpoint in .*/run/latest can be read \(step 2, step 1\): .* damaged.* Put a copy in their place, or"
    )
    with Checkpoints(run) as checkpoints, pytest.raises(CheckpointError, match=sentence):
        checkpoints.restore_latest(RECORD)
    assert sorted(path.name for path in (run / "latest").iterdir()) == ["1", "2"]


def test_a_record_from_before_there_were_digests_is_accepted(run, caplog):
    for series, step in (("best", 1), ("latest", 2)):
        values = json.loads(meta(run, series, step).read_text())
        for name in ("digest", "arrays", "held_out"):
            del values[name]
        meta(run, series, step).write_text(json.dumps(values))
    state, record = restored(run, at(0, held_out="others"))
    assert same(state, state_of(2))
    assert record == at(2, held_out="others")  # and its best stands
    assert same(load_best(run)[1], state_of(1).ema)
    assert not told(caplog)


def test_a_digest_is_that_of_types_shapes_and_numbers():
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.uint32), array.reshape(2, 3), array[::-1], array[:5], np.float32(0)]
    assert len({digest.of_arrays({"a": a}) for a in [array, *others]}) == 6
    assert digest.of_arrays([jnp.asarray(array)[::-1].T]) == digest.of_arrays([array[::-1]])


def test_damaged_best_weights_are_forgotten_and_never_exported(run, caplog):
    for file in (run / "best" / "1").rglob("d/*"):
        flip(0.5)(file)
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .*/best can be read \(step 1\).* delete that folder to do"
    ):
        load_best(run)
    with Checkpoints(run) as checkpoints:
        found = checkpoints.restore_latest(RECORD)
        assert found is not None and found[1] == at(2, best_loss=None)
        assert f"the best weights in {run} are damaged or cannot be read: they are forgotten" in caplog.text
        checkpoints.save(state_of(3), at(3, best_loss=5.0), best=True)
    assert same(load_best(run)[1], state_of(3).ema)


@pytest.mark.parametrize("step", [1, 3])
def test_a_best_judged_on_other_images_gives_way_to_the_next(run, caplog, step):
    """Whatever its step and its loss."""
    others = at(0, held_out="others")
    with Checkpoints(run) as checkpoints:
        checkpoints.save_best(state_of(2).ema, at(2))  # of steps that a kill has lost, where the next is before it
        found = checkpoints.restore_latest(others)
        assert found is not None and found[1] == at(2, best_loss=None, held_out="others")
        assert told(caplog) == [
            "the held-out images have changed since the checkpoint: the best loss so far is forgotten"
        ]
        checkpoints.save_best(state_of(3).ema, at(step, best_loss=7.0, held_out="others"))
    assert same(load_best(run)[1], state_of(3).ema)
    assert restored(run, others)[1].best_loss == 7.0
