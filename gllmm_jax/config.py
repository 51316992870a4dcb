"""Values that say what a model is and how it is trained: no code, no arrays.

A config is saved with every checkpoint and weights file.
"""

import dataclasses
import math
from typing import Any, Literal, get_args

Family = Literal["gaussian", "laplace", "logistic"]
FAMILIES: tuple[Family, ...] = ("gaussian", "laplace", "logistic")

Block = Literal["plain", "leaky", "crm2", "crm3"]
Order = Literal["raster", "checkerboard"]  # of latents, under the context model

BLOCKS = ((2, 2), (2, 4))
"""Blocks of the progressive entropy model."""

Distortion = Literal["mse", "ms-ssim"]
Schedule = Literal["cosine", "linear", "halving", "constant", "stable"]
Optimizer = Literal["adam", "soap", "muon"]
Compute = Literal["float32", "bfloat16"]
Search = Literal["greedy", "straight-through", "gumbel"]  # for latents, `lof`

TRANSFORMS = ("g_a", "g_s")
"""The parts of a model that know pixels; the others are its entropy model."""

PARTS = ("g_a", "g_s", "h_a", "h_s", "context", "entropy", "progressive", "prior", "gain")
"""Networks as a model's parameters name them: `h_a h_s context entropy`, or `progressive`; `gain` with a rate."""

QUALITIES = 256
"""Of a model with a variable rate: 0 for the smallest files, 255 for the best pictures."""

STRIDES = {"paper": 16, "light": 16, "residual": 8}
"""Pixels per latent, on each axis, of each kind of transforms."""

HYPER_STRIDE = 4
"""Latents per hyper-latent, on each axis."""

CONTEXT_RADIUS = 2
"""Reach of the context (a 5x5 window), in latents."""

TAPS: dict[Order, tuple[tuple[int, int], ...]] = {
    "raster": tuple((i, j) for i in range(-2, 1) for j in range(-2, 3) if (i, j) < (0, 0)),
    "checkerboard": tuple((i, j) for i in range(-2, 3) for j in range(-2, 3) if (i + j) % 2),
}
"""Neighbours (rows down, columns to the right) that a latent's context sees, row by row.

On a checkerboard only latents of odd row + column have a context, of those of even row + column.
"""

MS_SSIM_CROP = 192
"""Pixels a side from which a crop, a multiple of 64, has all five scales of MS-SSIM."""

_WIDTHS = {"paper": 1, "light": 3, "residual": 1}
_COUNT = "a whole number above zero"


def _check(config: Any, **rules: tuple[bool, str]) -> None:
    """Raises `ValueError` for the first field whose rule (whether it holds, what it asks for) is broken."""
    for name, (holds, wanted) in rules.items():
        if not holds:
            raise ValueError(f"{name} must be {wanted}, not {getattr(config, name)!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _are_counts(values: object, length: int | None) -> bool:
    return isinstance(values, tuple) and len(values) == length and all(map(_is_count, values))


@dataclasses.dataclass(frozen=True)
class Progressive:
    """The multi-scale progressive entropy model (MSP) in place of hyperprior and serial context.

    Raises `ValueError` where the fields make no model. Source: Zhang et al. 2022, of whose profiles only Nokia's later
    code could be read: `scales`, `block` and `seeds` as there, the network a reconstruction.
    """

    scales: int = 3  # besides the coarsest, which the factorised prior codes
    block: tuple[int, int] = (2, 2)  # rows and columns that are visited in one order
    seeds: int = 0  # channels of a place that are coded one by one before the others
    width: int = 64  # F, channels of the network
    depth: int = 5  # R, its residual blocks

    def __post_init__(self) -> None:
        _check(
            self,
            scales=(_is_count(self.scales), _COUNT),
            block=(self.block in BLOCKS, " or ".join(map(str, BLOCKS))),
            seeds=(isinstance(self.seeds, int) and self.seeds >= 0, "a whole number, not below zero"),
            width=(_is_count(self.width), _COUNT),
            depth=(_is_count(self.depth), _COUNT),
        )


@dataclasses.dataclass(frozen=True)
class VariableRate:
    """One model for every quality q = 0 ... 255, at lambdas that grow by equal factors from `lowest` to `highest`.

    Raises `ValueError` where the fields make no range.
    """

    lowest: float = 0.0008
    highest: float = 0.12
    anchors: int = 8  # qualities with parameters of their own, evenly spread: in between they are interpolated

    def __post_init__(self) -> None:
        _check(
            self,
            lowest=(0 < self.lowest < math.inf, "finite and above zero"),
            highest=(self.lowest < self.highest < math.inf, f"finite and above {self.lowest}"),
            anchors=(_is_count(self.anchors) and 2 <= self.anchors <= QUALITIES, f"from 2 to {QUALITIES}"),
        )

    @property
    def middle(self) -> float:
        """lambda in the middle of the qualities, where gains start at one."""
        return (self.lowest * self.highest) ** 0.5

    def lmbda(self, quality: Any) -> Any:
        """lambda of a quality, 0 ... 255: a number, or an array of any library."""
        return self.lowest * (self.highest / self.lowest) ** (quality / (QUALITIES - 1))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shapes and wiring of one codec.

    `widths` has one entry (N everywhere) for the `paper` and `residual` transforms and three (strides 4, 8, 16) for the
    `light` ones. Any transforms go with any entropy model. Raises `ValueError` where the fields make no model.

    Source: GLLMM, IEEE TIP 2023, and its authors' published test code; `residual` and `msp`, see `nn.residual` and
    `nn.progressive`; `light` and `mu` are ours.
    """

    preset: str
    transform: Literal["paper", "light", "residual"] = "paper"
    widths: tuple[int, ...] = (128,)
    latents: int = 128  # M, channels of y
    hyper: int = 128  # N, channels of z and of the hyper networks
    hidden: tuple[int, int] = (640, 1280)  # entropy-parameter net
    families: tuple[Family, ...] = FAMILIES
    components: int = 3  # per family
    block: Block = "crm2"
    attention: bool = True
    order: Order = "raster"
    msp: Progressive | None = None  # then hyper and order have no meaning
    rate: VariableRate | None = None  # then one model serves every quality
    analysis_widths: tuple[int, ...] | None = None  # of the `light` g_a alone, where it is wider than g_s
    analysis_depth: int = 1  # residual blocks at strides 8 and 16 of the `light` g_a

    def __post_init__(self) -> None:
        length = _WIDTHS.get(self.transform)
        known = isinstance(self.families, tuple) and set(self.families) <= set(FAMILIES)
        _check(
            self,
            transform=(length is not None, " or ".join(_WIDTHS)),
            widths=(_are_counts(self.widths, length), f"a tuple of {length}, each {_COUNT}"),
            latents=(_is_count(self.latents), _COUNT),
            hyper=(_is_count(self.hyper), _COUNT),
            hidden=(_are_counts(self.hidden, 2), f"a tuple of 2, each {_COUNT}"),
            families=(known and len(self.families) > 0, f"a tuple of some of {', '.join(FAMILIES)}"),
            components=(_is_count(self.components), _COUNT),
            block=(self.block in get_args(Block), " or ".join(get_args(Block))),
            order=(self.order in get_args(Order), " or ".join(get_args(Order))),
            msp=(
                self.msp is None or (isinstance(self.msp, Progressive) and self.msp.seeds < self.latents),
                "a Progressive with fewer seeds than there are latents, or None",
            ),
            rate=(self.rate is None or isinstance(self.rate, VariableRate), "a VariableRate or None"),
            analysis_widths=(
                self.analysis_widths is None
                or (self.transform == "light" and _are_counts(self.analysis_widths, _WIDTHS["light"])),
                f"a tuple of {_WIDTHS['light']} for the light transforms, each {_COUNT}, or None",
            ),
            analysis_depth=(
                _is_count(self.analysis_depth) and (self.transform == "light" or self.analysis_depth == 1),
                f"{_COUNT}, and 1 but for the light transforms",
            ),
        )

    @property
    def stride(self) -> int:
        """Pixels per latent, on each axis."""
        return STRIDES[self.transform]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its networks, of PARTS."""
        entropy = ("h_a", "h_s", "context", "entropy") if self.msp is None else ("progressive",)
        return (*TRANSFORMS, *entropy, "prior", *(() if self.rate is None else ("gain",)))

    @property
    def static_channels(self) -> int:
        """Channels of what the factorised prior codes: N of z, or M of the coarsest scale of y."""
        return self.hyper if self.msp is None else self.latents

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Inverse of `to_dict`, tolerant of JSON's lists. Raises `TypeError` on an unknown field."""
        values = _with_tuples(values)
        if values.get("msp") is not None:
            values["msp"] = Progressive(**_with_tuples(values["msp"]))
        if values.get("rate") is not None:
            values["rate"] = VariableRate(**values["rate"])
        return cls(**values)


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that fixes one training run but the model. Give `minutes` or `steps`, not both.

    Raises `ValueError` where the fields make no run.

    Source of the objective's scale: GLLMM's published points fit L = R + lmbda * MSE on 0..255; of the `halving`
    schedule: constant for half of the run, then halved every fifteenth, as the paper's 750,000 and 100,000 steps.
    """

    data: str
    lmbda: float | tuple[float, float] = 0.013  # or lowest and highest of a model with a variable rate
    distortion: Distortion = "mse"  # on 0..255, or 1 - MS-SSIM, whose lmbda is a few hundred times as large
    batch: int = 8  # images, of all devices together
    crop: int = 192  # pixels a side, a multiple of 64
    learning_rate: float = 1e-3  # peak
    warmup: float = 0.02  # fraction of the run
    schedule: Schedule = "cosine"  # after it; `stable` is constant but for the last part
    decay: float = 0.2  # fraction of the run that the `stable` schedule takes to come down to zero
    optimizer: Optimizer = "adam"
    clip: float = 1.0  # gradient norm
    ema: float = 0.999  # decay of the averaged weights a step
    compute: Compute = "float32"  # what the networks calculate in; parameters, rates and losses are float32
    noise: float = 0.0  # fraction of the run in which g_s sees additive noise, before it sees rounded latents
    settle: float = 0.0  # fraction of the run, its end, in which g_a rests and the rate sees rounded latents as well
    frozen: tuple[str, ...] = ()  # of PARTS: not trained
    resident: bool = False  # keep the whole training set in device memory and draw crops there
    augment: bool = False  # of a resident set: crops also scaled down, transposed, and with other contrast and colours
    seed: int = 0
    minutes: float | None = None
    steps: int | None = None
    init: str | None = None  # weights to start from: an installed name or a file
    validate_minutes: float = 5.0  # between validations, with a checkpoint each

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give the length of the run as minutes or as steps, one of the two")
        reach = max(STRIDES.values()) * HYPER_STRIDE
        if self.distortion == "ms-ssim" and self.crop < MS_SSIM_CROP:
            raise ValueError(f"crop must be at least {MS_SSIM_CROP} pixels for ms-ssim, not {self.crop}")
        _check(
            self,
            lmbda=(
                all(0 < lmbda < math.inf for lmbda in self.lmbda) and self.lmbda[0] < self.lmbda[-1]
                if isinstance(self.lmbda, tuple)
                else 0 < self.lmbda < math.inf,
                "finite and above zero, or two such numbers, the lower one first",
            ),
            batch=(_is_count(self.batch), _COUNT),
            crop=(_is_count(self.crop) and self.crop % reach == 0, f"a multiple of {reach} pixels"),
            learning_rate=(0 <= self.learning_rate < math.inf, "finite and not below zero"),
            warmup=(0 <= self.warmup < 1, "at least 0 and below 1"),
            clip=(self.clip > 0, "above zero"),
            ema=(0 <= self.ema < 1, "at least 0 and below 1"),
            distortion=(self.distortion in get_args(Distortion), " or ".join(get_args(Distortion))),
            schedule=(self.schedule in get_args(Schedule), " or ".join(get_args(Schedule))),
            optimizer=(self.optimizer in get_args(Optimizer), " or ".join(get_args(Optimizer))),
            decay=(0 < self.decay <= 1, "above 0 and at most 1"),
            settle=(0 <= self.settle < 1, "at least 0 and below 1"),
            augment=(not self.augment or self.resident, "False unless the training set is resident"),
            compute=(self.compute in get_args(Compute), " or ".join(get_args(Compute))),
            noise=(0 <= self.noise <= 1, "from 0 to 1"),
            frozen=(
                isinstance(self.frozen, tuple) and set(self.frozen) < set(PARTS),
                f"a tuple of some of {', '.join(PARTS)}",
            ),
            seed=(isinstance(self.seed, int) and self.seed >= 0, "a whole number, not below zero"),
            minutes=(self.minutes is None or 0 < self.minutes < math.inf, "finite and above zero"),
            steps=(self.steps is None or _is_count(self.steps), _COUNT),
            validate_minutes=(self.validate_minutes > 0, "above zero"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Inverse of `to_dict`, tolerant of JSON's lists. Raises `TypeError` on an unknown field."""
        return cls(**_with_tuples(values))
