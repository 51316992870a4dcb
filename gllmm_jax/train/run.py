"""One process's stretch of a run: steps, validations, checkpoints and log."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh

from gllmm_jax import files
from gllmm_jax.checkpoints.checkpoint import Checkpoints
from gllmm_jax.checkpoints.record import Record
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.data import resident
from gllmm_jax.data.batches import Batches
from gllmm_jax.data.resident import Resident, Store
from gllmm_jax.mesh import largest, share_out, shared_out, whole
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.optimizer.state import TrainState, state_shapes, state_shardings
from gllmm_jax.train.log import Log, Silence
from gllmm_jax.train.meter import Meter
from gllmm_jax.train.step import Update, make_eval_step, make_train_step
from gllmm_jax.train.summary import write_summary
from gllmm_jax.train.view import make_view

REPORT_SECONDS = 10.0  # between rows of the log
AGREE_STEPS = 16  # most steps between the moments when several processes compare their clocks and signals
AGREE_SECONDS = 10.0  # about the time between these moments if steps are slow
FEW_STEPS = 100  # a run by the clock with fewer steps gets a warning: its learning rate fell in leaps

VALIDATION_QUALITIES = (0, 64, 128, 191, 255)
"""Qualities at which a model with a variable rate is validated. Its validation loss is the mean over them."""

# A second run in one process does not compile again.
eval_step = functools.cache(make_eval_step)
view = functools.cache(make_view)


@functools.cache
def train_step(model: ModelConfig, config: TrainConfig, mesh: Mesh, shard_optimizer: bool) -> Update:
    shardings = state_shardings(mesh, state_shapes(model, config), shard_optimizer=shard_optimizer)
    draw = functools.partial(_draw, mesh, config) if config.resident else None
    return make_train_step(model, config, state_sharding=shardings, draw=draw)


def _draw(mesh: Mesh, config: TrainConfig, store: Store, key: jax.Array, step: jax.Array) -> jax.Array:
    images = resident.draw(store, key, step, batch=config.batch, crop=config.crop, augment=config.augment)
    return lax.with_sharding_constraint(images, shared_out(mesh))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended. It is `finished`, or a signal stopped it and it is saved. `message` is a sentence for people."""

    finished: bool
    step: int
    best_loss: float | None
    folder: Path
    message: str


class Run:
    """One process's stretch of a run: the record of the run so far, and the clock that continues from it."""

    def __init__(
        self,
        record: Record,
        batches: Batches | Resident,
        held_out: np.ndarray,
        checkpoints: Checkpoints,
        mesh: Mesh,
        shard_optimizer: bool,
    ):
        self._record, self._batches, self._held_out, self._checkpoints = record, batches, held_out, checkpoints
        self._mesh, self._shard_optimizer = mesh, shard_optimizer
        self._step, self._best_loss = record.step, record.best_loss
        self._unwritten: files.WriteError | None = None  # the error of the log, which the first process writes
        self._started = time.monotonic()
        self._agreed = self._step, self._started  # step and clock at which the processes last agreed
        self._next = self._step  # step at which the processes agree again
        self._evaluate = eval_step(record.model, record.train)
        self._qualities = (0,) if record.model.rate is None else VALIDATION_QUALITIES

    def seconds(self) -> float:
        """Training time, with the time before earlier stops."""
        return self._record.seconds + time.monotonic() - self._started

    def progress(self) -> float:
        """Fraction of the run that is done, by its clock or its steps. It is 1 at the end."""
        config = self._record.train
        if config.steps is not None:
            return min(1.0, self._step / max(1, config.steps))
        return min(1.0, self.seconds() / max(1e-9, 60.0 * (config.minutes or 0.0)))

    def go(self, state: TrainState, log: Log | Silence, stop: list[str]) -> Outcome:
        """Take steps until the end or a stop request, then save.

        Raises `NonFiniteError`; `files.WriteError` if the log cannot be written, after the state is saved; and the
        errors of `Checkpoints.save`.
        """
        self._state = state
        config = self._record.train
        step = train_step(self._record.model, config, self._mesh, self._shard_optimizer)
        meter = Meter(config.batch)
        validated = reported = time.monotonic()
        progress, stopped, _ = self._agree(stop)
        while progress < 1.0 and not stopped:
            images = next(self._batches)
            if isinstance(images, np.ndarray):
                images = share_out(self._mesh, images)
            count = self._steps_of_call()
            several = (count,) if config.steps_per_call > 1 else ()
            self._state, metrics = step(self._state, images, np.float32(progress), *several)
            self._step += count
            meter.add(self._step, metrics, count)
            log.progress.update(self.progress(), self._step, meter.means())
            if time.monotonic() - reported >= REPORT_SECONDS:
                self._report(meter, log)
                reported = time.monotonic()
            if config.steps is not None:
                progress = self.progress()  # all processes know it without a message
            if self._step < self._next and progress < 1.0:
                continue
            due = time.monotonic() - validated >= 60.0 * config.validate_minutes
            progress, stopped, due = self._agree(stop, due)
            if due and progress < 1.0 and not stopped:
                meter.settle()  # the state is saved only if it is finite
                self._validate_and_save(log)
                validated = time.monotonic()
                meter.restart()

        signal_name = None if progress >= 1.0 else stop[0] if stop else "another process"
        meter.settle()
        self._report(meter, log)
        if signal_name:
            self._checkpoints.save(self._state, self._now(), wait=True)
        elif self._step > self._record.step:
            self._validate_and_save(log, wait=True)
        if self._unwritten is not None:
            saved = f"step {self._step} is saved in {self._checkpoints.folder}, and the same command goes on"
            raise files.WriteError(f"{self._unwritten}; {saved}") from self._unwritten
        outcome = self._outcome(signal_name)
        if isinstance(log, Log):
            write_summary(outcome.folder, self._now(), outcome.message)
        return outcome

    def _steps_of_call(self) -> int:
        most, steps = self._record.train.steps_per_call, self._record.train.steps
        return most if steps is None else min(most, steps - self._step)

    def _agree(self, stop: list[str], due: bool = False) -> tuple[float, bool, bool]:
        """Progress, whether to stop and whether to validate. All processes get the same answers."""
        (step, clock), now = self._agreed, time.monotonic()
        mine = [self.progress(), bool(stop or self._unwritten), due, (now - clock) / max(1, self._step - step)]
        progress, stopped, due_somewhere, seconds = largest(mine)
        several = jax.process_count() > 1
        pause = min(AGREE_STEPS, max(1, int(AGREE_SECONDS / max(seconds, 1e-3)))) if several else 1
        self._agreed, self._next = (self._step, now), self._step + pause
        return progress, bool(stopped), bool(due_somewhere)

    def _report(self, meter: Meter, log: Log | Silence) -> None:
        if figures := meter.means():
            with self._writing():
                log.write("train", self._step, self.seconds(), figures)
        meter.restart()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        # all processes stop together: the others do not know about this process's disk
        try:
            yield
        except files.WriteError as error:
            self._unwritten = error

    def _validate_and_save(self, log: Log | Silence, *, wait: bool = False) -> None:
        """Validate the averaged weights on the held-out images. Save the state, and the weights if they are best."""
        params = whole(self._mesh, self._state.ema)
        curve = [self._judge(params, quality) for quality in self._qualities]
        figures = {name: float(np.mean([point[name] for point in curve])) for name in curve[0]}
        with self._writing():
            log.write("validation", self._step, self.seconds(), figures)
        best = self._best_loss is None or figures["loss"] < self._best_loss
        points = "; ".join(f"{point['bpp']:.4f} bpp, {point['psnr']:.2f} dB" for point in curve)
        new = ", the best so far" if best else ""
        log.say(f"step {self._step}: validation loss {figures['loss']:.4f}, {points}{new}")
        if isinstance(log, Log) and log.has_pictures:
            middle = self._qualities[len(self._qualities) // 2]
            seen = jax.device_get(view(self._record.model)(at_quality(params, middle), self._held_out[0]))
            with self._writing():
                log.pictures(self._step, self._held_out[0], *seen)
        if best:
            self._best_loss = figures["loss"]
        self._checkpoints.save(self._state, self._now(), best=best, wait=wait)

    def _judge(self, params: Any, quality: int) -> dict[str, float]:
        """Means over the held-out images, at one quality if the rate is variable."""
        rows = [jax.device_get(self._evaluate(params, image[None], quality)) for image in self._held_out]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

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
