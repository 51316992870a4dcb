"""Chooses the bits of activations and weights so that no sum exceeds 2^24. NumPy, float64."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gllmm_jax.twin import levels, observe
from gllmm_jax.twin.proof import BUDGET, LARGEST_SHIFT, largest_bias, reach
from gllmm_jax.twin.wiring import taps_summed

MARGIN = 1.1  # the limit of an activation, as a multiple of the largest one in calibration
PRECISIONS = range(6, 13)  # bits that an activation may have


class Input(NamedTuple):
    """Fixed-point form of a layer's input: value * 2^exponent, magnitude at most `limit` [in]."""

    exponent: int
    limit: np.ndarray


def choose_input(consumers: Sequence[tuple[str, np.ndarray, observe.Range]]) -> list[Input]:
    """Choose the precision of activations that gives the layers that read them the least error; return their inputs.

    Finer activations leave fewer bits for the weights. `consumers` are names, kernels and inputs of these layers, which
    have inputs in common. The error of each layer counts as a share of the power of its outputs.
    """
    # an input that is always zero leaves room for the bias too
    top = max(2.0**-4, *(float(seen.peak.max()) for _, _, seen in consumers))
    best, choice = np.inf, None
    for bits in PRECISIONS:
        exponent = bits - int(np.ceil(np.log2(top)))
        total, limits = 0.0, []
        for name, kernel, seen in consumers:
            limit = np.ceil(np.maximum(MARGIN * seen.peak, 0.05 * top) * 2.0**exponent) + 1
            limits.append(limit)
            step = 2.0 ** np.ceil(np.log2(np.maximum(reach(name, kernel, limit), 1e-30) / BUDGET))
            # variances of the outputs by rounding: of the weights, and of the activations
            noise = step**2 * seen.power.sum() * len(kernel) + (kernel**2).sum((0, 1)) * 4.0**-exponent
            total += noise.sum() / max(float((kernel**2).sum((0, 2)) @ seen.power), 1e-30)
        if total < best:
            best, choice = total, [Input(exponent, limit.astype(np.int32)) for limit in limits]
    if choice is None:
        raise ValueError(f"layer {consumers[0][0]}: weights or activations are not finite")
    return choice


def quantise(
    name: str,
    layer: tuple,
    given: Input,
    exponent: np.ndarray,
    limit: np.ndarray,
    seen: observe.Range | None,
    whole: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The power of two that scales the weights of each output, and the integer arrays of one layer.

    The power is the largest for which sums stay within 2^24. `seen` is the layer's input in calibration, or None if it
    was not observed. With `seen` the biases make up for what rounding adds to the outputs on average (`drift`). With a
    `whole` kernel (integers, and their powers by output) the weights are those integers without the bits that are too
    fine. Raises `ValueError` if the weights of an output lose their meaning.
    """
    kernel, bias = layer
    # sums, bias and the half that makes floor round, for weights times one
    need = reach(name, kernel, given.limit) + largest_bias(bias) * 2.0**given.exponent
    need += 2.0 ** (given.exponent - exponent - 1)
    largest = np.abs(kernel).max((0, 1))
    with np.errstate(divide="ignore"):
        fine = np.floor(np.minimum(np.log2(BUDGET / need), np.log2(32767 / largest)))
    fine = np.clip(fine, -24, 20).astype(np.int32)
    if whole is not None:
        fine = np.minimum(fine, whole[1])
    over = np.full(fine.shape, True)
    weight, offset, shift = _integers(name, layer, given, fine, exponent, seen, whole)
    for _ in range(4):  # rounding up may break a bound that the floats keep
        over = reach(name, weight, given.limit) + largest_bias(offset) > BUDGET
        if not over.any():
            break
        fine = fine - over
        weight, offset, shift = _integers(name, layer, given, fine, exponent, seen, whole)
    error, size = ((weight * 2.0**-fine - kernel) ** 2).sum((0, 1)), (kernel**2).sum((0, 1))
    if over.any() or (error > 0.1 * size).any():
        raise ValueError(f"layer {name}: its sums do not fit 24 bits with these ranges of activations")
    if np.abs(shift).max() > LARGEST_SHIFT:
        raise ValueError(f"layer {name}: its outputs are too small or too large for its inputs")
    parts = {"kernel": weight.astype(np.int16), "bias": offset.astype(np.int32), "shift": shift.astype(np.int8)}
    return fine, {f"{name}.{k}": v for k, v in (parts | {"limit": limit.astype(np.int32)}).items()}


def _integers(name, layer, given, fine, exponent, seen, whole):
    # weights, biases with the half that makes floor round, and shifts, for weights times 2^fine
    kernel, bias = layer
    total = given.exponent + fine
    shift = total - exponent
    if whole is None:
        weight = np.rint(kernel * 2.0**fine)
    else:
        weight = levels.rounded(whole[0], levels.dropped(whole[1], fine)).astype(np.float64)
    if seen is not None:
        bias = bias - drift(name, kernel, weight * 2.0**-fine, given.exponent, seen)
    return weight, np.rint(bias * 2.0**total) + np.where(shift > 0, 2.0 ** (shift - 1), 0), shift


def drift(name: str, kernel: np.ndarray, weight: np.ndarray, exponent: int, seen: observe.Range) -> np.ndarray:
    """What rounding adds to the outputs of a layer on average: [out], or [places, out] of the layer `place`.

    Biases are corrected by it (bias correction, Nagel et al. 2019, "Data-free quantization through weight equalization
    and bias correction", section 4.2). Two errors have the same sign at most positions. The integers hold `weight`
    [taps, in, out] instead of `kernel`, and inputs have means. And leaky ReLUs round the inputs down.
    """
    each = np.einsum("tio,i->to", weight - kernel, seen.mean)
    each -= np.einsum("tio,i->to", kernel, rounded_down(exponent, seen))
    sums = np.stack([each[taps].sum(0) for taps in taps_summed(name, len(kernel))])
    return sums if name == "place" else sums.mean(0)


def rounded_down(exponent: int | np.ndarray, seen: observe.Range) -> np.ndarray:
    """How much lower than the float activation that of the twin is on average [C]: half a step where it is negative."""
    return 0.5 * 2.0**-exponent * seen.floored
