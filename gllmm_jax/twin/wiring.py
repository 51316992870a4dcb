"""The layers of an integer twin: what each takes, and the shapes of its arrays.

A model with a context has hyper-synthesis, context and entropy net; a progressive one has the network of
`nn.progressive`, whose residual blocks `block0a block0b ...` add to one stream that begins at `first` and ends at
`place`.
"""

from typing import NamedTuple

from gllmm_jax.config import QUALITIES, TAPS, ModelConfig, Progressive
from gllmm_jax.nn.progressive import ORDERS
from gllmm_jax.prob.mixture import numbers_per_latent

HYPER = ("conv0", "up1", "conv2", "up3", "conv4")
ENTROPY = ("context", "dense0", "dense1", "dense2")

LEVELS = 16
"""Levels of a model with a variable rate, each of as many qualities in a row.

Latents grow with the quality, and integers below 2^24 hold finer weights for smaller latents. So each level has bounds,
precisions and tables of the prior of its own, and each quality biases.
"""

EACH = QUALITIES // LEVELS
"""Qualities of a level."""

ODD = ((0, 0), (2, 1))  # an upsampled odd sample: tap 0 of x[i], tap 2 of x[i + 1]
EVEN = ((1, 0),)


class Spec(NamedTuple):
    """One layer."""

    kernel: tuple[int, int, int]  # taps, in, out
    inputs: tuple[str, ...]  # layers whose outputs it takes, side by side; "y", "z": what the stream carries
    biases: int = 0  # rows to choose one from; 0: one bias, a vector


def by_quality(config: ModelConfig) -> tuple[str, ...]:
    """Layers that have a bias for each quality."""
    if config.rate is None:
        return ()
    return {"progressive": ("dense1",), "factorized": ()}.get(config.entropy_model, ("dense0", "dense1"))


def specs(config: ModelConfig) -> dict[str, Spec]:
    """All layers of the exact path, in order; the last gives the mixtures."""
    numbers = numbers_per_latent(config.families, config.components) * config.latents
    if config.msp is not None:
        return _progressive(config, config.msp, numbers)
    if not config.has_hyperprior:
        return {}
    m, n, f, hidden = config.latents, config.hyper, config.context_features, config.hidden
    wide, taps, rows = 3 * n // 2, len(TAPS[config.order]), _rows(config)
    seen = {"context": Spec((taps, m, f), ("y",))} if taps else {}
    return {
        "conv0": Spec((9, n, n), ("z",)),
        "up1": Spec((9, n, n), ("conv0",)),
        "conv2": Spec((9, n, wide), ("up1",)),
        "up3": Spec((9, wide, wide), ("conv2",)),
        "conv4": Spec((9, wide, f), ("up3",)),
        **seen,
        "dense0": Spec((1, f * (1 + len(seen)), hidden[0]), (*seen, "conv4"), rows),
        "dense1": Spec((1, *hidden), ("dense0",), rows),
        "dense2": Spec((1, hidden[1], numbers), ("dense1",)),
    }


def _progressive(config: ModelConfig, msp: Progressive, numbers: int) -> dict[str, Spec]:
    f, places, size = msp.width, len(ORDERS[msp.block]), msp.block[0] * msp.block[1]
    found = {"first": Spec((9, size * config.latents, f), ("y",) * size, msp.scales * places * (msp.seeds + 1))}
    for i in range(msp.depth):
        found[f"block{i}a"] = Spec((9, f, f), (f"block{i - 1}b" if i else "first",))
        found[f"block{i}b"] = Spec((9, f, f), (f"block{i}a",))
    found["place"] = Spec((places, f, config.hidden[0]), (f"block{msp.depth - 1}b",), places)
    found["dense1"] = Spec((1, *config.hidden), ("place",), _rows(config))
    return found | {"dense2": Spec((1, config.hidden[1], numbers), ("dense1",))}


def _rows(config: ModelConfig) -> int:
    return 0 if config.rate is None else EACH


def taps_summed(name: str, taps: int) -> list[list[int]]:
    """Which kernel taps meet in one sum: all of them, those of one phase of an up-convolution, or one of `place`."""
    if name == "place":
        return [[tap] for tap in range(taps)]
    if not name.startswith("up"):
        return [list(range(taps))]
    return [[3 * p + q for p, _ in rows for q, _ in columns] for rows in (EVEN, ODD) for columns in (EVEN, ODD)]
