"""The proof that a twin's sums are exact: none can pass 2^24, whatever its input. Done again whenever one is loaded."""

import itertools
from collections.abc import Mapping

import numpy as np

from gllmm_jax.codec.exact import ENTROPY, EVEN, HYPER, ODD, TAPS
from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables
from gllmm_jax.prob.mixture import numbers_per_latent

BUDGET = (1 << 24) - 1


def taps_summed(name: str, taps: int) -> list[list[int]]:
    """Which kernel taps meet in one sum: all of them, or those of one phase of an up-convolution."""
    if not name.startswith("up"):
        return [list(range(taps))]
    return [[3 * p + q for p, _ in rows for q, _ in columns] for rows in (EVEN, ODD) for columns in (EVEN, ODD)]


def reach(name: str, kernel: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Largest possible sum of |weight| * |input| for each output, [out], of a kernel [taps, in, out]."""
    each = np.einsum("i,tio->to", limit.astype(np.float64), np.abs(kernel).astype(np.float64))
    return np.max([each[list(t)].sum(0) for t in taps_summed(name, len(kernel))], axis=0)


def check(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` unless these are a twin's arrays and every sum stays within 2^24."""
    try:
        wrong = [name for name, shape in shapes(config, arrays).items() if arrays[name].shape != shape]
    except KeyError as e:
        raise ValueError(f"the tables lack {e.args[0]}") from None
    if wrong or any(a.dtype.kind not in "iu" for a in arrays.values()):
        raise ValueError(f"the tables do not fit the model: {wrong or 'not integers'}")
    inputs = {"conv0": np.maximum(-arrays["prior.low"], arrays["prior.high"]), "context": arrays["y.limit"]}
    inputs["dense0"] = np.concatenate([arrays["context.limit"], arrays["conv4.limit"]])
    inputs |= {name: arrays[f"{before}.limit"] for before, name in itertools.pairwise(HYPER)}
    inputs |= {name: arrays[f"{before}.limit"] for before, name in itertools.pairwise(ENTROPY[1:])}
    for name in HYPER + ENTROPY:
        total = reach(name, arrays[f"{name}.kernel"], inputs[name]) + np.abs(arrays[f"{name}.bias"].astype(np.int64))
        if not (total <= BUDGET).all():
            raise ValueError(f"layer {name}: sums may pass 2^24")


def shapes(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """The shape that each array of a twin has; how wide the table of z is, its support says. Raises `KeyError`."""
    m, n, families = config.latents, config.hyper, len(config.families)
    wide, hidden, raw = 3 * n // 2, config.hidden, numbers_per_latent(config.families, config.components)
    kernels = {"conv0": (9, n, n), "up1": (9, n, n), "conv2": (9, n, wide), "up3": (9, wide, wide)}
    kernels |= {"conv4": (9, wide, 2 * m), "context": (len(TAPS), m, 2 * m), "dense0": (1, 4 * m, hidden[0])}
    kernels |= {"dense1": (1, *hidden), "dense2": (1, hidden[1], raw * m)}
    found: dict[str, tuple[int, ...]] = {f"{name}.kernel": shape for name, shape in kernels.items()}
    found |= {f"{k}.{part}": shape[-1:] for k, shape in kernels.items() for part in ("bias", "shift", "limit")}
    support = zip(arrays["prior.low"].ravel(), arrays["prior.high"].ravel(), strict=False)
    widest = max(int(high) - int(low) for low, high in support) + 2
    found |= {"prior.low": (n,), "prior.high": (n,), "prior.cdf": (n, widest)}
    return found | {"y.limit": (m,), "powers": (tables.POWERS + 1,), "families": (families, 2 * tables.EDGE + 1)}
