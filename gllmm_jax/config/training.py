"""The config of a training."""

import dataclasses
import math
from typing import Any, Literal, get_args

from gllmm_jax.config.checks import COUNT, check, is_count, with_tuples
from gllmm_jax.config.model import HYPER_STRIDE, PARTS, STRIDES

Distortion = Literal["mse", "ms-ssim"]
Schedule = Literal["cosine", "linear", "halving", "constant", "stable"]
Optimizer = Literal["adam", "soap", "muon"]
Compute = Literal["float32", "bfloat16"]

MS_SSIM_CROP = 192
"""Pixels a side. From this size on a crop, a multiple of 64, has all five scales of MS-SSIM."""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that fixes one training run except the model. Give `minutes` or `steps`, not both.

    Raises `ValueError` if the fields make no run.

    Source of the objective's scale: GLLMM's published points fit L = R + lmbda * MSE on 0..255. Source of the `halving`
    schedule: the paper's 750,000 and 100,000 steps. The rate is constant for half of the run, then it is halved every
    fifteenth of the run.
    """

    data: str
    lmbda: float | tuple[float, float] = 0.013  # or (lowest, highest) for a model with a variable rate
    distortion: Distortion = "mse"  # MSE on 0..255, or 1 - MS-SSIM, whose lmbda is a few hundred times as large
    batch: int = 8  # images, of all devices together
    crop: int = 192  # pixels a side, a multiple of 64
    learning_rate: float = 1e-3  # peak
    warmup: float = 0.02  # fraction of the run
    schedule: Schedule = "linear"  # after the warm-up; `stable` is constant until its last part
    decay: float = 0.2  # fraction of the run in which the `stable` schedule falls to zero
    optimizer: Optimizer = "adam"
    clip: float = 0.5  # gradient norm
    ema: float = 0.999  # decay of the averaged weights per step
    compute: Compute = "float32"  # type of the networks' arithmetic; parameters, rates and losses are float32
    noise: float = 0.0  # fraction of the run in which g_s sees additive noise, before it sees rounded latents
    settle: float = 0.0  # last fraction of the run, in which g_a and gains rest and the rate too sees rounded latents
    frozen: tuple[str, ...] = ()  # names from PARTS of the networks that are not trained
    resident: bool = False  # keep the whole training set in device memory and draw crops there
    augment: bool = False  # for a resident set: crops also scaled down, transposed, in other contrast and colours
    steps_per_call: int = 1  # for a resident set: steps in one call of the device, which saves the host's work
    seed: int = 0
    minutes: float | None = None
    steps: int | None = None
    init: str | None = None  # weights to start from: an installed name or a file
    validate_minutes: float = 5.0  # between validations, each with a checkpoint

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give the length of the run as minutes or as steps, one of the two")
        reach = max(STRIDES.values()) * HYPER_STRIDE
        if self.distortion == "ms-ssim" and self.crop < MS_SSIM_CROP:
            raise ValueError(f"crop must be at least {MS_SSIM_CROP} pixels for ms-ssim, not {self.crop}")
        check(
            self,
            lmbda=(
                len(self.lmbda) == 2 and 0 < self.lmbda[0] < self.lmbda[1] < math.inf
                if isinstance(self.lmbda, tuple)
                else 0 < self.lmbda < math.inf,
                "finite and above zero, or two such numbers, the lower one first",
            ),
            batch=(is_count(self.batch), COUNT),
            crop=(is_count(self.crop) and self.crop % reach == 0, f"a multiple of {reach} pixels"),
            learning_rate=(0 <= self.learning_rate < math.inf, "finite and not below zero"),
            warmup=(0 <= self.warmup < 1, "at least 0 and below 1"),
            clip=(self.clip > 0, "above zero"),
            ema=(0 <= self.ema < 1, "at least 0 and below 1"),
            distortion=(self.distortion in get_args(Distortion), " or ".join(get_args(Distortion))),
            schedule=(self.schedule in get_args(Schedule), " or ".join(get_args(Schedule))),
            decay=(0 < self.decay <= 1, "above 0 and at most 1"),
            settle=(0 <= self.settle < 1, "at least 0 and below 1"),
            augment=(not self.augment or self.resident, "False unless the training set is resident"),
            steps_per_call=(
                is_count(self.steps_per_call) and (self.steps_per_call == 1 or self.resident),
                "1, or more where the training set is resident",
            ),
            optimizer=(self.optimizer in get_args(Optimizer), " or ".join(get_args(Optimizer))),
            compute=(self.compute in get_args(Compute), " or ".join(get_args(Compute))),
            noise=(0 <= self.noise <= 1, "from 0 to 1"),
            frozen=(
                isinstance(self.frozen, tuple) and set(self.frozen) < set(PARTS),
                f"a tuple of some of {', '.join(PARTS)}",
            ),
            seed=(isinstance(self.seed, int) and self.seed >= 0, "a whole number, not below zero"),
            minutes=(self.minutes is None or 0 < self.minutes < math.inf, "finite and above zero"),
            steps=(self.steps is None or is_count(self.steps), COUNT),
            validate_minutes=(self.validate_minutes > 0, "above zero"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Inverse of `to_dict`. It accepts JSON's lists. Raises `TypeError` for an unknown field."""
        return cls(**with_tuples(values))
