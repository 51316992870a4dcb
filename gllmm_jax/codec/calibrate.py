"""From trained float parameters to their integer twin, with every bound kept. NumPy, float64."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gllmm_jax.codec import observe
from gllmm_jax.codec.integer import Twin
from gllmm_jax.codec.layers import ENTROPY, HYPER, Spec, by_quality, specs
from gllmm_jax.codec.prior import prior_tables
from gllmm_jax.codec.proof import BUDGET, largest_bias, reach
from gllmm_jax.config import QUALITIES, ModelConfig
from gllmm_jax.nn.entropy import context_mask
from gllmm_jax.nn.quality import interpolate
from gllmm_jax.prob import tables

MARGIN = 1.5  # room above the largest activation seen in calibration
PRECISIONS = range(6, 13)  # bits of an activation to choose from


class Input(NamedTuple):
    """Fixed-point form of a layer's input: value * 2^exponent, magnitude at most `limit` [in]."""

    exponent: int
    limit: np.ndarray


def make_twin(config: ModelConfig, params: Mapping, calibration: Sequence[observe.Latents]) -> Twin:
    """The integer twin of trained parameters.

    Args:
      params: the model's parameter tree; all but the transforms and h_a is read.
      calibration: latents of typical pictures, with a variable rate at qualities all over the range. They set the
        ranges of activations; a picture outside them costs bits, never correctness.

    Raises: `ValueError`, naming the layer, where integers below 2^24 cannot carry it.
    """
    if not calibration:
        raise ValueError("the integer twin needs calibration latents")
    layers, wiring = float_layers(config, params), specs(config)
    low, high, cdf = prior_tables(config, params["prior"], calibration)
    arrays = {"prior.low": low, "prior.high": high, "prior.cdf": cdf}
    seen = observe.activations(config, layers, calibration)
    z_limit = np.maximum(-low, high)
    y_limit = np.minimum(np.ceil(seen["y"].peak * MARGIN) + 1, tables.Y_LIMIT).astype(np.int32)
    forms = {"y": Input(0, y_limit), "z": Input(0, z_limit)}
    inputs, outputs = {}, {}
    for tensor, consumers in _consumers(wiring).items():
        form = forms.get(tensor)
        if form is None:
            form = choose_input([(name, layers[name][0]) for name in consumers], seen[tensor])
        for name in consumers:
            repeated = np.tile(form.limit, wiring[name].kernel[1] // len(form.limit))
            inputs[name] = Input(form.exponent, repeated)
            outputs |= _shared_out(
                inputs[name], {maker: wiring[maker] for maker in wiring[name].inputs if maker in wiring}
            )
    for name, layer in layers.items():
        exponent, limit = outputs[name] if name in outputs else output_format(config)
        arrays |= quantise(name, layer, inputs[name], np.broadcast_to(exponent, limit.shape), limit)
    arrays |= {"y.limit": y_limit, "powers": tables.power_table(), "families": tables.family_table(config.families)}
    return Twin(config, arrays)


def _shared_out(form: Input, makers: Mapping[str, Spec]) -> dict[str, Input]:
    # the form of an input, for each of the layers whose outputs lie in it side by side
    found, begin = {}, 0
    for maker, spec in makers.items():
        found[maker] = Input(form.exponent, form.limit[begin : begin + spec.kernel[2]])
        begin += spec.kernel[2]
    return found


def _consumers(wiring: Mapping[str, Spec]) -> dict[str, list[str]]:
    """Layers that read one tensor, which has one form: by its name, that of the first who reads it.

    The stream that residual blocks add to is one tensor all along, and named "stream".
    """
    found: dict[str, list[str]] = {}
    for name, spec in wiring.items():
        (first, *_), whole = spec.inputs, len(set(spec.inputs)) == 1
        if first in ("y", "z"):
            tensor = first
        elif whole and (first == "first" or (first.startswith("block") and first.endswith("b"))):
            tensor = "stream"
        else:
            tensor = name
        found.setdefault(tensor, []).append(name)
    return found


def float_layers(config: ModelConfig, params: Mapping) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel float64 [taps, in, out] and bias, [out] or rows of them, of every layer.

    Outputs of dense2 are regrouped, logits to base 2.
    """
    leaves, levels, layers = _leaves(config, params), _levels(config, params), {}
    for name, spec in specs(config).items():
        kernel = np.asarray(leaves[name]["kernel"], np.float64)
        kernel = kernel.reshape(-1, *kernel.shape[-2:])
        if name == "context":
            kernel = kernel[context_mask(config.order).ravel() > 0]
        bias = np.asarray(leaves[name].get("bias", np.zeros(kernel.shape[-1])), np.float64)
        if name in by_quality(config):
            bias = bias + np.asarray(interpolate(levels[name], np.arange(QUALITIES)), np.float64)
        layers[name] = kernel, bias
        assert kernel.shape == spec.kernel, name
    layers["dense2"] = tuple(_regrouped(config, a) for a in layers["dense2"])
    return layers


def _leaves(config: ModelConfig, params: Mapping) -> dict[str, Mapping]:
    if config.msp is None:
        leaves = {**params["h_s"], "context": params["context"], **params["entropy"]}
        return {name: leaves[name] for name in HYPER + ENTROPY}
    net = params["progressive"]
    step = np.asarray(net["step"])
    found: dict[str, Mapping] = {}
    found["first"] = {"kernel": net["first"]["kernel"], "bias": step.reshape(-1, step.shape[-1])}
    for i in range(config.msp.depth):
        found |= {f"block{i}a": net[f"block{i}_conv0"], f"block{i}b": net[f"block{i}_conv1"]}
    found |= {"place": {"kernel": net["place"], "bias": net["place_bias"]}, "dense1": net["dense"]}
    return found | {"dense2": {"kernel": net["out"], "bias": net["out_bias"]}}


def _levels(config: ModelConfig, params: Mapping) -> dict[str, Any]:
    """What each quality adds to a layer's bias: rows of the anchors, by the layer's name."""
    if config.rate is None:
        return {}
    if config.msp is not None:
        return {"dense1": params["progressive"]["level"]["rows"]}
    return {name: params["entropy"][f"level{name[-1]}"]["rows"] for name in by_quality(config)}


def _regrouped(config: ModelConfig, array: np.ndarray) -> np.ndarray:
    order = output_order(config)
    array = array.reshape(*array.shape[:-1], len(order), config.latents)[..., order, :]
    array[..., 2 * config.components * len(config.families) :, :] *= np.log2(np.e)
    return array.reshape(*array.shape[:-2], -1)


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


def choose_input(consumers: Sequence[tuple[str, np.ndarray]], seen: observe.Range) -> Input:
    """The precision of activations that loses least in the layers that read them, names and kernels.

    Finer activations leave fewer bits for the weights.
    """
    top = max(float(seen.peak.max()), 2.0**-4)  # an input that is always zero leaves room for the bias too
    best, choice = np.inf, None
    for bits in PRECISIONS:
        exponent = bits - int(np.ceil(np.log2(top)))
        limit = np.ceil(np.maximum(MARGIN * seen.peak, 0.05 * top) * 2.0**exponent) + 1
        total = 0.0
        for name, kernel in consumers:
            step = 2.0 ** np.ceil(np.log2(np.maximum(reach(name, kernel, limit), 1e-30) / BUDGET))
            # variances of rounding: weights seen through the activations, activations through the weights
            noise = step**2 * seen.power.sum() * len(kernel) + (kernel**2).sum((0, 1)) * 4.0**-exponent
            total += noise.sum()
        if total < best:
            best, choice = total, Input(exponent, limit.astype(np.int32))
    if choice is None:
        raise ValueError(f"layer {consumers[0][0]}: weights or activations are not finite")
    return choice


def quantise(name: str, layer: tuple, given: Input, exponent: np.ndarray, limit: np.ndarray) -> dict[str, np.ndarray]:
    """Integer arrays of one layer: the finest power of two for each output whose sums stay within 2^24.

    Raises: `ValueError` if that leaves a weight column without meaning.
    """
    kernel, bias = layer
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ValueError(f"layer {name}: weights are not finite")
    need = reach(name, kernel, given.limit) + largest_bias(bias) * 2.0**given.exponent
    largest = np.abs(kernel).max((0, 1))
    with np.errstate(divide="ignore"):
        fine = np.floor(np.minimum(np.log2(BUDGET / need), np.log2(32767 / largest)))
    fine = np.clip(fine, -24, 20).astype(np.int32)
    over = np.full(fine.shape, True)
    weight, offset, shift = _integers(kernel, bias, given.exponent, fine, exponent)
    for _ in range(4):  # rounding up may have broken a bound that the floats held
        over = reach(name, weight, given.limit) + largest_bias(offset) > BUDGET
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
