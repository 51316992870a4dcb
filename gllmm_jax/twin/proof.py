"""The proof that a twin is exact and decodable. It runs whenever a twin is loaded.

For a model with a variable rate it runs for each level when the process first uses that level.

It shows four things. No sum can exceed 2^24, whatever the input. Every distribution is strictly increasing. No integer
needs more than 32 bits. No operand of a product reaches 2^16: TPUs multiply float32 in parts of 8 bits and drop the
products of the lowest parts, and operands below 2^16 have no lowest part.
"""

from collections.abc import Mapping

import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables
from gllmm_jax.twin.wiring import blocks, channels, specs, taps_summed

BUDGET = (1 << 24) - 1
OPERAND = (1 << 16) - 1

LARGEST_SHIFT = 64
"""A float32 times such a power of two is exact."""

_RANGES = {
    "limit": (0, BUDGET),
    "shift": (-LARGEST_SHIFT, LARGEST_SHIFT),
    "y.limit": (0, tables.Y_LIMIT),
    "powers": (0, 1 << tables.WEIGHT_BITS),
    "families": (0, tables.TOTAL - 1),
    "prior.low": (-tables.TOTAL // 2, 0),
    "prior.high": (0, tables.TOTAL // 2),
}
"""Smallest and largest value of an array, by its name or the end of its name."""


def reach(name: str, kernel: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """The largest possible sum of |weight| * |input| for each output [out] of a kernel [taps, in, out]."""
    each = limit.astype(np.float64) @ np.abs(kernel.astype(np.float64))
    return np.max([each[list(t)].sum(0) for t in taps_summed(name, len(kernel))], axis=0)


def check(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` unless `arrays` are a twin's, every sum stays within 2^24 and every table decodes.

    With a variable rate `arrays` are those of one level.
    """
    try:
        support = zip(arrays["prior.low"].ravel(), arrays["prior.high"].ravel(), strict=False)
        wanted = shapes(config, max(int(high) - int(low) for low, high in support) + 2)
        wrong = [name for name, shape in wanted.items() if arrays[name].shape != shape]
    except KeyError as e:
        raise ValueError(f"the tables lack {e.args[0]}") from None
    wrong += sorted(arrays.keys() - wanted.keys())
    if wrong or not all(np.can_cast(a.dtype, np.int32) for a in arrays.values()):
        raise ValueError(f"the tables do not fit the model: {wrong or 'not integers of 32 bits'}")
    # arrays are stored in narrow dtypes, in which abs and minus may overflow; `reach` widens each kernel in its turn
    arrays = {name: a if name.endswith("kernel") else a.astype(np.int64) for name, a in arrays.items()}
    for name, array in arrays.items():
        low, high = _RANGES.get(name) or _RANGES.get(name.split(".")[-1]) or (-np.inf, np.inf)
        if array.size and not low <= array.min() <= array.max() <= high:
            raise ValueError(f"the table {name} holds values outside {low} ... {high}")
    _check_distributions(arrays)
    limits = {name: arrays[f"{name}.limit"].reshape(blocks(name), -1).max(0) for name in specs(config)}
    z_limit = np.maximum(-arrays["prior.low"], arrays["prior.high"])
    limits |= {name: arrays["y.limit"][part] for name, part in channels(config).items()}
    limits |= {"z": np.append(z_limit, np.ones(int(config.has_offset), np.int64))}
    for name, spec in specs(config).items():
        limit, kernel = np.concatenate([limits[given] for given in spec.inputs]), arrays[f"{name}.kernel"]
        if max(limit.max(), kernel.max(), -int(kernel.min())) > OPERAND:
            raise ValueError(f"layer {name}: operands may pass 2^16")
        total = reach(name, kernel, limit) + largest_bias(arrays[f"{name}.bias"])
        if not (total <= BUDGET).all():
            raise ValueError(f"layer {name}: sums may pass 2^24")


def largest_bias(bias: np.ndarray) -> np.ndarray:
    """The largest magnitude of each output's bias, [out], for biases [out] or rows of them [rows, out]."""
    return np.abs(bias).reshape(-1, bias.shape[-1]).max(0)


def _check_distributions(arrays: Mapping[str, np.ndarray]) -> None:
    cdf, symbols = arrays["prior.cdf"], arrays["prior.high"] - arrays["prior.low"] + 1
    inside = np.arange(cdf.shape[1]) < symbols[:, None]
    if cdf[:, 0].any() or (cdf[~inside] != tables.TOTAL).any() or (np.diff(cdf, axis=1)[inside[:, :-1]] < 1).any():
        raise ValueError("the table prior.cdf does not rise from 0 to 65536")
    if (np.diff(arrays["families"], axis=1) < 0).any():
        raise ValueError("the table families falls somewhere")
    powers = arrays["powers"]
    if powers[0] != 1 << tables.WEIGHT_BITS or powers[-1] or (np.diff(powers) > 0).any():
        raise ValueError("the table powers does not fall from 32768 to 0")


def shapes(config: ModelConfig, widest: int) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a twin, or of one level. The table of the prior is `widest` wide."""
    m, n = config.latents, config.static_channels
    found: dict[str, tuple[int, ...]] = {}
    for name, spec in specs(config).items():
        out = spec.kernel[2:]
        bias = (spec.biases, *out) if spec.biases else out
        found |= {f"{name}.kernel": spec.kernel, f"{name}.bias": bias, f"{name}.shift": out, f"{name}.limit": out}
    found |= {"prior.low": (n,), "prior.high": (n,), "prior.cdf": (n, widest), "y.limit": (m,)}
    return found | {"powers": (tables.POWERS + 1,), "families": (len(config.families), 2 * tables.EDGE + 1)}
