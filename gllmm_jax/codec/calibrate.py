"""From trained float parameters to their integer twin, with every bound kept. NumPy, float64."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gllmm_jax.codec import observe
from gllmm_jax.codec.exact import ENTROPY, HYPER, TAPS
from gllmm_jax.codec.integer import Twin
from gllmm_jax.codec.proof import BUDGET, reach
from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables

MARGIN = 1.5  # room above the largest activation seen in calibration
PRECISIONS = range(6, 13)  # bits of an activation to choose from


class Input(NamedTuple):
    """Fixed-point form of a layer's input: value * 2^exponent, magnitude at most `limit` [in]."""

    exponent: int
    limit: np.ndarray


def make_twin(config: ModelConfig, params: Mapping, calibration: Sequence[tuple[np.ndarray, np.ndarray]]) -> Twin:
    """The integer twin of trained parameters.

    Args:
      params: the model's parameter tree; `h_s`, `context`, `entropy` and `prior` are read.
      calibration: pairs of y_hat int [h, w, M] and z_hat int [ceil(h/4), ceil(w/4), N] of typical pictures. They set
        the ranges of activations; a picture outside them costs bits, never correctness.

    Raises: `ValueError`, naming the layer, where integers below 2^24 cannot carry it.
    """
    if not calibration:
        raise ValueError("the integer twin needs calibration latents")
    kernels = float_layers(config, params)
    low, high, cdf = prior_tables(params["prior"], calibration)
    arrays = {"prior.low": low, "prior.high": high, "prior.cdf": cdf}
    seen = observe.activations(kernels, calibration)
    z_limit = np.maximum(-arrays["prior.low"], arrays["prior.high"])
    y_limit = np.minimum(np.ceil(seen["y"].peak * MARGIN) + 1, tables.Y_LIMIT).astype(np.int32)
    inputs = {"conv0": Input(0, z_limit), "context": Input(0, y_limit)}
    for name in HYPER[1:] + ENTROPY[1:]:
        inputs[name] = choose_input(name, kernels[name][0], seen[name])
    for name, following in zip(HYPER, (*HYPER[1:], "dense0"), strict=True):
        _add(arrays, name, kernels[name], inputs[name], inputs[following], part=slice(-2 * config.latents, None))
    for name, following in itertools.pairwise(ENTROPY):
        _add(arrays, name, kernels[name], inputs[name], inputs[following], part=slice(2 * config.latents))
    exponent, limit = output_format(config)
    arrays |= quantise("dense2", kernels["dense2"], inputs["dense2"], exponent, limit)
    arrays |= {"y.limit": y_limit, "powers": tables.power_table(), "families": tables.family_table(config.families)}
    return Twin(config, arrays)


def _add(arrays, name, layer, given: Input, wanted: Input, *, part: slice) -> None:
    # dense0 takes context and phi side by side; every other layer takes the whole of the one before
    limit = wanted.limit[part] if len(wanted.limit) != layer[0].shape[2] else wanted.limit
    arrays |= quantise(name, layer, given, np.full(len(limit), wanted.exponent), limit)


def float_layers(config: ModelConfig, params: Mapping) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel float64 [taps, in, out] and bias [out] of every layer; dense2's outputs regrouped, logits to base 2."""
    leaves = {**params["h_s"], "context": params["context"], **params["entropy"]}
    layers = {}
    for name in HYPER + ENTROPY:
        kernel = np.asarray(leaves[name]["kernel"], np.float64)
        kernel = kernel.reshape(-1, *kernel.shape[-2:])[: len(TAPS) if name == "context" else None]
        layers[name] = kernel, np.asarray(leaves[name].get("bias", np.zeros(kernel.shape[-1])), np.float64)
    order, m = output_order(config), config.latents
    kernel = layers["dense2"][0].reshape(1, -1, len(order), m)[:, :, order]
    kernel[:, :, 2 * config.components * len(config.families) :] *= np.log2(np.e)
    layers["dense2"] = kernel.reshape(1, kernel.shape[1], -1), np.zeros(len(order) * m)
    return layers


def output_order(config: ModelConfig) -> list[int]:
    """Groups of the entropy net's outputs, regrouped: means, scales, component logits, family logits."""
    families, k = len(config.families), config.components
    width = 3 if k > 1 else 2
    first = [width * c for c in range(families * k)]
    logits = first if k > 1 else []
    tail = [width * families * k + f for f in range(families)] if families > 1 else []
    return [c + width - 2 for c in first] + [c + width - 1 for c in first] + logits + tail


def output_format(config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Exponent and limit of every output of dense2, [groups * M], in `output_order`."""
    c, groups = len(config.families) * config.components, len(output_order(config))
    exponent = [tables.FRACTION] * 2 * c + [tables.LOGIT_FRACTION] * (groups - 2 * c)
    limit = [tables.MEAN_LIMIT] * c + [tables.SCALE_HIGH] * c + [1 << 14] * (groups - 2 * c)
    return np.repeat(exponent, config.latents), np.repeat(limit, config.latents)


def choose_input(name: str, kernel: np.ndarray, seen: observe.Range) -> Input:
    """The activation precision that loses least: finer activations leave fewer bits for the weights."""
    top = max(float(seen.peak.max()), 2.0**-8)  # an input that is always zero still needs an exponent
    best, choice = np.inf, None
    for bits in PRECISIONS:
        exponent = bits - int(np.ceil(np.log2(top)))
        limit = np.ceil(np.maximum(MARGIN * seen.peak, 0.05 * top) * 2.0**exponent) + 1
        step = 2.0 ** np.ceil(np.log2(np.maximum(reach(name, kernel, limit), 1e-30) / BUDGET))
        # variances of rounding: weights seen through the activations, activations through the weights
        noise = step**2 * seen.power.sum() * len(kernel) + (kernel**2).sum((0, 1)) * 4.0**-exponent
        if noise.sum() < best:
            best, choice = noise.sum(), Input(exponent, limit.astype(np.int32))
    if choice is None:
        raise ValueError(f"layer {name}: weights or activations are not finite")
    return choice


def quantise(name: str, layer: tuple, given: Input, exponent: np.ndarray, limit: np.ndarray) -> dict[str, np.ndarray]:
    """Integer arrays of one layer: the finest power of two for each output whose sums stay within 2^24.

    Raises: `ValueError` if that leaves a weight column without meaning.
    """
    kernel, bias = layer
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ValueError(f"layer {name}: weights are not finite")
    need = reach(name, kernel, given.limit) + np.abs(bias) * 2.0**given.exponent
    largest = np.abs(kernel).max((0, 1))
    with np.errstate(divide="ignore"):
        fine = np.floor(np.minimum(np.log2(BUDGET / need), np.log2(32767 / largest)))
    fine = np.clip(fine, -24, 20).astype(np.int32)
    over = np.full(fine.shape, True)
    weight, offset, shift = _integers(kernel, bias, given.exponent, fine, exponent)
    for _ in range(4):  # rounding up may have broken a bound that the floats held
        over = reach(name, weight, given.limit) + np.abs(offset) > BUDGET
        if not over.any():
            break
        fine = fine - over
        weight, offset, shift = _integers(kernel, bias, given.exponent, fine, exponent)
    error, size = ((weight * 2.0**-fine - kernel) ** 2).sum((0, 1)), (kernel**2).sum((0, 1))
    if over.any() or (error > 0.1 * size).any():
        raise ValueError(f"layer {name}: its sums do not fit 24 bits with these ranges of activations")
    parts = {"kernel": weight.astype(np.int16), "bias": offset.astype(np.int32), "shift": shift.astype(np.int8)}
    return {f"{name}.{k}": v for k, v in (parts | {"limit": limit.astype(np.int32)}).items()}


def _integers(kernel, bias, given, fine, exponent):
    # weights, biases with the half that rounds, and shifts, for weights times 2^fine
    total = given + fine
    shift = total - exponent
    return np.rint(kernel * 2.0**fine), np.rint(bias * 2.0**total) + np.where(shift > 0, 2.0 ** (shift - 1), 0), shift


def prior_tables(prior: Mapping, calibration: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Support and coding table of z: low and high int32 [N]; CDF int32 [N, widest + 1], 2^16 past the support."""
    edges = np.arange(-256, 256) - 0.5
    cdf = observe.prior_cdf(prior, edges)
    if not np.isfinite(cdf).all():
        raise ValueError("layer prior: parameters are not finite")
    seen = np.concatenate([z.reshape(-1, z.shape[-1]) for _, z in calibration]).clip(-255, 254)
    low = np.minimum(((cdf < 2.0**-18).sum(1) - 257).clip(-255, 0), seen.min(0)).astype(np.int32)
    high = np.maximum((256 - (cdf > 1 - 2.0**-18).sum(1)).clip(0, 254), seen.max(0)).astype(np.int32)
    table = np.full((len(low), (high - low).max() + 2), tables.TOTAL, np.int32)
    for row, c, first, last in zip(table, cdf, low, high, strict=True):
        row[: last - first + 2] = tables.cumulative(c[first + 256 : last + 258])
    return low, high, table
