"""The training run from start to end: data, state, resume, then `run.Run`."""

import contextlib
import dataclasses
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from gllmm_jax.checkpoints import digest
from gllmm_jax.checkpoints.checkpoint import Checkpoints
from gllmm_jax.checkpoints.lock import locked
from gllmm_jax.checkpoints.record import Record, run_folder
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.data.batches import Batches, validation_images
from gllmm_jax.data.photographs import Item, items, split
from gllmm_jax.data.resident import Resident
from gllmm_jax.mesh import check_batch, everywhere, make_mesh, place
from gllmm_jax.optimizer.state import state_shardings
from gllmm_jax.train.log import Log, Silence
from gllmm_jax.train.meter import NonFiniteError
from gllmm_jax.train.run import Outcome, Run
from gllmm_jax.train.start import fresh_state

__all__ = ["NonFiniteError", "Outcome", "train"]

_log = logging.getLogger(__name__)


def train(
    model_config: ModelConfig,
    train_config: TrainConfig,
    workdir: str | Path,
    *,
    show: bool = True,
    shard_optimizer: bool = False,
) -> Outcome:
    """Train in `workdir/lmbda_...`, or go on training there.

    The function returns at the end of the run. On SIGINT or SIGTERM it saves everything and returns. The run uses all
    devices of all processes that call it together (`jax.distributed.initialize`). Each process takes its share of every
    batch. All processes see `workdir`. Only the first writes the log and messages. `shard_optimizer` is that of
    `state_shardings`. The length of the run and the devices may change between stops: they come from the arguments, not
    from the checkpoint.

    Raises `NonFiniteError`; `CheckpointError` if the folder holds another run, or holds checkpoints of which none can
    be read; `FolderInUseError` if another training runs in the folder; `FileNotFoundError` or `ValueError` if `data`
    holds too few photographs, a batch does not divide among the devices, or the lambda is not that of the model.
    """
    _check_lmbda(model_config, train_config)
    folder, mesh, chief = run_folder(workdir, train_config.lmbda), make_mesh(), jax.process_index() == 0
    check_batch(mesh, train_config.batch)

    # Data: one part is for training, the other is held out.
    train_files, validation_files = split(items(train_config.data))
    batches = _batches(train_files, train_config, mesh)
    held_out = validation_images(validation_files, crop=train_config.crop)

    with (
        stop_requests() as stop,
        locked(folder) if chief else contextlib.nullcontext(),
        Checkpoints(folder) as checkpoints,
    ):
        # State: the latest of this folder, or a fresh state.
        record = Record(model_config, train_config, held_out=digest.of_arrays(held_out))
        resumed = checkpoints.restore_latest(record)
        if resumed is not None:
            state = resumed[0]
            _warn_of_changes(resumed[1].train, train_config)
            record = dataclasses.replace(resumed[1], train=train_config)
            batches.restore(record.data)
        else:
            state = everywhere(fresh_state(model_config, train_config, train_files))
        state = place(state, state_shardings(mesh, state, shard_optimizer=shard_optimizer))
        run = Run(record, batches, held_out, checkpoints, mesh, shard_optimizer)
        with Log(folder, step=record.step, progress=run.progress(), show=show) if chief else Silence() as log:
            watched = isinstance(log, Log) and log.has_pictures
            shown = f"; tensorboard --logdir {folder} shows how it goes" if watched else ""
            log.say(f"{'resuming' if resumed else 'starting'} at step {record.step} in {folder}{shown}")
            try:
                outcome = run.go(state, log, stop)
            except NonFiniteError as error:
                raise NonFiniteError(_explain(error, checkpoints)) from None
            log.say(outcome.message)
            return outcome


def _check_lmbda(model: ModelConfig, config: TrainConfig) -> None:
    wanted = None if model.rate is None else (model.rate.lowest, model.rate.highest)
    if (config.lmbda if isinstance(config.lmbda, tuple) else None) != wanted:
        serves = "one lambda" if wanted is None else f"lambdas from {wanted[0]} to {wanted[1]}"
        raise ValueError(f"this {model.preset} serves {serves}, and is to be trained at lmbda {config.lmbda}")


def _batches(files: Sequence[Item], config: TrainConfig, mesh: Mesh) -> Batches | Resident:
    sizes = {"batch": config.batch, "crop": config.crop}
    if config.resident:
        return Resident(files, mesh, augment=config.augment, **sizes)
    return Batches(files, seed=config.seed, share=(jax.process_index(), jax.process_count()), **sizes)


def _warn_of_changes(before: TrainConfig, now: TrainConfig) -> None:
    """Name the settings that differ from those at the start of the run. The length of the run does not count."""
    pairs = ((f.name, getattr(before, f.name), getattr(now, f.name)) for f in dataclasses.fields(now))
    changed = [f"{n} {a} -> {b}" for n, a, b in pairs if a != b and n not in ("minutes", "steps", "validate_minutes")]
    if changed:
        _log.warning("settings changed since the checkpoint: %s", ", ".join(changed))


def _explain(error: NonFiniteError, checkpoints: Checkpoints) -> str:
    step = checkpoints.latest_step()
    kept = "nothing was saved yet" if step is None else f"the checkpoint of step {step} in {checkpoints.folder} stands"
    return f"training stopped: {error}; {kept}. A lower learning rate or a tighter clip may help"


@contextlib.contextmanager
def stop_requests() -> Iterator[list[str]]:
    """A list that gets the name of the first SIGINT or SIGTERM. The second SIGINT or SIGTERM interrupts at once."""
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return

    def handle(number: int, frame: Any) -> None:
        if received:
            leave = previous[signal.SIGINT]  # the command line's handler ends the process, Python's raises
            (leave if callable(leave) else signal.default_int_handler)(number, frame)
        received.append(signal.Signals(number).name)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in previous:
            signal.signal(number, handle)
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
