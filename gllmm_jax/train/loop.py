"""The training run, top to bottom: data, state, resume, step after step, validation, checkpoints, log."""

import contextlib
import dataclasses
import functools
import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.train import data
from gllmm_jax.train.checkpoint import Checkpoints, Record, run_folder
from gllmm_jax.train.lock import locked
from gllmm_jax.train.log import Log
from gllmm_jax.train.meter import Meter, NonFiniteError
from gllmm_jax.train.start import initial_params
from gllmm_jax.train.step import TrainState, create_state, make_eval_step, make_train_step

__all__ = ["NonFiniteError", "Outcome", "train"]

REPORT_SECONDS = 10.0  # between rows of the log
FEW_STEPS = 100  # a run by the clock with fewer is told so: its learning rate fell in leaps

_log = logging.getLogger(__name__)

# A second run in one process does not compile again.
_train_step = functools.cache(make_train_step)
_eval_step = functools.cache(make_eval_step)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended: `finished`, or stopped by a signal and saved; `message` says it in a sentence."""

    finished: bool
    step: int
    best_loss: float | None
    folder: Path
    message: str


def train(model_config: ModelConfig, train_config: TrainConfig, workdir: str | Path, *, show: bool = True) -> Outcome:
    """Train, or go on training, in `workdir/lmbda_...`; returns at the end or, all saved, on SIGINT or SIGTERM.

    What may differ between stops (the length of the run, say) is taken from `train_config`, not from the checkpoint.
    Raises `NonFiniteError`; `CheckpointError` where the folder holds another run; `FolderInUseError` where another
    training runs in it; `FileNotFoundError` or `ValueError` where `data` does not hold photographs enough.
    """
    folder = run_folder(workdir, train_config.lmbda)

    # Data: one part to learn from, one never learned from.
    train_files, validation_files = data.split(data.list_images(train_config.data))
    batches = data.Batches(train_files, batch=train_config.batch, crop=train_config.crop, seed=train_config.seed)
    held_out = data.validation_images(validation_files, crop=train_config.crop)

    with _stop_requests() as stop, locked(folder), Checkpoints(folder) as checkpoints:
        # State: the latest of this folder, or a fresh one.
        record = Record(model_config, train_config)
        resumed = checkpoints.restore_latest(record)
        if resumed is not None:
            state = jax.tree.map(jnp.array, resumed[0])
            _warn_of_changes(resumed[1].train, train_config)
            record = dataclasses.replace(resumed[1], train=train_config)
            batches.restore(record.data)
        else:
            state = _fresh_state(model_config, train_config, train_files)
        run = _Run(record, batches, held_out, checkpoints)
        with Log(folder, step=record.step, progress=run.progress(), show=show) as log:
            log.say(f"{'resuming' if resumed else 'starting'} at step {record.step} in {folder}")
            try:
                outcome = run.go(state, log, stop)
            except NonFiniteError as error:
                raise NonFiniteError(_explain(error, checkpoints)) from None
            log.say(outcome.message)
            return outcome


def _fresh_state(model_config: ModelConfig, train_config: TrainConfig, files: list[Path]) -> TrainState:
    key_params, key_noise = jax.random.split(jax.random.PRNGKey(train_config.seed))
    if train_config.init is not None:
        params = _trained_params(model_config, train_config.init)
    else:
        photographs = data.sample_photographs(files) if model_config.transform == "light" else []
        params = initial_params(model_config, key_params, lmbda=train_config.lmbda, photographs=photographs)
    return create_state(train_config, params, key_noise)


def _trained_params(model_config: ModelConfig, name_or_path: str) -> Any:
    weights = zoo.read(name_or_path)
    if weights.config != model_config:
        raise ValueError(
            f"{name_or_path} holds a {weights.config.preset}, and a {model_config.preset} is to be trained"
        )
    return jax.tree.map(jnp.asarray, zoo.single(weights.params))


def _warn_of_changes(before: TrainConfig, now: TrainConfig) -> None:
    """Say which settings differ from those the run began with, the length of the run aside."""
    pairs = ((f.name, getattr(before, f.name), getattr(now, f.name)) for f in dataclasses.fields(now))
    changed = [f"{n} {a} -> {b}" for n, a, b in pairs if a != b and n not in ("minutes", "steps", "validate_minutes")]
    if changed:
        _log.warning("settings changed since the checkpoint: %s", ", ".join(changed))


def _explain(error: NonFiniteError, checkpoints: Checkpoints) -> str:
    step = checkpoints.latest_step()
    kept = "nothing was saved yet" if step is None else f"the checkpoint of step {step} in {checkpoints.folder} stands"
    return f"training stopped: {error}; {kept}. A lower learning rate or a tighter clip may help"


class _Run:
    """One process's stretch of a run: what the record says so far, and the clock that goes on from it."""

    def __init__(self, record: Record, batches: data.Batches, held_out: np.ndarray, checkpoints: Checkpoints):
        self._record, self._batches, self._held_out, self._checkpoints = record, batches, held_out, checkpoints
        self._step, self._best_loss = record.step, record.best_loss
        self._started = time.monotonic()
        self._evaluate = _eval_step(record.model, record.train)

    def seconds(self) -> float:
        """Training time, that before earlier stops included."""
        return self._record.seconds + time.monotonic() - self._started

    def progress(self) -> float:
        """Fraction of the run done, by its clock or its steps; 1 at the end."""
        config = self._record.train
        if config.steps is not None:
            return min(1.0, self._step / max(1, config.steps))
        return min(1.0, self.seconds() / max(1e-9, 60.0 * (config.minutes or 0.0)))

    def go(self, state: TrainState, log: Log, stop: list[str]) -> Outcome:
        """Step until the end or a stop request."""
        config = self._record.train
        train_step = _train_step(self._record.model, config)
        meter = Meter(config.batch)
        validated = reported = time.monotonic()
        while (progress := self.progress()) < 1.0 and not stop:
            state, metrics = train_step(state, next(self._batches), np.float32(progress))
            self._step += 1
            meter.add(self._step, metrics)
            log.progress.update(self.progress(), self._step, meter.means())
            if time.monotonic() - reported >= REPORT_SECONDS:
                self._report(meter, log)
                reported = time.monotonic()
            if time.monotonic() - validated >= 60.0 * config.validate_minutes:
                meter.settle()  # never save what is not finite
                self._validate_and_save(state, log)
                validated = time.monotonic()
                meter.restart()

        signal_name = stop[0] if progress < 1.0 else None
        meter.settle()
        self._report(meter, log)
        if signal_name:
            self._checkpoints.save_latest(state, self._now())
        elif self._step > self._record.step:
            self._validate_and_save(state, log)
        return self._outcome(signal_name)

    def _report(self, meter: Meter, log: Log) -> None:
        if figures := meter.means():
            log.write("train", self._step, self.seconds(), figures)
        meter.restart()

    def _validate_and_save(self, state: TrainState, log: Log) -> None:
        """Judge the averaged weights on the held-out images; keep the state, and the weights if the best so far."""
        rows = [jax.device_get(self._evaluate(state.ema, image[None])) for image in self._held_out]
        figures = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        log.write("validation", self._step, self.seconds(), figures)
        best = self._best_loss is None or figures["loss"] < self._best_loss
        log.say(
            f"step {self._step}: validation loss {figures['loss']:.4f}, {figures['bpp']:.4f} bpp, "
            f"{figures['psnr']:.2f} dB{', the best so far' if best else ''}"
        )
        if best:
            self._best_loss = figures["loss"]
            self._checkpoints.save_best(state.ema, self._now())
        self._checkpoints.save_latest(state, self._now())

    def _now(self) -> Record:
        return dataclasses.replace(
            self._record,
            step=self._step,
            seconds=self.seconds(),
            best_loss=self._best_loss,
            data=self._batches.state(),
        )

    def _outcome(self, signal_name: str | None) -> Outcome:
        folder, minutes = self._checkpoints.folder, self.seconds() / 60
        steps = f"{self._step} step{'' if self._step == 1 else 's'}"
        if signal_name:
            message = f"stopped by {signal_name} at step {self._step}, saved in {folder}; the same command goes on"
        elif self._step == self._record.step:
            message = f"nothing to do: the run in {folder} has had its {steps} in {minutes:.1f} minutes"
        else:
            message = f"finished after {steps} and {minutes:.1f} minutes in {folder}"
            if self._record.train.minutes is not None and self._step < FEW_STEPS:
                message += "; so few steps teach little: give more minutes or a smaller batch"
        return Outcome(signal_name is None, self._step, self._best_loss, folder, message)


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[str]]:
    """A list that receives the name of the first SIGINT or SIGTERM; the second SIGINT or SIGTERM interrupts at once."""
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return

    def handle(number: int, _: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
