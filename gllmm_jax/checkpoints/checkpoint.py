"""Orbax checkpoints of a run: the latest state to go on from, and the averaged weights that validated best.

    workdir/lmbda_0.0130/latest/<step>/state   the whole TrainState
                                       meta    Record as JSON: both configs, data iterator, clock, scores
                        /best/<step>/params    averaged weights only, for export
                                     meta      the same Record

Each save is written beside its place and then renamed, so a kill at any moment leaves the checkpoint before. A record
carries digests of the arrays and of itself. A checkpoint is damaged if it differs from its digests or cannot be read.
"""

import contextlib
import dataclasses
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gllmm_jax.checkpoints import digest
from gllmm_jax.checkpoints.record import CheckpointError, Record, check_same_run, single_run
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.mesh import largest
from gllmm_jax.optimizer.state import TrainState, state_shapes

try:
    import orbax.checkpoint as ocp
except ImportError as error:
    raise ImportError("training needs orbax-checkpoint: pip install 'gllmm-jax[train]'") from error

KEEP = 2  # latest checkpoints: if the newest is damaged, a run goes on from the other

_GO_ON = "The same command goes on, once there is room"

_log = logging.getLogger(__name__)


class SaveError(OSError):
    """A save failed. The message says why, and from which step a run can go on."""


class Checkpoints:
    """The two series of checkpoints of one run folder. Use as a context manager.

    A save copies its arguments and writes while training goes on. The next save, or the end, waits for it and raises
    its error. With several processes all of them call every method.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._open()

    def _open(self) -> None:
        # Orbax would sweep in the background, perhaps during the first save
        if jax.process_index() == 0:
            for unfinished in self.folder.glob("*/*.orbax-checkpoint-tmp*"):
                shutil.rmtree(unfinished)
        self._latest = _manager(self.folder / "latest", max_to_keep=KEEP)
        self._best = _manager(self.folder / "best", max_to_keep=1)
        self._saved = self._latest.latest_step()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._wait()
        finally:
            self._close()

    def _wait(self) -> None:
        self._latest.wait_until_finished()
        self._best.wait_until_finished()

    def _close(self) -> None:
        self._latest.close()
        self._best.close()

    def latest_step(self) -> int | None:
        """The step at which a resumed run would start, if it is not damaged. None for an empty folder."""
        return self._saved

    def save(self, state: TrainState, record: Record, *, best: bool = False, wait: bool = False) -> None:
        """`save_latest`, and `save_best` of the average if it is the `best` so far. With `wait` all is then written.

        Raises `SaveError` if this save or the last one failed, as on a full disk. Older checkpoints, all but the
        newest, were then removed to make room.
        """
        try:
            if best:
                self.save_best(state.ema, record)
            self.save_latest(state, record)
            if wait:
                self._wait()
        except Exception as error:  # Orbax's errors have no type of their own
            raise SaveError(self._rescue(state, record, error)) from error

    def _rescue(self, state: TrainState, record: Record, error: Exception) -> str:
        # save with as little on the disk as possible -> a sentence about the result
        full = "No space left on device" in str(error)
        why = f"the disk of {self.folder} is full" if full else f"cannot save in {self.folder} ({error})"
        if jax.process_count() == 1:
            with contextlib.suppress(Exception):
                self._close()
            self._open()
            for step in sorted(self._latest.all_steps())[:-1]:
                self._latest.delete(step)
            with contextlib.suppress(Exception):
                self.save_latest(state, record)
                self._latest.wait_until_finished()
                return f"{why}: step {record.step} was saved in place of older checkpoints. {_GO_ON}"
            with contextlib.suppress(Exception):
                self._close()
            self._open()
        kept = self.latest_step()
        stands = "nothing was saved yet" if kept is None else f"the steps since the checkpoint of step {kept} are lost"
        return f"{why}: {stands}. {_GO_ON}"

    def save_latest(self, state: Any, record: Record) -> None:
        """Keep `state` to resume from. Does nothing if this step is saved already."""
        if record.step != self._saved:
            self._drop_damaged()
            _save(self._latest, record, state=state)
            self._saved = record.step

    def save_best(self, params: Any, record: Record) -> None:
        """Keep `params` as the best so far. They replace the ones before."""
        self._drop_damaged()
        # A run resumed from an older state may pass the step of its best again, or stop before that step.
        _drop(self._best, [step for step in self._best.all_steps() if step >= record.step])
        _save(self._best, record, params=params)

    def _drop_damaged(self) -> None:
        # drops what `restore_latest` passed over, once the run has something new to keep
        if self._saved is not None:
            _drop(self._latest, [step for step in self._latest.all_steps() if step > self._saved])

    def restore_latest(self, record: Record) -> tuple[TrainState, Record] | None:
        """The last (state, record) as host arrays. None for an empty folder.

        A damaged checkpoint is reported and passed over. The best loss is forgotten, with a report, if other held-out
        images than those of `record` gave it, or if its weights are damaged.

        Raises `CheckpointError` if no checkpoint is whole, or if the folder belongs to another model or lambda than
        `record`.
        """
        if not self._latest.all_steps():
            return None
        found, state = _read_newest(self._latest)
        check_same_run(self.folder, found, record)
        highest, lowest = largest([found.step, -found.step])
        if highest != -lowest:
            raise CheckpointError(f"processes read different checkpoints in {self.folder}: start them again")
        self._saved = found.step
        return state, self._judged_alike(found, record.held_out)

    def _judged_alike(self, found: Record, held_out: str | None) -> Record:
        # the record gets the loss of the best on the disk, which may be newer than the latest state after a kill
        step = self._best.latest_step()
        if step is not None:
            try:
                best, _ = _read(self._best, step)
            except Exception:
                _log.warning("the best weights in %s are damaged or cannot be read: they are forgotten", self.folder)
                return dataclasses.replace(found, best_loss=None, held_out=held_out)
            found = dataclasses.replace(found, best_loss=best.best_loss, held_out=best.held_out)
        changed = None not in (found.held_out, held_out) and found.held_out != held_out
        if changed and found.best_loss is not None:
            _log.warning("the held-out images have changed since the checkpoint: the best loss so far is forgotten")
            found = dataclasses.replace(found, best_loss=None)
        return dataclasses.replace(found, held_out=held_out or found.held_out)


def load_best(workdir: str | Path) -> tuple[ModelConfig, Any, TrainConfig]:
    """(model config, averaged params as host arrays, train config) of the best checkpoint of a run.

    `workdir` is the run's folder `lmbda_...`, or a folder that holds only this run. A run that stopped before its first
    validation gives its latest weights. Raises `CheckpointError` if there is no checkpoint, or no single run.
    """
    folder = single_run(Path(workdir).absolute())
    for series in ("best", "latest"):
        if not (folder / series).is_dir():
            continue
        with _manager(folder / series, read_only=True) as manager:
            if manager.all_steps():
                record, tree = _read_newest(manager)
                return record.model, tree if series == "best" else tree.ema, record.train
    raise CheckpointError(f"{folder} holds no checkpoint yet")


def _manager(folder: Path, *, read_only: bool = False, **more: Any) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        read_only=read_only, create=not read_only, enable_async_checkpointing=not read_only, **more
    )
    return ocp.CheckpointManager(folder, options=options)


def _drop(manager: ocp.CheckpointManager, steps: list[int]) -> None:
    manager.wait_until_finished()
    for step in steps:
        manager.delete(step)


def _save(manager: ocp.CheckpointManager, record: Record, **trees: Any) -> None:
    items: dict[str, Any] = {name: ocp.args.StandardSave(tree) for name, tree in trees.items()}
    record = dataclasses.replace(record, arrays=digest.of_arrays(trees))
    items["meta"] = ocp.args.JsonSave(record.to_dict())
    manager.save(record.step, args=ocp.args.Composite(**items), force=True)


def _read_newest(manager: ocp.CheckpointManager) -> tuple[Record, Any]:
    # `_read` of the newest whole checkpoint
    steps, why = sorted(manager.all_steps(), reverse=True), None
    for step in steps:
        try:
            found = _read(manager, step)
        except Exception as error:  # Orbax's errors have no type of their own
            why = error
            continue
        if step != steps[0]:
            damaged = f"the checkpoint of step {steps[0]} in {manager.directory} is damaged or cannot be read"
            _log.warning("%s: step %d is taken instead", damaged, step)
        return found
    tried = ", ".join(f"step {step}" for step in steps)
    raise CheckpointError(
        f"no checkpoint in {manager.directory} can be read ({tried}): they are damaged, or of another version. Put a "
        "copy in their place, or delete that folder to do without them"
    ) from why


def _read(manager: ocp.CheckpointManager, step: int) -> tuple[Record, Any]:
    """A record and its arrays, in NumPy. The arrays are a state or, in the best series, averaged weights.

    Raises `CheckpointError` if they differ from those that were saved, and all errors of Orbax.
    """
    meta = manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
    record = Record.from_dict(meta)
    shapes = state_shapes(record.model, record.train)
    item, like = ("params", shapes.ema) if Path(manager.directory).name == "best" else ("state", shapes)
    target = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
    trees = {item: manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(target)}))[item]}
    if record.arrays not in (None, digest.of_arrays(trees)):
        raise CheckpointError(f"the arrays of step {step} in {manager.directory} are not those that were saved")
    return record, trees[item]
