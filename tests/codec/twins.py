"""Random parameter trees in the documented layout, and latents to go with them: what the exact path's tests run on."""

import dataclasses
import functools
import itertools

import numpy as np

from gllmm_jax.config import ModelConfig, Progressive, VariableRate
from gllmm_jax.nn.progressive import ORDERS
from gllmm_jax.presets import PRESETS
from gllmm_jax.twin.calibrate import make_twin
from gllmm_jax.twin.integer import Twin
from gllmm_jax.twin.observe import Latents
from gllmm_jax.twin.wiring import EACH, LEVELS
from gllmm_jax.walk.latents import clamp_latents, hyper_shape
from tests.parameters import random_params

MU = PRESETS["mu"]
PLAIN = ModelConfig(preset="plain", widths=(16,), latents=8, hyper=4, hidden=(16, 16), components=1)

BOARD = dataclasses.replace(PLAIN, preset="board", order="checkerboard")
ALONE = dataclasses.replace(PLAIN, preset="hyperprior", order="none", features=10)
STATIC = dataclasses.replace(PLAIN, preset="factorized", hyper=0)
FAST = dataclasses.replace(PLAIN, preset="fast", msp=Progressive(width=8, depth=1))
SEEDS = dataclasses.replace(
    MU, preset="seeds", msp=Progressive(scales=2, block=(2, 4), seeds=1, width=8, depth=2, splits=(6,))
)

SCALE = dataclasses.replace(
    PLAIN, preset="scale", transform="balle", widths=(8,), families=("gaussian",), order="none", design="balle"
)
MEAN = dataclasses.replace(SCALE, preset="mean", design="minnen")
JOINT = dataclasses.replace(MEAN, preset="joint", order="raster")
MEDIANS = dataclasses.replace(PLAIN, preset="medians", medians=True)
CHENG = dataclasses.replace(JOINT, preset="cheng", transform="cheng", block="leaky", design="cheng", components=3)
ELIC = dataclasses.replace(JOINT, preset="elic", transform="elic", design="elic", order="checkerboard", splits=(2, 3))
PARTED = dataclasses.replace(
    BOARD, preset="parted", splits=(5,), features=10, components=2, rate=VariableRate(0.002, 0.05, anchors=3)
)
BALLE = dataclasses.replace(SCALE, preset="balle", hyper=0)


def tree(config: ModelConfig, seed: int = 0) -> dict:
    """Parameters of everything but the transforms and h_a, with rows of all anchors where the rate is variable.

    Of a design of others, and of a model with splits or medians, these are all parameters.
    """
    if config.design != "gllmm" or config.splits or config.medians:
        params = random_params(config, seed)
        if config.has_offset:
            params["h_s"]["offset"]["offset"] += 2  # so that it is missed where it is not
        return params
    made = _tree(dataclasses.replace(config, rate=None), seed)
    if config.rate is None:
        return made
    key, anchors = np.random.default_rng(seed + 1), config.rate.anchors

    def rows(features: int) -> dict:
        return {"rows": (key.normal(size=(anchors, features)) * 0.3).astype(np.float32)}

    if config.has_hyperprior:
        made["entropy"] |= {f"level{i}": rows(features) for i, features in enumerate(config.hidden)}
    elif config.msp is not None:
        made["progressive"]["level"] = rows(config.hidden[1])
    made["prior"] |= {name: rows(config.static_channels) for name in ("log_width", "shift")}
    return made


def _tree(config: ModelConfig, seed: int) -> dict:
    key = np.random.default_rng(seed)
    m, n, k = config.latents, config.hyper, config.components
    families = len(config.families)
    groups = families * k * (3 if k > 1 else 2) + (families if families > 1 else 0)

    def affine(*shape, gain=1.5):
        fan = np.prod(shape[:-1])
        kernel = key.normal(size=shape) * gain / np.sqrt(fan)
        return {"kernel": kernel.astype(np.float32), "bias": (key.normal(size=shape[-1]) * 0.1).astype(np.float32)}

    if config.msp is not None:
        return {"progressive": _progressive(config, config.msp, groups, affine, key), "prior": prior(m, key)}
    if not config.has_hyperprior:
        return {"prior": prior(m, key)}
    wide, f = 3 * n // 2, config.context_features
    shapes = {"conv0": (n, n), "up1": (n, n), "conv2": (n, wide), "up3": (wide, wide), "conv4": (wide, f)}
    context = {"context": affine(5, 5, m, f)} if config.entropy_model == "context" else {}
    sizes = (f * (1 + len(context)), *config.hidden)
    entropy = {f"dense{i}": affine(a, b) for i, (a, b) in enumerate(itertools.pairwise(sizes))}
    entropy["dense2"] = {"kernel": affine(config.hidden[1], groups * m, gain=0.6)["kernel"]}
    return {
        "h_s": {name: affine(3, 3, *shape) for name, shape in shapes.items()},
        **context,
        "entropy": entropy,
        "prior": prior(n, key),
    }


def _progressive(config, msp, groups, affine, key) -> dict:
    m, f, (wide, wider), places = config.latents, msp.width, config.hidden, len(ORDERS[msp.block])
    net = {"first": {"kernel": affine(3, 3, msp.block[0] * msp.block[1] * m, f)["kernel"]}}
    for i in range(msp.depth):
        net |= {f"block{i}_conv{j}": affine(3, 3, f, f, gain=0.7) for j in range(2)}
    place = [affine(f, wide) for _ in range(places)]
    net |= {"place": np.stack([p["kernel"] for p in place]), "place_bias": np.stack([p["bias"] for p in place])}
    out = affine(wider, groups * m, gain=0.6)
    net |= {"dense": affine(wide, wider), "out": out["kernel"], "out_bias": out["bias"]}
    steps = key.normal(size=(msp.scales, places * (len(msp.edges(m)) - 1), f)) * 0.1
    return net | {"step": steps.astype(np.float32)}


def prior(n: int, key: np.random.Generator) -> dict:
    filters, leaves = (1, 3, 3, 3, 1), {}
    for i, (a, b) in enumerate(itertools.pairwise(filters)):
        leaves[f"matrix{i}"] = np.full((n, b, a), np.log(np.expm1(1 / (1.2 * b))), np.float32)
        leaves[f"bias{i}"] = key.uniform(-0.5, 0.5, (n, b, 1)).astype(np.float32)
        if i < 3:
            leaves[f"factor{i}"] = (key.normal(size=(n, b, 1)) * 0.1).astype(np.float32)
    return leaves


def draw(config: ModelConfig, height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    key = np.random.default_rng(seed)
    scale = np.exp(np.linspace(2.5, -3, config.latents))
    y = np.rint(key.laplace(size=(height, width, config.latents)) * scale).astype(np.int32)
    z = np.rint(key.normal(size=hyper_shape(config, (height, width))) * 2).astype(np.int32)
    return y, z


@functools.cache
def twin(config: ModelConfig = MU, seed: int = 0) -> Twin:
    if config.rate is None:
        calibration = [Latents(*draw(config, 8, 12, s)) for s in range(100, 104)]
    else:
        calibration = [Latents(*draw(config, 8, 12, 100 + i), (i + 1) * EACH - 1) for i in range(LEVELS)]
    return make_twin(config, tree(config, seed), calibration)


def carried(config: ModelConfig, height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`draw`, clamped to what a stream carries."""
    return clamp_latents(twin(config), *draw(config, height, width, seed))
