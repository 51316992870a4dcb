"""What a run is, where it stands, and its folder."""

import dataclasses
from pathlib import Path
from typing import Any

from gllmm_jax.checkpoints import digest
from gllmm_jax.config import ModelConfig, TrainConfig


class CheckpointError(ValueError):
    """There is no checkpoint, or it is damaged, or it is of another run."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What a checkpoint says about itself besides its arrays.

    Its plain values contain their own digest. A record written before there were digests has none.
    """

    model: ModelConfig
    train: TrainConfig
    step: int = 0
    seconds: float = 0.0  # time spent training, over all stops
    best_loss: float | None = None  # of the validations so far
    held_out: str | None = None  # digest of the images that `best_loss` was judged on
    data: dict[str, Any] = dataclasses.field(default_factory=dict)  # state of the data iterator
    arrays: str | None = dataclasses.field(default=None, compare=False)  # digest of the arrays saved with it

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {**vars(self), "model": self.model.to_dict(), "train": self.train.to_dict()}
        return values | {"digest": digest.of_values(values)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Record":
        """Inverse of `to_dict`. Raises `CheckpointError` if the values differ from those that were written."""
        values = dict(values)
        written = values.pop("digest", None)
        if written is not None and written != digest.of_values(values):
            raise CheckpointError(f"the record of step {values.get('step')} is damaged")
        configs = {"model": ModelConfig.from_dict(values["model"]), "train": TrainConfig.from_dict(values["train"])}
        return cls(**{**values, **configs})


def run_folder(workdir: str | Path, lmbda: float | tuple[float, float]) -> Path:
    """The folder of a run at `lmbda`: `workdir/lmbda_0.0130`, or `workdir/lmbda_0.0008-0.1200` for a range."""
    return Path(workdir).absolute() / f"lmbda_{lmbda_name(lmbda)}"


def lmbda_name(lmbda: float | tuple[float, float]) -> str:
    """The name in folders and weights: `0.0130`, or `0.0008-0.1200` for a range."""
    return "-".join(f"{value:.4f}" for value in (lmbda if isinstance(lmbda, tuple) else (lmbda,)))


def check_same_run(folder: Path, found: Record, wanted: Record) -> None:
    """Raises `CheckpointError` if the run found in `folder` has another model or lambda than `wanted`."""
    pairs = [("preset", found.model.preset, wanted.model.preset), ("lambda", found.train.lmbda, wanted.train.lmbda)]
    for what, there, here in pairs:
        if there != here:
            raise CheckpointError(f"{folder} holds a run of {what} {there}, not {here}: use another workdir")
    if found.model != wanted.model:
        raise CheckpointError(f"{folder} holds a run of another {found.model.preset} model: use another workdir")


def single_run(workdir: Path) -> Path:
    """The folder of the only run in `workdir`, or `workdir` if it is a run itself. Raises `CheckpointError`."""
    if any((workdir / name).is_dir() for name in ("best", "latest")):
        return workdir
    runs = sorted(workdir.glob("lmbda_*"))
    if not runs:
        raise CheckpointError(f"{workdir} holds no checkpoint (no lmbda_... folder in it)")
    if len(runs) > 1:
        raise CheckpointError(f"{workdir} holds several runs, name one: {', '.join(str(r) for r in runs)}")
    return runs[0]
