"""Makes the integer twin of trained float parameters, and keeps every bound. NumPy, float64."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gllmm_jax.config import QUALITIES, ModelConfig
from gllmm_jax.nn.entropy import context_mask
from gllmm_jax.nn.quality import interpolate
from gllmm_jax.prob import tables
from gllmm_jax.twin import levels, observe
from gllmm_jax.twin.equalise import equalise
from gllmm_jax.twin.integer import Twin
from gllmm_jax.twin.precision import MARGIN, Input, choose_input, quantise, rounded_down
from gllmm_jax.twin.prior import prior_tables
from gllmm_jax.twin.wiring import (
    EACH,
    LEVELS,
    Read,
    activation,
    base,
    blocks,
    by_quality,
    channels,
    group,
    readers,
    sharing,
    specs,
)


def make_twin(config: ModelConfig, params: Mapping, calibration: Sequence[observe.Latents]) -> Twin:
    """The integer twin of trained parameters: channels equalised, precisions chosen, biases corrected.

    Args:
      params: the model's parameter tree. The transforms and h_a are not read.
      calibration: latents of typical pictures. With a variable rate each level needs some, of its highest quality. They
        set the ranges of activations. A picture outside these ranges costs more bits, and is still coded exactly.

    Raises: `ValueError`, which names the layer, if weights are not finite or a layer does not fit into integers below
      2^24; and if there are no latents.
    """
    layers, parts = float_layers(config, params), _by_level(config, calibration)
    for name, layer in layers.items():
        if not all(np.isfinite(array).all() for array in layer):
            raise ValueError(f"layer {name}: weights are not finite")
    if not all(parts):
        raise ValueError(
            "the integer twin needs calibration latents" + ("" if config.rate is None else " of every level")
        )
    low, high, cdf = prior_tables(config, params["prior"], calibration)
    fixed = {"prior.low": low, "prior.high": high, "powers": tables.power_table()}
    fixed["families"] = tables.family_table(config.families)
    ranges = [observe.activations(config, _of_level(config, layers, i), part) for i, part in enumerate(parts)]
    layers, ranges = equalise(specs(config), layers, ranges)
    plans = [_Plan(config, _of_level(config, layers, i), level, low, high) for i, level in enumerate(ranges)]
    if config.rate is None:
        return Twin(config, fixed | {"prior.cdf": cdf} | plans[0].arrays({}))
    fine = {name: np.max([plan.fine(name) for plan in plans], axis=0) for name in layers}
    whole = {name: (np.rint(layers[name][0] * 2.0 ** fine[name]).astype(np.int16), fine[name]) for name in layers}
    found = [fixed | {"prior.cdf": table} | plan.arrays(whole) for plan, table in zip(plans, cdf, strict=True)]
    down = {name: np.stack([levels.dropped(fine[name], plan.fine(name)) for plan in plans]) for name in layers}
    return Twin(config, levels.join(found, {name: kernel for name, (kernel, _) in whole.items()}, down))


def _by_level(config: ModelConfig, calibration: Sequence[observe.Latents]) -> list[list[observe.Latents]]:
    # the latents of each level, with the number of their quality within the level
    if config.rate is None:
        return [list(calibration)]
    found: list[list[observe.Latents]] = [[] for _ in range(LEVELS)]
    for latents in calibration:
        level, index = levels.level_of(latents.quality)
        found[level].append(latents._replace(quality=index))
    return found


def _of_level(config: ModelConfig, layers: Mapping, level: int) -> dict[str, Any]:
    # biases by quality have rows; a model with one quality has none
    rows = {name: (layers[name][0], layers[name][1][level * EACH :][:EACH]) for name in by_quality(config)}
    return {**layers, **rows}


class _Plan:
    """Ranges and precisions of one level, or of a model with one quality."""

    def __init__(self, config: ModelConfig, layers: Mapping, ranges: Mapping, low: np.ndarray, high: np.ndarray):
        self._layers, self._ranges, wiring = layers, ranges, specs(config)
        self._y_limit = np.minimum(np.ceil(ranges["y"].peak * MARGIN) + 1, tables.Y_LIMIT).astype(np.int32)
        z_limit = np.append(np.maximum(-low, high), np.ones(int(config.has_offset), np.int32))
        limits = {name: self._y_limit[part] for name, part in channels(config).items()} | {"z": z_limit}
        self._inputs: dict[str, Input] = {}
        for names in sharing(wiring):
            if wiring[names[0]].inputs[0] in limits:
                forms = [Input(0, np.concatenate([limits[given] for given in wiring[n].inputs])) for n in names]
            else:
                forms = choose_input([(name, layers[name][0], ranges[name]) for name in names])
            self._inputs |= zip(names, forms, strict=True)
        reads = readers(wiring)
        self._outputs = {name: self._output(config, name, reads.get(activation(name))) for name in layers}
        self._fine = {name: self._quantised(name, None)[0] for name in layers}

    def _output(self, config: ModelConfig, name: str, reads: Sequence[Read] | None) -> tuple[np.ndarray, np.ndarray]:
        # exponent and limit of every output: those of the input that it becomes
        if reads is None:
            return output_format(config, name)
        form = self._inputs[reads[0].layer]
        limit = np.tile(form.limit[reads[0].part], blocks(name))
        return np.full(len(limit), form.exponent), limit

    def _quantised(self, name: str, whole: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, dict]:
        (kernel, bias), (exponent, limit) = self._layers[name], self._outputs[name]
        if activation(name) == "stream" and name != "first":
            # what the block adds to was rounded down, as the inputs that `drift` counts
            bias = bias + rounded_down(exponent, self._ranges[f"{name[:-1]}a"])
        return quantise(name, (kernel, bias), self._inputs[name], exponent, limit, self._ranges.get(name), whole)

    def fine(self, name: str) -> np.ndarray:
        """Fractional bits of a layer's weights, for each output."""
        return self._fine[name]

    def arrays(self, whole: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
        """The integer arrays. Kernels are made of the `whole` ones (integers and their precision) if there are any."""
        found: dict[str, np.ndarray] = {"y.limit": self._y_limit}
        for name in self._layers:
            self._fine[name], arrays = self._quantised(name, whole.get(name))
            found |= arrays
        return found


def float_layers(config: ModelConfig, params: Mapping) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel float64 [taps, in, out] and bias [out], or rows of biases, of every layer.

    The outputs of dense2 are in `output_order`, with logits to base 2. The offset on z becomes one more input of the
    layer that takes z.
    """
    leaves, rows, layers = _leaves(config, params), _rows(config, params), {}
    for name, spec in specs(config).items():
        kernel = np.asarray(leaves[name]["kernel"], np.float64)
        kernel = kernel.reshape(-1, *kernel.shape[-2:])
        if base(name) == "context":
            kernel = kernel[context_mask(config.order).ravel() > 0]
        if config.has_offset and spec.inputs == ("z",):
            offset = np.asarray(leaves["offset"]["offset"], np.float64)
            kernel = np.concatenate([kernel, offset[None, None] @ kernel], axis=1)
        bias = np.asarray(leaves[name].get("bias", np.zeros(kernel.shape[-1])), np.float64)
        if name in by_quality(config):
            bias = bias + np.asarray(interpolate(rows[name], np.arange(QUALITIES)), np.float64)
        assert kernel.shape == spec.kernel, name
        layers[name] = kernel, bias
        if base(name) == "dense2":
            layers[name] = tuple(_regrouped(config, a) for a in layers[name])
    return layers


def _leaves(config: ModelConfig, params: Mapping) -> dict[str, Mapping]:
    if config.splits:
        return _space_channel(config, params)
    if config.msp is None:
        leaves = {**params.get("h_s", {}), "context": params.get("context"), **params.get("entropy", {})}
        return {name: leaves[name] for name in (*specs(config), *(["offset"] if config.has_offset else []))}
    net = params["progressive"]
    step = np.asarray(net["step"])
    found: dict[str, Mapping] = {}
    found["first"] = {"kernel": net["first"]["kernel"], "bias": step.reshape(-1, step.shape[-1])}
    for i in range(config.msp.depth):
        found |= {f"block{i}a": net[f"block{i}_conv0"], f"block{i}b": net[f"block{i}_conv1"]}
    found |= {"place": {"kernel": net["place"], "bias": net["place_bias"]}, "dense1": net["dense"]}
    return found | {"dense2": {"kernel": net["out"], "bias": net["out_bias"]}}


def _space_channel(config: ModelConfig, params: Mapping) -> dict[str, Mapping]:
    leaves, net = dict(params["h_s"]), params["space_channel"]
    for k in range(len(config.groups)):
        far = {f"{k}far{i}": net[f"channels{k}"][f"conv{i}"] for i in range(3 if k else 0)}
        leaves |= {f"{k}context": net[f"context{k}"], **far}
        leaves |= {f"{k}dense{i}": net[f"entropy{k}"][f"dense{i}"] for i in range(3)}
    return leaves


def _rows(config: ModelConfig, params: Mapping) -> dict[str, Any]:
    """By layer, what a quality adds to the bias, as rows of the anchors."""
    if config.rate is None:
        return {}
    if config.msp is not None:
        return {"dense1": params["progressive"]["level"]["rows"]}
    net = params["space_channel"] if config.splits else params
    return {
        name: net[f"entropy{group(name) if config.splits else ''}"][f"level{name[-1]}"]["rows"]
        for name in by_quality(config)
    }


def _regrouped(config: ModelConfig, array: np.ndarray) -> np.ndarray:
    order = output_order(config)
    array = array.reshape(*array.shape[:-1], len(order), -1)[..., order, :]
    array[..., 2 * config.components * len(config.families) :, :] *= np.log2(np.e)
    return array.reshape(*array.shape[:-2], -1)


def output_order(config: ModelConfig) -> list[int]:
    """The twin's order of the entropy net's groups of outputs: means, scales, component logits, family logits."""
    families, k = len(config.families), config.components
    width = 3 if k > 1 else 2
    first = [width * c for c in range(families * k)]
    logits = first if k > 1 else []
    tail = [width * families * k + f for f in range(families)] if families > 1 else []
    return [c + width - 2 for c in first] + [c + width - 1 for c in first] + logits + tail


def output_format(config: ModelConfig, name: str = "dense2") -> tuple[np.ndarray, np.ndarray]:
    """Exponent and limit of every output of a layer that ends the network.

    These are dense2, [numbers * channels of its group] in `output_order`, and phi of a `direct` model.
    """
    if config.direct:
        means = np.full(config.context_features - config.latents, tables.MEAN_LIMIT)
        limit = np.append(means, np.full(config.latents, tables.SCALE_HIGH))
        return np.full(len(limit), tables.FRACTION), limit
    c, groups = len(config.families) * config.components, len(output_order(config))
    exponent = [tables.FRACTION] * 2 * c + [tables.LOGIT_FRACTION] * (groups - 2 * c)
    limit = [tables.MEAN_LIMIT] * c + [tables.SCALE_HIGH] * c + [1 << 14] * (groups - 2 * c)
    first, last = config.groups[group(name)]
    return np.repeat(exponent, last - first), np.repeat(limit, last - first)
