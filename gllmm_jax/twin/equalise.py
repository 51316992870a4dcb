"""Gives each channel between two layers the precision that it needs. NumPy, float64.

All channels of an activation share one exponent. A ReLU commutes with a positive factor. So a channel may be multiplied
by any factor where it is made, and divided by this factor where it is read (cross-layer equalisation, Nagel et al.
2019, "Data-free quantization through weight equalization and bias correction", section 4.1). The factors here make the
rounding errors of the activations and of the weights that read them least together, as far as the activations share
an exponent.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gllmm_jax.twin.observe import Range
from gllmm_jax.twin.proof import reach
from gllmm_jax.twin.wiring import Read, Spec, activation, blocks, readers, sharing

FURTHEST = 16.0
"""The largest factor, as a multiple of the mean, and the inverse of the smallest.

Outside calibration a channel with a large factor is clipped sooner.
"""

Layers = Mapping[str, tuple[np.ndarray, np.ndarray]]


def equalise(
    wiring: Mapping[str, Spec], layers: Layers, ranges: Sequence[Mapping[str, Range]]
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[dict[str, Range]]]:
    """The same function with other factors between its layers, and the `ranges` [levels] that these give."""
    reads, made, taken = readers(wiring), {}, {name: np.ones(spec.kernel[1]) for name, spec in wiring.items()}
    for names in sharing(wiring):
        made |= _factors(layers, ranges, {name: its for name, its in reads.items() if its[0].layer in names})
    for name, its in reads.items():
        for layer, part in its:
            taken[layer][part] = made[name]
    scaled = {}
    for name, (kernel, bias) in layers.items():
        own = np.tile(made.get(activation(name), np.ones(kernel.shape[-1] // blocks(name))), blocks(name))
        scaled[name] = kernel / taken[name][:, None] * own, bias * own
    return scaled, [{n: seen.scaled(taken.get(n, np.ones(1))) for n, seen in level.items()} for level in ranges]


def _factors(
    layers: Layers, ranges: Sequence[Mapping[str, Range]], reads: Mapping[str, Sequence[Read]]
) -> dict[str, np.ndarray]:
    # of activations that share an exponent: the geometric means of what the levels want
    wanted = [_logarithms(layers, level, reads) for level in ranges]
    return {name: np.exp(np.mean([level[name] for level in wanted], axis=0)) for name in reads}


def _logarithms(
    layers: Layers, level: Mapping[str, Range], reads: Mapping[str, Sequence[Read]]
) -> dict[str, np.ndarray]:
    found = {}
    for name, its in reads.items():
        # variances of all outputs by rounding the activation and by rounding its weights, by channel, up to one factor;
        # a channel times f makes them own / f^2 + weights * f^2, which is least where f^4 = own / weights
        own, weights = 0.0, 0.0
        for layer, part in its:
            kernel, seen = layers[layer][0], level[layer]
            own = own + np.square(kernel[:, part]).sum((0, 2))
            # the larger the sums of an output may be, the coarser are its weights
            weights = weights + seen.power[part] * len(kernel) * np.square(reach(layer, kernel, seen.peak)).sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = np.log(np.divide(own, weights)) / 4
    known = np.concatenate(list(found.values())) if found else np.zeros(0)
    known = known[np.isfinite(known)]  # a channel that is always zero, or that no layer reads, wants nothing
    middle, most = known.mean() if known.size else 0.0, np.log(FURTHEST)
    return {name: np.where(np.isfinite(a), np.clip(a - middle, -most, most), 0.0) for name, a in found.items()}
