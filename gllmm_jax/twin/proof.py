"""The proof that a twin is exact and decodable, done again whenever one is loaded, and of a variable rate whenever a
level of one is first used.

No sum can pass 2^24, whatever its input; every distribution is strictly increasing; no integer can leave its 32 bits.
No operand of a product reaches 2^16: hardware that multiplies float32 in parts of 8 bits, as TPUs do, drops products of
the lowest parts, and such operands have none.
"""

from collections.abc import Mapping

import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables
from gllmm_jax.twin.wiring import blocks, has_offset, specs, taps_summed

BUDGET = (1 << 24) - 1
OPERAND = (1 << 16) - 1

_RANGES = {
    "limit": (0, BUDGET),
    "shift": (-64, 64),  # a float32 times such a power of two is exact
    "y.limit": (0, tables.Y_LIMIT),
    "powers": (0, 1 << tables.WEIGHT_BITS),
    "families": (0, tables.TOTAL - 1),
    "prior.low": (-tables.TOTAL // 2, 0),
    "prior.high": (0, tables.TOTAL // 2),
}
"""Smallest and largest value of what an array's name ends in."""


def reach(name: str, kernel: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Largest possible sum of |weight| * |input| for each output, [out], of a kernel [taps, in, out]."""
    each = limit.astype(np.float64) @ np.abs(kernel.astype(np.float64))
    return np.max([each[list(t)].sum(0) for t in taps_summed(name, len(kernel))], axis=0)


def check(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` unless these are a twin's arrays, every sum stays within 2^24 and every table decodes.

    Of a model with a variable rate they are the arrays of one level.
    """
    try:
        wanted = shapes(config, arrays)
        wrong = [name for name, shape in wanted.items() if arrays[name].shape != shape]
    except KeyError as e:
        raise ValueError(f"the tables lack {e.args[0]}") from None
    wrong += sorted(arrays.keys() - wanted.keys())
    if wrong or not all(np.can_cast(a.dtype, np.int32) for a in arrays.values()):
        raise ValueError(f"the tables do not fit the model: {wrong or 'not integers of 32 bits'}")
    # stored as narrow as it gets, so abs and minus may overflow; kernels are widened in `reach`, each in its turn
    arrays = {name: a if name.endswith("kernel") else a.astype(np.int64) for name, a in arrays.items()}
    for name, array in arrays.items():
        low, high = _RANGES.get(name) or _RANGES.get(name.split(".")[-1]) or (-np.inf, np.inf)
        if array.size and not low <= array.min() <= array.max() <= high:
            raise ValueError(f"the table {name} holds values outside {low} ... {high}")
    _check_distributions(arrays)
    limits = {name: arrays[f"{name}.limit"].reshape(blocks(name), -1).max(0) for name in specs(config)}
    z_limit = np.maximum(-arrays["prior.low"], arrays["prior.high"])
    limits |= {"y": arrays["y.limit"], "z": np.append(z_limit, np.ones(int(has_offset(config)), np.int64))}
    for name, spec in specs(config).items():
        limit, kernel = np.concatenate([limits[given] for given in spec.inputs]), arrays[f"{name}.kernel"]
        if max(limit.max(), kernel.max(), -int(kernel.min())) > OPERAND:
            raise ValueError(f"layer {name}: operands may pass 2^16")
        total = reach(name, kernel, limit) + largest_bias(arrays[f"{name}.bias"])
        if not (total <= BUDGET).all():
            raise ValueError(f"layer {name}: sums may pass 2^24")


def largest_bias(bias: np.ndarray) -> np.ndarray:
    """Largest magnitude of each output's bias, [out], of [out] or of rows to choose from [rows, out]."""
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


def shapes(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shape that each array of a twin has; how wide the table of z is, its support says. Raises `KeyError`."""
    m, n = config.latents, config.static_channels
    found: dict[str, tuple[int, ...]] = {}
    for name, spec in specs(config).items():
        out = spec.kernel[2:]
        bias = (spec.biases, *out) if spec.biases else out
        found |= {f"{name}.kernel": spec.kernel, f"{name}.bias": bias, f"{name}.shift": out, f"{name}.limit": out}
    support = zip(arrays["prior.low"].ravel(), arrays["prior.high"].ravel(), strict=False)
    widest = max(int(high) - int(low) for low, high in support) + 2
    found |= {"prior.low": (n,), "prior.high": (n,), "prior.cdf": (n, widest), "y.limit": (m,)}
    return found | {"powers": (tables.POWERS + 1,), "families": (len(config.families), 2 * tables.EDGE + 1)}
