"""Orbax checkpoints of a run: the latest state to go on from, and the averaged weights that validated best.

    workdir/lmbda_0.0130/latest/<step>/state   the whole TrainState
                                       meta    Record as JSON: both configs, data iterator, clock, scores
                        /best/<step>/params    averaged weights only, for export
                                     meta      the same Record

Each save is written beside its place and renamed, so a kill at any moment leaves the one before.
"""

import contextlib
import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.train.record import Record, state_shapes
from gllmm_jax.train.step import TrainState

try:
    import orbax.checkpoint as ocp
except ImportError as error:
    raise ImportError("training needs orbax-checkpoint: pip install 'gllmm-jax[train]'") from error

KEEP = 2  # latest checkpoints; should the newest be damaged, one can be deleted by hand


_GO_ON = "The same command goes on, once there is room"


class CheckpointError(ValueError):
    """No checkpoint where one is needed, or one of another run."""


class SaveError(OSError):
    """A save failed; the message says why, and which step there is to go on from."""


class Checkpoints:
    """The two series of one run folder. Use as a context manager.

    A save copies what it is given and writes while training goes on; the next save, or the end, waits for it and raises
    what went wrong. With several processes all of them call every method.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._open()

    def _open(self) -> None:
        # Orbax would sweep in the background, perhaps while the first save is on its way.
        if jax.process_index() == 0:
            for unfinished in self.folder.glob("*/*.orbax-checkpoint-tmp*"):
                shutil.rmtree(unfinished)
        self._latest = _manager(self.folder / "latest", max_to_keep=KEEP)
        self._best = _manager(self.folder / "best")
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
        self._drop_older_bests()

    def _close(self) -> None:
        self._latest.close()
        self._best.close()

    def latest_step(self) -> int | None:
        """The step a resumed run would start at; None in an empty folder."""
        return self._latest.latest_step()

    def save(self, state: TrainState, record: Record, *, best: bool = False, wait: bool = False) -> None:
        """`save_latest` and, where it is the `best` so far, `save_best` of the average; `wait` until all is written.

        Raises `SaveError` where this save or the one before it failed, as on a full disk: all checkpoints but the
        newest have then made room for this state.
        """
        try:
            if best:
                self.save_best(state.ema, record)
            self.save_latest(state, record)
            if wait:
                self._wait()
        except Exception as error:  # Orbax's failures have no type of their own
            raise SaveError(self._rescue(state, record, error)) from error

    def _rescue(self, state: TrainState, record: Record, error: Exception) -> str:
        # save with as little as can be on the disk -> what became of it
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
        """Keep `state` to resume from; nothing happens where this step is kept already."""
        if record.step != self._saved:
            _save(self._latest, record, state=state)
            self._saved = record.step

    def save_best(self, params: Any, record: Record) -> None:
        """Keep `params` as the best so far, in place of the ones before."""
        self._drop_older_bests()
        # A run killed and resumed from an older state may pass the step of its best once more, or stop short of it.
        if record.step in self._best.all_steps():
            self._best.delete(record.step)
        _save(self._best, record, params=params)

    def _drop_older_bests(self) -> None:
        self._best.wait_until_finished()
        newest = _best_step(self._best)
        for step in self._best.all_steps():
            if step != newest:
                self._best.delete(step)

    def restore_latest(self, record: Record) -> tuple[TrainState, Record] | None:
        """The last (state, record), host arrays; None in an empty folder.

        Raises `CheckpointError` if the folder belongs to another model or lambda than `record`.
        """
        step = self._latest.latest_step()
        if step is None:
            return None
        found = _read_record(self._latest, step)
        _check_same_run(self.folder, found, record)
        best = _best_step(self._best)
        if best is not None:  # perhaps saved after the latest state, just before a kill
            found = dataclasses.replace(found, best_loss=_read_record(self._best, best).best_loss)
        return _read_tree(self._latest, step, "state", state_shapes(found.model, found.train)), found


def load_best(workdir: str | Path) -> tuple[ModelConfig, Any, TrainConfig]:
    """(model config, averaged params as host arrays, train config) of the best checkpoint of a run.

    `workdir` is the run's folder `lmbda_...` or the folder that holds it alone. A run stopped before its first
    validation gives its latest weights. Raises `CheckpointError` when there is no checkpoint or no single run.
    """
    folder = _single_run(Path(workdir).absolute())
    for series in ("best", "latest"):
        if not (folder / series).is_dir():
            continue
        with _manager(folder / series, read_only=True) as manager:
            step = _best_step(manager)
            if step is not None:
                record = _read_record(manager, step)
                return record.model, _read_averaged(manager, step, record), record.train
    raise CheckpointError(f"{folder} holds no checkpoint yet")


def _manager(folder: Path, *, read_only: bool = False, **more: Any) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        read_only=read_only, create=not read_only, enable_async_checkpointing=not read_only, **more
    )
    return ocp.CheckpointManager(folder, options=options)


def _best_step(manager: ocp.CheckpointManager) -> int | None:
    # the lowest loss: a run that was killed may have left an older best beside it
    def merit(step: int) -> tuple[float, int]:
        loss = _read_record(manager, step).best_loss
        return (math.inf if loss is None else loss), -step

    return min(manager.all_steps(), key=merit, default=None)


def _save(manager: ocp.CheckpointManager, record: Record, **trees: Any) -> None:
    items: dict[str, Any] = {name: ocp.args.StandardSave(tree) for name, tree in trees.items()}
    items["meta"] = ocp.args.JsonSave(record.to_dict())
    manager.save(record.step, args=ocp.args.Composite(**items), force=True)


def _read_record(manager: ocp.CheckpointManager, step: int) -> Record:
    return Record.from_dict(manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"])


def _read_tree(manager: ocp.CheckpointManager, step: int, item: str, like: Any) -> Any:
    """Item `item` as NumPy arrays in the structure of `like` (arrays or shapes)."""
    target = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
    try:
        restored = manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(target)}))
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"checkpoint {step} in {manager.directory} does not fit this version's state") from error
    return restored[item]


def _read_averaged(manager: ocp.CheckpointManager, step: int, record: Record) -> Any:
    shapes = state_shapes(record.model, record.train)
    if Path(manager.directory).name == "best":
        return _read_tree(manager, step, "params", shapes.ema)
    return _read_tree(manager, step, "state", shapes).ema


def _check_same_run(folder: Path, found: Record, wanted: Record) -> None:
    pairs = [("preset", found.model.preset, wanted.model.preset), ("lambda", found.train.lmbda, wanted.train.lmbda)]
    for what, there, here in pairs:
        if there != here:
            raise CheckpointError(f"{folder} holds a run of {what} {there}, not {here}: use another workdir")
    if found.model != wanted.model:
        raise CheckpointError(f"{folder} holds a run of another {found.model.preset} model: use another workdir")


def _single_run(workdir: Path) -> Path:
    if any((workdir / name).is_dir() for name in ("best", "latest")):
        return workdir
    runs = sorted(workdir.glob("lmbda_*"))
    if not runs:
        raise CheckpointError(f"{workdir} holds no checkpoint (no lmbda_... folder in it)")
    if len(runs) > 1:
        raise CheckpointError(f"{workdir} holds several runs, name one: {', '.join(str(r) for r in runs)}")
    return runs[0]
