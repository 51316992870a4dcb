"""The config of a model."""

import dataclasses
import itertools
import math
from typing import Any, Literal, get_args

from gllmm_jax.config.checks import DEEPEST, DEPTH, WIDTH, are_widths, check, is_count, is_width, with_tuples
from gllmm_jax.config.design import ORDERS_OF, SLOPES, Design
from gllmm_jax.config.progressive import Progressive

Family = Literal["gaussian", "laplace", "logistic"]
FAMILIES: tuple[Family, ...] = ("gaussian", "laplace", "logistic")

Block = Literal["plain", "leaky", "crm2", "crm3"]
Order = Literal["raster", "checkerboard", "none"]  # of latents with a context model, or no order

Search = Literal["greedy", "straight-through", "gumbel"]  # of latents, for `lof`

TRANSFORMS = ("g_a", "g_s")
"""The parts of a model that know pixels. The other parts are its entropy model."""

PARTS = ("g_a", "g_s", "h_a", "h_s", "context", "entropy", "space_channel", "progressive", "prior", "gain")
"""Networks by their names in the parameters. A model has those of its entropy model, and `gain` with a rate."""

QUALITIES = 256
"""Number of qualities of a model with a variable rate. 0 gives the smallest files, 255 the best pictures."""

STRIDES = {"paper": 16, "light": 16, "residual": 8, "balle": 16, "cheng": 16, "elic": 16}
"""Pixels per latent on each axis, for each kind of transforms."""

HYPER_STRIDE = 4
"""Latents per hyper-latent on each axis."""

CONTEXT_RADIUS = 2
"""Reach of the context (a 5x5 window), in latents."""

TAPS: dict[str, tuple[tuple[int, int], ...]] = {
    "raster": tuple((i, j) for i in range(-2, 1) for j in range(-2, 3) if (i, j) < (0, 0)),
    "checkerboard": tuple((i, j) for i in range(-2, 3) for j in range(-2, 3) if (i + j) % 2),
    "none": (),
}
"""Neighbours (rows down, columns to the right) that a latent's context sees, row by row.

On a checkerboard only latents at odd row + column have a context. Latents at even row + column form it.
"""

_WIDTHS = {"paper": 1, "light": 3, "residual": 1, "balle": 1, "cheng": 1, "elic": 1}


@dataclasses.dataclass(frozen=True)
class VariableRate:
    """One model for all qualities q = 0 ... 255. Their lambdas grow by equal factors from `lowest` to `highest`.

    Raises `ValueError` if the fields make no range.
    """

    lowest: float = 0.0008
    highest: float = 0.12
    anchors: int = 8  # evenly spread qualities with parameters of their own; the others are interpolated

    def __post_init__(self) -> None:
        check(
            self,
            lowest=(0 < self.lowest < math.inf, "finite and above zero"),
            highest=(self.lowest < self.highest < math.inf, f"finite and above {self.lowest}"),
            anchors=(is_count(self.anchors) and 2 <= self.anchors <= QUALITIES, f"from 2 to {QUALITIES}"),
        )

    @property
    def middle(self) -> float:
        """lambda of the middle quality, where gains start at one."""
        return (self.lowest * self.highest) ** 0.5

    def lmbda(self, quality: Any) -> Any:
        """lambda of a quality, 0 ... 255, which is a number or an array of any library."""
        return self.lowest * (self.highest / self.lowest) ** (quality / (QUALITIES - 1))


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shapes and wiring of one codec.

    `widths` has three entries (strides 4, 8, 16) for the `light` transforms and one (N everywhere) for the others. Any
    transforms go with any entropy model. Raises `ValueError` if the fields make no model.

    Source: GLLMM, IEEE TIP 2023, and its authors' published test code. For `residual` and `msp` see `nn.residual` and
    `nn.progressive`; for `balle`, `minnen`, `cheng` and `elic` see `config.design`. `light` and `mu` are ours.
    """

    preset: str
    transform: Literal["paper", "light", "residual", "balle", "cheng", "elic"] = "paper"
    widths: tuple[int, ...] = (128,)
    latents: int = 128  # M, channels of y
    hyper: int = 128  # N, channels of z and of the hyper networks; 0: no z, and the factorised prior codes y
    features: int | None = None  # F, channels of the context and of phi; 2M unless given
    hidden: tuple[int, int] = (640, 1280)  # entropy-parameter net; with splits, the networks that see earlier channels
    families: tuple[Family, ...] = FAMILIES
    components: int = 3  # per family
    block: Block = "crm2"
    attention: bool = True
    order: Order = "raster"
    splits: tuple[int, ...] = ()  # first channels of all groups but the first; groups are decoded in turn
    msp: Progressive | None = None  # if given, hyper and order have no meaning
    rate: VariableRate | None = None  # if given, one model serves every quality
    analysis_widths: tuple[int, ...] | None = None  # widths of the `light` g_a alone, if it is wider than g_s
    analysis_depth: int = 1  # residual blocks at strides 8 and 16 of the `light` g_a
    design: Design = "gllmm"  # of the entropy model
    medians: bool = False  # whether z of a `gllmm` hyperprior is rounded about medians, as `nn.hyper` says

    def __post_init__(self) -> None:
        length = _WIDTHS.get(self.transform)
        known = isinstance(self.families, tuple) and set(self.families) <= set(FAMILIES)
        check(
            self,
            preset=(isinstance(self.preset, str), "a name"),
            transform=(length is not None, " or ".join(_WIDTHS)),
            widths=(are_widths(self.widths, length), f"a tuple of {length}, each {WIDTH}"),
            latents=(is_width(self.latents), WIDTH),
            hyper=(self.hyper == 0 or is_width(self.hyper), f"{WIDTH}, or 0"),
            features=(self.features is None or is_width(self.features), f"{WIDTH}, or None"),
            hidden=(are_widths(self.hidden, 2), f"a tuple of 2, each {WIDTH}"),
            families=(known and len(self.families) > 0, f"a tuple of some of {', '.join(FAMILIES)}"),
            components=(is_count(self.components, DEEPEST), DEPTH),
            block=(self.block in get_args(Block), " or ".join(get_args(Block))),
            attention=(isinstance(self.attention, bool), "true or false"),
            order=(self.order in get_args(Order), " or ".join(get_args(Order))),
            msp=(
                self.msp is None
                or (isinstance(self.msp, Progressive) and max(self.msp.seeds, *self.msp.splits, 0) < self.latents),
                "a Progressive whose seeds and splits are below the number of latents, or None",
            ),
            splits=(self._can_split(), f"up to {DEEPEST} rising numbers below {self.latents!r}, on a checkerboard"),
            rate=(self.rate is None or isinstance(self.rate, VariableRate), "a VariableRate or None"),
            analysis_widths=(
                self.analysis_widths is None
                or (self.transform == "light" and are_widths(self.analysis_widths, _WIDTHS["light"])),
                f"a tuple of {_WIDTHS['light']} for the light transforms, each {WIDTH}, or None",
            ),
            analysis_depth=(
                is_count(self.analysis_depth, DEEPEST) and (self.transform == "light" or self.analysis_depth == 1),
                f"{DEPTH}, and 1 but for the light transforms",
            ),
            medians=(
                self.medians is False
                or (self.medians is True and self.design == "gllmm" and self.has_hyperprior and self.rate is None),
                "False, or True for a hyperprior of the design gllmm at one rate",
            ),
            design=(self.design in SLOPES and self._fits(), f"{' or '.join(SLOPES)}, with what `config.design` allows"),
        )

    def _can_split(self) -> bool:
        if self.splits == ():
            return True
        numbers = isinstance(self.splits, tuple) and all(map(is_width, (*self.splits, self.latents, self.hyper)))
        grow = numbers and all(a < b for a, b in itertools.pairwise((*self.splits, self.latents)))
        return grow and len(self.splits) <= DEEPEST and self.order == "checkerboard" and self.msp is None

    def _fits(self) -> bool:
        if self.design == "gllmm":
            return True
        if self.msp is not None or (self.hyper and self.order not in ORDERS_OF[self.design]):
            return False
        return not self.direct or (self.families == ("gaussian",) and self.components == 1)

    @property
    def stride(self) -> int:
        """Pixels per latent on each axis."""
        return STRIDES[self.transform]

    @property
    def entropy_model(self) -> str:
        """The kind of the entropy model: a key of `order.models.MODELS`."""
        if self.msp is not None:
            return "progressive"
        if self.hyper == 0:
            return "factorized"
        if self.splits:
            return "space-channel"
        return "hyperprior" if self.order == "none" else "context"

    @property
    def has_hyperprior(self) -> bool:
        """Whether the codec codes z before y."""
        return self.entropy_model in ("context", "space-channel", "hyperprior")

    @property
    def has_offset(self) -> bool:
        """Whether h_s adds an offset to z_hat before its first layer (`nn.hyper`)."""
        return self.has_hyperprior and (self.design != "gllmm" or self.medians)

    @property
    def direct(self) -> bool:
        """Whether h_s gives the distributions itself, without an entropy net."""
        return self.design != "gllmm" and self.entropy_model == "hyperprior"

    @property
    def centred(self) -> bool:
        """Whether the model rounds and codes y less its mean."""
        return self.design == "minnen" and self.direct

    @property
    def groups(self) -> list[tuple[int, int]]:
        """First and last channel (not included) of each group of channels, in the order of decoding."""
        return list(itertools.pairwise((0, *self.splits, self.latents)))

    @property
    def coarsest(self) -> int:
        """The scale of y that the factorised prior codes if there is no z. Scale 0 is y itself."""
        return 0 if self.msp is None else self.msp.scales

    @property
    def context_features(self) -> int:
        """F, channels of the context and of phi. For a `direct` model they are the scales, or means and scales."""
        if self.direct:
            return self.latents * (2 if self.centred else 1)
        return self.features or 2 * self.latents

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the model's networks, from PARTS."""
        networks = {
            "context": ("h_a", "h_s", "context", "entropy"),
            "space-channel": ("h_a", "h_s", "space_channel"),
            "hyperprior": ("h_a", "h_s") if self.direct else ("h_a", "h_s", "entropy"),
            "progressive": ("progressive",),
            "factorized": (),
        }
        return (*TRANSFORMS, *networks[self.entropy_model], "prior", *(() if self.rate is None else ("gain",)))

    @property
    def static_channels(self) -> int:
        """Channels that the factorised prior codes: N of z, or M of y or of its coarsest scale."""
        return self.hyper if self.has_hyperprior else self.latents

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Inverse of `to_dict`. It accepts JSON's lists. Raises `TypeError` for an unknown field."""
        values = with_tuples(values)
        if values.get("msp") is not None:
            values["msp"] = Progressive(**with_tuples(values["msp"]))
        if values.get("rate") is not None:
            values["rate"] = VariableRate(**values["rate"])
        return cls(**values)
