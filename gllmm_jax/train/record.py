"""What a run is, where it stands, and the folder it lives in."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax

from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.nn.model import init_params
from gllmm_jax.train.step import TrainState, create_state


@dataclasses.dataclass(frozen=True)
class Record:
    """What a checkpoint says about itself besides its arrays."""

    model: ModelConfig
    train: TrainConfig
    step: int = 0
    seconds: float = 0.0  # spent training, over all stops
    best_loss: float | None = None  # of the validations so far
    data: dict[str, Any] = dataclasses.field(default_factory=dict)  # state of the data iterator

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "model": self.model.to_dict(), "train": self.train.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Record":
        """Inverse of `to_dict`."""
        configs = {"model": ModelConfig.from_dict(values["model"]), "train": TrainConfig.from_dict(values["train"])}
        return cls(**{**values, **configs})


def run_folder(workdir: str | Path, lmbda: float | tuple[float, float]) -> Path:
    """Where a run at `lmbda` keeps everything: `workdir/lmbda_0.0130`, or `workdir/lmbda_0.0008-0.1200` of a range."""
    return Path(workdir).absolute() / f"lmbda_{lmbda_name(lmbda)}"


def lmbda_name(lmbda: float | tuple[float, float]) -> str:
    """As folders and weights are named: `0.0130`, or `0.0008-0.1200` of a range."""
    return "-".join(f"{value:.4f}" for value in (lmbda if isinstance(lmbda, tuple) else (lmbda,)))


@functools.cache
def state_shapes(model: ModelConfig, train: TrainConfig) -> TrainState:
    """The `TrainState` of such a run with shapes and types in place of arrays."""
    key = jax.random.PRNGKey(0)
    return jax.eval_shape(lambda key: create_state(train, init_params(model, key), key), key)
