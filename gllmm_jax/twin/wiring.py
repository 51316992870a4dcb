"""The layers of an integer twin: the inputs of each layer and the shapes of its arrays.

A model with a context has hyper-synthesis, context and entropy net. The name of a layer of the hyper-synthesis says
what it does (`form`): "conv2" is a convolution, "up1" an up-convolution, "sub1" a convolution and depth to space. If z
has an offset (`nn.hyper`), the first layer has one more input channel. This channel is one inside the
picture and zero outside, and its weights are those of z times the offset. So z itself stays whole.

A model with splits has a context, a network of the earlier channels (`far0 far1 far2`) and an entropy net for each
group of channels. The number of the group begins their names, as in "2dense0". A progressive model has the network of
`nn.progressive`, whose residual blocks `block0a block0b ...` add to one stream, which begins at `first` and ends at
`place`.
"""

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

from gllmm_jax.config import QUALITIES, TAPS, Design, ModelConfig, Progressive
from gllmm_jax.nn import space_channel
from gllmm_jax.nn.progressive import ORDERS
from gllmm_jax.prob.mixture import numbers_per_latent

HYPER: dict[Design, tuple[str, ...]] = {
    "gllmm": ("conv0", "up1", "conv2", "up3", "conv4"),
    "balle": ("up0", "up1", "conv2"),
    "minnen": ("up0", "up1", "conv2"),
    "cheng": ("conv0", "sub1", "conv2", "sub3", "conv4"),
    "elic": ("up0", "up1", "conv2"),
}
"""Layers of the hyper-synthesis, in order."""

LEAKS: dict[Design, float] = {
    "gllmm": 205 / 1024,
    "balle": 0.0,
    "minnen": 164 / 2**14,
    "cheng": 164 / 2**14,
    "elic": 0.0,
}
"""Slopes of the ReLUs, near `config.SLOPES`; times an activation of 16 bits the numerators stay below 2^24."""

LEVELS = 16
"""Levels of a model with a variable rate. Each level is a run of equally many qualities.

Latents grow with the quality, and integers below 2^24 hold finer weights for smaller latents. So each level has its own
bounds, precisions and tables of the prior. Each quality has its own biases.
"""

EACH = QUALITIES // LEVELS
"""Qualities of a level."""

PHASES = {3: (((1, 0),), ((0, 0), (2, 1))), 5: (((0, -1), (2, 0), (4, 1)), ((1, 0), (3, 1)))}
"""By side of an up-convolution's kernel, for even and odd samples: pairs (tap, step), whose tap reads x[i + step]."""


class Spec(NamedTuple):
    """One layer."""

    kernel: tuple[int, int, int]  # taps, in, out
    inputs: tuple[str, ...]  # layers whose outputs it takes, side by side; "z" and those of `channels` are latents
    biases: int = 0  # rows of biases to choose one from; 0 for a single bias vector


def by_quality(config: ModelConfig) -> tuple[str, ...]:
    """Layers that have a bias for each quality."""
    if config.rate is None:
        return ()
    if config.msp is not None:
        return ("dense1",)
    return tuple(name for name in specs(config) if base(name) in ("dense0", "dense1"))


def rectified(config: ModelConfig) -> set[str]:
    """Layers whose inputs leaky ReLUs made: all but those that take latents, and dense0 behind linear layers."""
    wiring = specs(config)
    return {name for name, spec in wiring.items() if spec.inputs[0] in wiring and base(name) != "dense0"}


class Read(NamedTuple):
    """A layer that reads an activation, and where the activation lies among the layer's inputs."""

    layer: str
    part: slice


def activation(maker: str) -> str:
    """The activation that a layer makes. Residual blocks add to a single one, which is called "stream"."""
    return "stream" if maker == "first" or (maker.startswith("block") and maker.endswith("b")) else maker


def readers(wiring: Mapping[str, Spec]) -> dict[str, list[Read]]:
    """The layers that read each activation. Latents are no activations."""
    found: dict[str, list[Read]] = {}
    for name, spec in wiring.items():
        begin = 0
        for maker in spec.inputs if spec.inputs[0] in wiring else ():
            end = begin + wiring[maker].kernel[2] // blocks(maker)
            found.setdefault(activation(maker), []).append(Read(name, slice(begin, end)))
            begin = end
    return found


def sharing(wiring: Mapping[str, Spec]) -> list[list[str]]:
    """Layers whose inputs share one exponent: those that have the last of their inputs in common."""
    found: dict[str, list[str]] = {}
    for name, spec in wiring.items():
        found.setdefault(activation(spec.inputs[-1]), []).append(name)
    return list(found.values())


def base(name: str) -> str:
    """The name of a layer without the number of its group."""
    return name.lstrip("0123456789")


def group(name: str) -> int:
    """The number of a layer's group of channels."""
    return int(name.removesuffix(base(name)) or 0)


def channels(config: ModelConfig) -> dict[str, slice]:
    """The parts of y that layers take: all channels as "y", or each group as "y0", "y1" ..."""
    if not config.splits:
        return {"y": slice(0, config.latents)}
    return {f"y{k}": slice(first, last) for k, (first, last) in enumerate(config.groups)}


def specs(config: ModelConfig) -> dict[str, Spec]:
    """All layers of the exact path, in order; the last gives the mixtures."""
    numbers = numbers_per_latent(config.families, config.components) * config.latents
    if config.msp is not None:
        return _progressive(config, config.msp, numbers)
    if not config.has_hyperprior:
        return {}
    m, f, hidden = config.latents, config.context_features, config.hidden
    taps, rows, hyper = len(TAPS[config.order]), _rows(config), _hyper(config)
    if config.direct:
        return hyper
    if config.splits:
        return hyper | _space_channel(config)
    seen = {"context": Spec((taps, m, f), ("y",))} if taps else {}
    return {
        **hyper,
        **seen,
        "dense0": Spec((1, f * (1 + len(seen)), hidden[0]), (*seen, HYPER[config.design][-1]), rows),
        "dense1": Spec((1, *hidden), ("dense0",), rows),
        "dense2": Spec((1, hidden[1], numbers), ("dense1",)),
    }


def _space_channel(config: ModelConfig) -> dict[str, Spec]:
    found, latents = {}, list(channels(config))
    numbers, rows, f = numbers_per_latent(config.families, config.components), _rows(config), config.context_features
    for k, (first, last) in enumerate(config.groups):
        seen, wide = space_channel.features(first, last), space_channel.hidden(config, first, last)
        found[f"{k}context"] = Spec((len(TAPS[config.order]), last - first, seen), (latents[k],))
        given, far = [f"{k}context"], (first, *config.hidden, seen)
        for i, shape in enumerate(itertools.pairwise(far) if first else ()):
            found[f"{k}far{i}"] = Spec((25, *shape), (f"{k}far{i - 1}",) if i else tuple(latents[:k]))
        given += [f"{k}far2"] * bool(first)
        found[f"{k}dense0"] = Spec((1, seen * len(given) + f, wide[0]), (*given, HYPER[config.design][-1]), rows)
        found[f"{k}dense1"] = Spec((1, *wide), (f"{k}dense0",), rows)
        found[f"{k}dense2"] = Spec((1, wide[1], numbers * (last - first)), (f"{k}dense1",))
    return found


def _hyper(config: ModelConfig) -> dict[str, Spec]:
    m, n, wide, f = config.latents, config.hyper, 3 * config.hyper // 2, config.context_features
    outs = {"gllmm": (n, n, wide, wide, f), "balle": (n, n, f), "minnen": (m, 3 * m // 2, f), "elic": (n, wide, f)}
    given, before, found = n + config.has_offset, "z", {}
    for name, out in zip(HYPER[config.design], outs.get(config.design, outs["gllmm"]), strict=True):
        taps = 25 if config.design in ("balle", "minnen", "elic") and form(name) == "up" else 9
        found[name] = Spec((taps, given, blocks(name) * out), (before,))
        given, before = out, name
    return found


def form(name: str) -> str:
    """What a layer of the hyper-synthesis does: "conv", "up" or "sub"."""
    return name.rstrip("0123456789")


def blocks(name: str) -> int:
    """How many outputs of a layer become one channel: 4 where depth to space follows."""
    return 4 if form(name) == "sub" else 1


def _progressive(config: ModelConfig, msp: Progressive, numbers: int) -> dict[str, Spec]:
    f, places, size = msp.width, len(ORDERS[msp.block]), msp.block[0] * msp.block[1]
    groups = len(msp.edges(config.latents)) - 1
    found = {"first": Spec((9, size * config.latents, f), ("y",) * size, msp.scales * places * groups)}
    for i in range(msp.depth):
        found[f"block{i}a"] = Spec((9, f, f), (f"block{i - 1}b" if i else "first",))
        found[f"block{i}b"] = Spec((9, f, f), (f"block{i}a",))
    found["place"] = Spec((places, f, config.hidden[0]), (f"block{msp.depth - 1}b",), places)
    found["dense1"] = Spec((1, *config.hidden), ("place",), _rows(config))
    return found | {"dense2": Spec((1, config.hidden[1], numbers), ("dense1",))}


def _rows(config: ModelConfig) -> int:
    return 0 if config.rate is None else EACH


def taps_summed(name: str, taps: int) -> list[list[int]]:
    """Groups of taps that share one sum: all taps, those of each phase of an up-convolution, or each tap of `place`."""
    if name == "place":
        return [[tap] for tap in range(taps)]
    if not name.startswith("up"):
        return [list(range(taps))]
    side = math.isqrt(taps)
    phases = PHASES[side]
    return [[side * p + q for p, _ in rows for q, _ in columns] for rows in phases for columns in phases]
