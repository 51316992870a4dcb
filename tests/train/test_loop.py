"""Stop and resume, the clock, the end on bad numbers; a tiny model where its arithmetic matters, else a stub."""

import csv
import importlib.util
import os
import signal
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gllmm_jax.checkpoints.checkpoint import CheckpointError, Checkpoints, load_best
from gllmm_jax.checkpoints.lock import FolderInUseError, locked
from gllmm_jax.checkpoints.record import Record, run_folder
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.files import WriteError
from gllmm_jax.presets import PRESETS
from gllmm_jax.train import loop, run
from gllmm_jax.train.log import CsvLog

TINY = ModelConfig("tiny", "light", (4, 4, 4), latents=4, hyper=4, hidden=(8, 8), components=1, attention=False)


def config(folder, **options) -> TrainConfig:
    return TrainConfig(**({"data": str(folder), "batch": 2, "crop": 64, "steps": 4} | options))


def latest(model, train_config, workdir) -> tuple[Any, Record]:
    with Checkpoints(run_folder(workdir, train_config.lmbda)) as checkpoints:
        found = checkpoints.restore_latest(Record(model, train_config))
    assert found is not None
    return found


def rows(outcome, split):
    with (outcome.folder / "log.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


@pytest.fixture
def stop_after(monkeypatch):
    """The function (step, signal number) that has the run receive the signal during that step."""

    def arrange(stop, number=signal.SIGTERM):
        class Meter(run.Meter):
            def add(self, step, metrics, steps=1):
                if step == stop:
                    os.kill(os.getpid(), number)
                super().add(step, metrics, steps)

        monkeypatch.setattr(run, "Meter", Meter)

    return arrange


def test_stop_and_resume_is_bit_identical_to_running_straight_through(folder, tmp_path, stop_after, monkeypatch):
    model, train_config = TINY, config(folder)
    straight = loop.train(model, train_config, tmp_path / "a", show=False)
    with monkeypatch.context():
        stop_after(2)
        stopped = loop.train(model, train_config, tmp_path / "b", show=False)
        assert (stopped.finished, stopped.step) == (False, 2)
        assert stopped.message.startswith("stopped by SIGTERM at step 2, saved in ")
    stop_after(-1)
    resumed = loop.train(model, train_config, tmp_path / "b", show=False)
    assert straight.finished
    assert resumed.finished
    assert straight.step == resumed.step == 4
    (state_a, record_a), (state_b, record_b) = (latest(model, train_config, tmp_path / run) for run in "ab")
    assert record_a.data == record_b.data
    for a, b in zip(jax.tree.leaves(state_a), jax.tree.leaves(state_b), strict=True):
        np.testing.assert_array_equal(a, b)
    assert straight.best_loss == resumed.best_loss
    assert [row["loss"] for row in rows(straight, "validation")] == [row["loss"] for row in rows(resumed, "validation")]
    # and what is exported is the average, of this model
    found, params, _ = load_best(tmp_path / "a")
    assert found == model
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(state_a.ema), strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_by_steps(folder, tmp_path, stub):
    outcome = loop.train(TINY, config(folder), tmp_path, show=False)
    assert stub.progress == [0.0, 0.25, 0.5, 0.75]
    assert outcome.finished
    assert "finished after 4 steps" in outcome.message


def test_the_clock_goes_on_after_a_stop(folder, tmp_path, stub, stop_after):
    stub.seconds = 0.1
    train_config = config(folder, steps=None, minutes=2.0 / 60)
    stop_after(5)
    stopped = loop.train(TINY, train_config, tmp_path, show=False)
    assert not stopped.finished
    saved = latest(TINY, train_config, tmp_path)[1].seconds
    assert saved > 0.5
    first = len(stub.progress)
    time.sleep(0.5)  # does not count
    stop_after(-1)
    outcome = loop.train(TINY, train_config, tmp_path, show=False)
    assert outcome.finished
    assert stub.progress == sorted(stub.progress)
    assert saved / 2.0 <= stub.progress[first] < saved / 2.0 + 0.25
    assert 0.7 < stub.progress[-1] < 1.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_leave_and_the_handlers_are_put_back(folder, tmp_path, stub, stop_after, number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    stop_after(3, number)
    outcome = loop.train(TINY, config(folder), tmp_path, show=False)
    assert outcome.step == 3
    assert number.name in outcome.message
    assert latest(TINY, config(folder), tmp_path)[1].step == 3
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert not stub.judged  # the one who stops a run does not wait for a validation


def test_a_finished_run_has_nothing_to_do_until_it_is_made_longer(folder, tmp_path, stub, caplog):
    loop.train(TINY, config(folder), tmp_path, show=False)
    again = loop.train(TINY, config(folder), tmp_path, show=False)
    assert again.finished
    assert again.message.startswith("nothing to do")
    assert loop.train(TINY, config(folder, steps=6), tmp_path, show=False).step == 6
    assert not caplog.records
    assert len(stub.progress) == 6
    loop.train(TINY, config(folder, steps=7, batch=3), tmp_path, show=False)
    assert "batch 2 -> 3" in caplog.text


def test_numbers_that_are_not_finite_end_the_run_and_leave_the_checkpoint(folder, tmp_path, stub):
    stub.loss = lambda step: float("nan") if step == 3 else 1.0
    train_config = config(folder, validate_minutes=1e-9)  # save at every step
    with pytest.raises(loop.NonFiniteError, match=r"at step 3 loss is nan; the checkpoint of step 2 in .* stands"):
        loop.train(TINY, train_config, tmp_path, show=False)
    state, record = latest(TINY, train_config, tmp_path)
    assert record.step == state.step == 2
    stub.loss = lambda step: 1.0
    assert loop.train(TINY, train_config, tmp_path, show=False).finished


def test_bad_numbers_at_the_start_leave_nothing(folder, tmp_path, stub):
    stub.loss = lambda step: float("inf")
    with pytest.raises(loop.NonFiniteError, match="at step 1 loss is inf; nothing was saved yet"):
        loop.train(TINY, config(folder), tmp_path, show=False)


def test_a_log_that_cannot_be_written_ends_the_run_and_saves_it(folder, tmp_path, stub, monkeypatch):
    def refuse(*_):
        raise WriteError("cannot write log.csv: the disk is full")

    train_config = config(folder, validate_minutes=1e-9)
    with monkeypatch.context() as full:
        full.setattr(CsvLog, "write", refuse)
        with pytest.raises(WriteError, match=r"the disk is full; step 2 is saved in .*, and the same command goes on"):
            loop.train(TINY, train_config, tmp_path, show=False)
    assert latest(TINY, config(folder), tmp_path)[1].step == 2
    assert loop.train(TINY, config(folder), tmp_path, show=False).step == 4


def test_validation_judges_the_average_on_images_not_trained_on(folder, tmp_path, stub):
    outcome = loop.train(TINY, config(folder), tmp_path, show=False)
    assert len(stub.judged) == 1  # one image held out of these eight
    assert all((leaf == 2.0).all() for leaf in jax.tree.leaves(stub.judged[0]))  # four steps of one half
    assert outcome.best_loss == 1.0
    (row,) = rows(outcome, "validation")
    assert (row["step"], row["psnr"]) == ("4", "30")


def test_a_run_on_other_held_out_images_finds_a_best_of_its_own(folder, tmp_path, stub, caplog):
    losses = iter([1.0, 3.0, 2.0, 2.5])
    judge = stub.eval_step
    stub.eval_step = lambda *given: judge(*given) | {"loss": jnp.float32(next(losses))}

    def train(steps):
        return loop.train(TINY, config(folder, steps=steps), tmp_path, show=False).best_loss

    assert [train(1), train(2)] == [1.0, 1.0]
    assert not [record for record in caplog.records if record.name.startswith("gllmm_jax")]
    with Image.open(folder / "rocket_001.png") as image:  # the one held out
        turned = image.transpose(Image.Transpose.ROTATE_180)
    turned.save(folder / "rocket_001.png")
    assert train(3) == 2.0
    assert caplog.text.count("the best loss so far is forgotten") == 1
    assert train(4) == 2.0
    assert caplog.text.count("forgotten") == 1
    after_three = jax.tree.leaves(load_best(tmp_path)[1])  # steps of one half
    assert all((leaf == 1.5).all() for leaf in after_three)


def test_the_impossible_is_refused(folder, tmp_path, stub):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        loop.train(TINY, config(tmp_path / "nowhere"), tmp_path, show=False)
    loop.train(TINY, config(folder), tmp_path, show=False)
    with pytest.raises(CheckpointError, match="preset tiny, not mu"):
        loop.train(PRESETS["mu"], config(folder), tmp_path, show=False)


def test_a_folder_in_use_is_left_as_it_is(folder, tmp_path, stub):
    run = run_folder(tmp_path, config(folder).lmbda)
    saving = run / "latest" / "9.orbax-checkpoint-tmp-3"  # the other training's, on its way
    saving.mkdir(parents=True)
    with locked(run), pytest.raises(FolderInUseError, match=str(run)):
        loop.train(TINY, config(folder), tmp_path, show=False)
    assert saving.is_dir()
    assert not (run / "log.csv").exists()
    assert loop.train(TINY, config(folder), tmp_path, show=False).finished


def test_what_is_said(folder, tmp_path, stub, capsys):
    loop.train(TINY, config(folder), tmp_path)
    said = capsys.readouterr().err.splitlines()
    begin, where = "starting at step 0 in ", said[0].removeprefix("starting at step 0 in ").partition(";")[0]
    watched = importlib.util.find_spec("tensorboardX") is not None
    assert said[0] == f"{begin}{where}" + f"; tensorboard --logdir {where} shows how it goes" * watched
    assert Path(where).is_dir()
    assert " step 2 loss 1.0000 bpp 0.5000 PSNR 30.00 " in said[1]
    assert said[-2].startswith("step 4: validation loss 1.0000, 0.5000 bpp, 30.00 dB")
    assert said[-1].startswith("finished after 4 steps and 0.0 minutes in ")
    assert "give more" not in said[-1]  # whoever counts steps knows how few they are


def test_one_step_is_one_step(folder, tmp_path, stub):
    messages = [loop.train(TINY, config(folder, steps=1), tmp_path, show=False).message for _ in range(2)]
    assert messages[0].startswith("finished after 1 step and ")
    assert "has had its 1 step in " in messages[1]


@pytest.mark.parametrize(("enough", "told"), [(3, True), (2, False)])
def test_too_few_steps_on_the_clock_are_told(folder, tmp_path, stub, monkeypatch, enough, told):
    monkeypatch.setattr(run, "FEW_STEPS", enough)
    monkeypatch.setattr(run.Run, "progress", lambda _: len(stub.progress) / 2)  # the clock strikes at two steps
    outcome = loop.train(TINY, config(folder, steps=None, minutes=1.0), tmp_path, show=False)
    assert outcome.message.endswith("so few steps teach little: give more minutes or a smaller batch") == told
