"""Gives each channel between two layers the precision that it needs. NumPy, float64.

All channels of an activation share one exponent. A ReLU commutes with a positive factor. So a channel may be multiplied
by any factor where it is made, and divided by this factor where it is read (cross-layer equalisation, Nagel et al.
2019, "Data-free quantization through weight equalization and bias correction", section 4.1). The factors here are those
that make the rounding errors of activations and of weights together least.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gllmm_jax.twin.observe import Range
from gllmm_jax.twin.proof import reach
from gllmm_jax.twin.wiring import Spec, blocks, tensor

FURTHEST = 16.0
"""The largest factor, and the inverse of the smallest."""

Layers = Mapping[str, tuple[np.ndarray, np.ndarray]]


def equalise(
    wiring: Mapping[str, Spec], layers: Layers, seen: Sequence[Mapping[str, Range]]
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[dict[str, Range]]]:
    """The same layers with other factors between them, and the ranges `seen` [levels] that these give."""
    factors = {name: _factors(layers, seen, readers) for name, readers in _readers(wiring).items()}
    taken = {name: _taken(spec, factors) for name, spec in wiring.items()}
    scaled = {}
    for name, (kernel, bias) in layers.items():
        made = np.tile(factors[tensor(name)], blocks(name)) if tensor(name) in factors else 1.0
        scaled[name] = kernel / taken[name][:, None] * made, bias * made
    taken |= {name: factor for name, factor in factors.items() if name == "stream"}  # which has a range of its own
    return scaled, [{n: r.scaled(taken[n]) if n in taken else r for n, r in level.items()} for level in seen]


def _readers(wiring: Mapping[str, Spec]) -> dict[str, list[tuple[str, slice]]]:
    # by activation, the layers that read it and where it lies among their inputs
    found: dict[str, list[tuple[str, slice]]] = {}
    for name, spec in wiring.items():
        begin = 0
        for maker in spec.inputs if spec.inputs[0] in wiring else ():
            end = begin + wiring[maker].kernel[2] // blocks(maker)
            found.setdefault(tensor(maker), []).append((name, slice(begin, end)))
            begin = end
    return found


def _taken(spec: Spec, factors: Mapping[str, np.ndarray]) -> np.ndarray:
    # the factors of all inputs of a layer; latents have none
    found = [factors[tensor(maker)] for maker in spec.inputs if tensor(maker) in factors]
    return np.concatenate(found) if found else np.ones(spec.kernel[1])


def _factors(layers: Layers, seen: Sequence[Mapping[str, Range]], readers: Sequence[tuple[str, slice]]) -> np.ndarray:
    # the geometric mean of the factors that each level asks for
    logarithms = []
    for level in seen:
        # by channel, variances of all outputs by rounding the activation and by rounding its weights, up to one factor
        activation, weights = np.zeros((2, readers[0][1].stop - readers[0][1].start))
        for name, part in readers:
            kernel, given = layers[name][0], level[name if name in level else "stream"]
            activation += np.square(kernel[:, part]).sum((0, 2))
            # the larger the sums of an output may be, the coarser are its weights
            weights += given.power[part] * len(kernel) * np.square(reach(name, kernel, given.peak)).sum()
        used = (activation > 0) & (weights > 0)
        wanted = np.log(activation, where=used, out=np.zeros(len(used))) / 4
        wanted -= np.log(weights, where=used, out=np.zeros(len(used))) / 4
        wanted[used] -= wanted[used].mean() if used.any() else 0
        logarithms.append(np.clip(wanted, -np.log(FURTHEST), np.log(FURTHEST)))
    return np.exp(np.mean(logarithms, axis=0))
