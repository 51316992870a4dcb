"""What a run is, where it stands, and the folder it lives in."""

import dataclasses
from pathlib import Path
from typing import Any

from gllmm_jax.checkpoints import digest
from gllmm_jax.config import ModelConfig, TrainConfig


class CheckpointError(ValueError):
    """No checkpoint where one is needed, or one that is damaged or of another run."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What a checkpoint says about itself besides its arrays.

    As plain values it carries a digest of its own; one written before there were digests goes without.
    """

    model: ModelConfig
    train: TrainConfig
    step: int = 0
    seconds: float = 0.0  # spent training, over all stops
    best_loss: float | None = None  # of the validations so far
    held_out: str | None = None  # digest of the images that `best_loss` was judged on
    data: dict[str, Any] = dataclasses.field(default_factory=dict)  # state of the data iterator
    arrays: str | None = dataclasses.field(default=None, compare=False)  # digest of those it is saved with

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {**vars(self), "model": self.model.to_dict(), "train": self.train.to_dict()}
        return values | {"digest": digest.of_values(values)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Record":
        """Inverse of `to_dict`. Raises `CheckpointError` where the values are not those that were written."""
        values = dict(values)
        written = values.pop("digest", None)
        if written is not None and written != digest.of_values(values):
            raise CheckpointError(f"the record of step {values.get('step')} is damaged")
        configs = {"model": ModelConfig.from_dict(values["model"]), "train": TrainConfig.from_dict(values["train"])}
        return cls(**{**values, **configs})


def run_folder(workdir: str | Path, lmbda: float | tuple[float, float]) -> Path:
    """Where a run at `lmbda` keeps everything: `workdir/lmbda_0.0130`, or `workdir/lmbda_0.0008-0.1200` of a range."""
    return Path(workdir).absolute() / f"lmbda_{lmbda_name(lmbda)}"


def lmbda_name(lmbda: float | tuple[float, float]) -> str:
    """As folders and weights are named: `0.0130`, or `0.0008-0.1200` of a range."""
    return "-".join(f"{value:.4f}" for value in (lmbda if isinstance(lmbda, tuple) else (lmbda,)))


def check_same_run(folder: Path, found: Record, wanted: Record) -> None:
    """Raises `CheckpointError` where the run found in `folder` is of another model or lambda than is wanted."""
    pairs = [("preset", found.model.preset, wanted.model.preset), ("lambda", found.train.lmbda, wanted.train.lmbda)]
    for what, there, here in pairs:
        if there != here:
            raise CheckpointError(f"{folder} holds a run of {what} {there}, not {here}: use another workdir")
    if found.model != wanted.model:
        raise CheckpointError(f"{folder} holds a run of another {found.model.preset} model: use another workdir")


def single_run(workdir: Path) -> Path:
    """The folder of the only run in `workdir`, or itself where it is one. Raises `CheckpointError`."""
    if any((workdir / name).is_dir() for name in ("best", "latest")):
        return workdir
    runs = sorted(workdir.glob("lmbda_*"))
    if not runs:
        raise CheckpointError(f"{workdir} holds no checkpoint (no lmbda_... folder in it)")
    if len(runs) > 1:
        raise CheckpointError(f"{workdir} holds several runs, name one: {', '.join(str(r) for r in runs)}")
    return runs[0]
