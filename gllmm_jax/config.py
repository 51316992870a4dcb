"""Values that say what a model is and how it is trained: no code, no arrays.

A config is saved with every checkpoint and weights file.
"""

import dataclasses
from typing import Any, Literal

Family = Literal["gaussian", "laplace", "logistic"]
FAMILIES: tuple[Family, ...] = ("gaussian", "laplace", "logistic")

Block = Literal["plain", "leaky", "crm2", "crm3"]

STRIDE = 16
"""Pixels per latent, on each axis."""

HYPER_STRIDE = 4
"""Latents per hyper-latent, on each axis."""

CONTEXT_RADIUS = 2
"""Reach of the causal context (a 5x5 window), in latents."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shapes and wiring of one codec.

    `widths` has one entry (N everywhere) for the `paper` transforms and three (strides 4, 8, 16) for the `light` ones.
    Source: GLLMM, IEEE TIP 2023, and its authors' published test code; `light` and `mu` are ours.
    """

    preset: str
    transform: Literal["paper", "light"] = "paper"
    widths: tuple[int, ...] = (128,)
    latents: int = 128  # M, channels of y
    hyper: int = 128  # N, channels of z and of the hyper networks
    hidden: tuple[int, int] = (640, 1280)  # entropy-parameter net
    families: tuple[Family, ...] = FAMILIES
    components: int = 3  # per family
    block: Block = "crm2"
    attention: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Inverse of `to_dict`, tolerant of JSON's lists. Raises `TypeError` on an unknown field."""
        restored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**restored)


def _gllmm(n: int) -> ModelConfig:
    return ModelConfig(preset=f"gllmm-{n}", widths=(n,), latents=n, hyper=n)


PRESETS: dict[str, ModelConfig] = {
    "gllmm-128": _gllmm(128),
    "gllmm-192": _gllmm(192),
    "gllmm-256": _gllmm(256),
    "light": ModelConfig(
        preset="light",
        transform="light",
        widths=(48, 96, 128),
        latents=192,
        hyper=64,
        hidden=(256, 256),
        components=1,
        attention=False,
    ),
    "mu": ModelConfig(preset="mu", widths=(16,), latents=16, hyper=16, hidden=(32, 32)),
}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that fixes one training run but the model. Give `minutes` or `steps`, not both.

    Source of the objective's scale: GLLMM's published points fit L = R + lmbda * MSE on 0..255.
    """

    data: str
    lmbda: float = 0.013
    batch: int = 8  # images
    crop: int = 192  # pixels
    learning_rate: float = 1e-3  # peak
    warmup: float = 0.02  # fraction of the run
    clip: float = 1.0  # gradient norm
    ema: float = 0.999  # decay of the averaged weights a step
    seed: int = 0
    minutes: float | None = None
    steps: int | None = None
    init: str | None = None  # weights to start from: an installed name or a file
    validate_minutes: float = 5.0  # between validations, with a checkpoint each

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give the length of the run as minutes or as steps, one of the two")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Inverse of `to_dict`. Raises `TypeError` on an unknown field."""
        return cls(**values)
