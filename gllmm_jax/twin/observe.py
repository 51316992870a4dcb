"""Ranges of activations of the float networks on calibration latents. NumPy only.

This repeats the wiring of `nn` in NumPy, because every picture has another shape and compiling for it does not pay.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gllmm_jax.config import SLOPES, TAPS, ModelConfig
from gllmm_jax.nn.progressive import calls, mixed, row
from gllmm_jax.twin.wiring import HYPER, PHASES, by_quality, form, readers, rectified, specs

SAMPLES = 8192
"""Latent positions that are sampled from all calibration pictures together."""


class Latents(NamedTuple):
    """The latents of one picture: y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N]."""

    y_hat: np.ndarray
    z_hat: np.ndarray
    quality: int = 0  # with a variable rate: 0 ... 255, or the number of the quality within its level


class Range(NamedTuple):
    """The range of one tensor, by channel, in float64."""

    peak: np.ndarray  # largest magnitude [C]
    power: np.ndarray  # mean square [C]
    mean: np.ndarray  # over the calm half of the positions [C]
    floored: np.ndarray  # there, the share of values that a leaky ReLU made of negative ones and rounded down [C]

    def scaled(self, factors: np.ndarray) -> "Range":
        """The range of the tensor whose channels are multiplied by positive `factors` [C]."""
        return Range(self.peak * factors, self.power * factors**2, self.mean * factors, self.floored)


def activations(config: ModelConfig, layers: dict[str, Any], calibration: Sequence[Latents]) -> dict[str, Range]:
    """The range of every layer's input, by the layer's name, and of y_hat, as "y".

    All layers that take the residual stream of a progressive model are told the largest peak of any of them.
    """
    samples: dict[str, list[np.ndarray]] = {}
    key = np.random.default_rng(0)
    for y_hat, z_hat, quality in calibration:
        own = {name: (layers[name][0], layers[name][1][quality]) for name in by_quality(config)}
        if config.entropy_model == "factorized":
            found = {}
        elif config.msp is None:
            found = _with_context(config, layers | own, y_hat, z_hat, key, max(SAMPLES // len(calibration), 16))
        else:
            found = _progressive(config, layers | own, y_hat, key, max(SAMPLES // len(calibration), 64))
        for name, value in {**found, "y": y_hat}.items():
            samples.setdefault(name, []).append(value.reshape(-1, value.shape[-1]).astype(np.float32))
    whole = {name: np.concatenate(v) for name, v in samples.items()}
    leaky = rectified(config)
    found = {name: range_of(v, name in leaky) for name, v in whole.items()}
    stream = [read.layer for read in readers(specs(config)).get("stream", [])]
    peak = np.max([found[name].peak for name in stream], axis=0) if stream else None
    return found | {name: found[name]._replace(peak=peak) for name in stream}


def range_of(values: np.ndarray, leaky: bool) -> Range:
    """The range of values [n, C], which a leaky ReLU made or not.

    Means are over the half of the positions that is nearest to the median. Where little happens positions are alike
    and scales are small, so there an error that has one sign costs most.
    """
    squares = np.square(values - np.median(values, axis=0))
    far = (squares / np.maximum(squares.mean(0), 1e-30)).sum(1)
    calm = values[far <= np.median(far)]
    floored = (calm < 0).mean(0) if leaky else np.zeros(values.shape[1])
    peak, wide = np.abs(values).max(0).astype(np.float64), np.float64
    return Range(peak, np.square(values).mean(0, dtype=wide), calm.mean(0, dtype=wide), floored)


def _with_context(config, layers, y_hat, z_hat, key, limit) -> dict[str, np.ndarray]:
    h, w, _ = y_hat.shape
    x, taken, names, slope = z_hat.astype(np.float32), {}, HYPER[config.design], SLOPES[config.design]
    if config.has_offset:
        x = np.pad(x, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    for name in names:
        taken[name] = x
        x = (upsample if form(name) == "up" else conv)(x, layers[name])
        x = _depth_to_space(x) if form(name) == "sub" else x
        x = x if name == names[-1] else leaky(x, slope)
    if config.direct:
        return taken
    positions = key.choice(h * w, min(h * w, limit), replace=False)
    if config.splits:
        return taken | _space_channel(config, layers, y_hat, x[:h, :w].reshape(h * w, -1), positions)
    return taken | entropy_inputs(config, layers, y_hat, x[:h, :w].reshape(h * w, -1), positions)


def _progressive(config, layers, y_hat, key, limit) -> dict[str, np.ndarray]:
    msp, samples = config.msp, {}
    for call in calls(msp, config.latents):
        x = np.asarray(mixed(msp, y_hat, call), np.float32)
        if not x.size:
            continue
        kernel, bias = layers["first"]
        x = leaky(conv(x.reshape(*x.shape[:2], -1), (kernel, bias[row(msp, call)])))
        taken = {}
        for i in range(msp.depth):
            taken[f"block{i}a"] = x
            branch = taken[f"block{i}b"] = leaky(conv(x, layers[f"block{i}a"]))
            x = leaky(x + conv(branch, layers[f"block{i}b"]))
        taken["place"] = x
        kernel, bias = layers["place"]
        hidden = leaky(affine(x.reshape(-1, x.shape[-1]), (kernel[call.place], bias[call.place])))
        taken |= {"dense1": hidden, "dense2": leaky(affine(hidden, layers["dense1"]))}
        for name, a in taken.items():
            samples.setdefault(name, []).append(a.reshape(-1, a.shape[-1]))
    whole = {name: np.concatenate(found) for name, found in samples.items()}
    return {name: a[key.choice(len(a), min(len(a), limit), replace=False)] for name, a in whole.items()}


def entropy_inputs(config, layers, y_hat, phi, positions) -> dict[str, np.ndarray]:
    """What each layer of the entropy net takes at `positions` of y_hat [h, w, M], with phi [h w, F]."""
    if config.order == "none":
        return _dense(layers, phi[positions], SLOPES[config.design])
    x = _context(config, layers["context"], y_hat, positions)
    return _dense(layers, np.concatenate([x, phi[positions]], axis=1), SLOPES[config.design])


def _context(config, layer, y_hat, positions) -> np.ndarray:
    _h, w, m = y_hat.shape
    plane = np.pad(y_hat, ((2, 2), (2, 2), (0, 0))).reshape(-1, m)
    rows = (positions // w + 2) * (w + 4) + positions % w + 2
    taps = plane[rows[:, None] + np.array([dy * (w + 4) + dx for dy, dx in TAPS[config.order]])]
    x = affine(taps.reshape(len(positions), -1).astype(np.float32), layer)
    if config.order == "checkerboard":
        x[(positions // w + positions % w) % 2 == 0] = 0
    return x


def _space_channel(config, layers, y_hat, phi, positions) -> dict[str, np.ndarray]:
    taken, slope = {}, SLOPES[config.design]
    for k, (first, last) in enumerate(config.groups):
        seen = [_context(config, layers[f"{k}context"], y_hat[..., first:last], positions)]
        if first:
            x = y_hat[..., :first].astype(np.float32)
            for i in range(3):
                taken[f"{k}far{i}"] = x
                x = conv(x, layers[f"{k}far{i}"])
                x = x if i == 2 else leaky(x, slope)
            seen.append(x.reshape(-1, x.shape[-1])[positions])
        taken |= _dense(layers, np.concatenate([*seen, phi[positions]], axis=1), slope, str(k))
    return taken


def _dense(layers, x, slope, group="") -> dict[str, np.ndarray]:
    taken = {f"{group}dense0": x}
    for name, following in (("dense0", "dense1"), ("dense1", "dense2")):
        x = taken[f"{group}{following}"] = leaky(affine(x, layers[f"{group}{name}"]), slope)
    return taken


def leaky(x, slope=SLOPES["gllmm"]):
    """The leaky ReLU."""
    return np.where(x < 0, np.float32(slope) * x, x)


def affine(x, layer):
    """A layer (kernel, bias) at each position of x [..., taps in]."""
    kernel, bias = (a.astype(np.float32) for a in layer)
    return x @ kernel.reshape(-1, kernel.shape[-1]) + bias


def conv(x, layer):
    """A convolution of x [h, w, in] by a square kernel."""
    (h, w, _), side = x.shape, math.isqrt(len(layer[0]))
    edge = (side // 2, side // 2)
    x, places = np.pad(x, (edge, edge, (0, 0))), range(side)
    return affine(np.concatenate([x[i : i + h, j : j + w] for i in places for j in places], axis=-1), layer)


def upsample(x, layer):
    """An up-convolution of x [h, w, in] to [2h, 2w, out]."""
    h, w, _ = x.shape
    kernel, bias = (a.astype(np.float32) for a in layer)
    side = math.isqrt(len(kernel))
    x, out = np.pad(x, ((1, 1), (1, 1), (0, 0))), np.zeros((2 * h, 2 * w, kernel.shape[-1]), np.float32)
    for a, rows in enumerate(PHASES[side]):
        for b, columns in enumerate(PHASES[side]):
            for p, i in rows:
                for q, j in columns:
                    out[a::2, b::2] += x[1 + i : 1 + i + h, 1 + j : 1 + j + w] @ kernel[side * p + q]
    return out + bias


def _depth_to_space(x):
    h, w, c = x.shape
    return x.reshape(h, w, 2, 2, c // 4).transpose(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, c // 4)
