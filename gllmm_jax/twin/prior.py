"""The coding tables of the factorised prior, from its float parameters. NumPy, float64."""

from collections.abc import Mapping, Sequence

import numpy as np

from gllmm_jax.config import QUALITIES, ModelConfig
from gllmm_jax.nn.progressive import subsampled
from gllmm_jax.nn.quality import interpolate
from gllmm_jax.prob import tables
from gllmm_jax.twin.observe import Latents
from gllmm_jax.twin.wiring import LEVELS

REACH = 256
"""All symbols are nearer to zero than this."""


def prior_tables(
    config: ModelConfig, prior: Mapping, calibration: Sequence[Latents]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Support and coding table of what the prior codes. The support includes all its values in `calibration`.

    Returns: low and high int32 [N]; CDF int32 [N, widest + 1], 2^16 past the support. With a variable rate the CDFs are
      [LEVELS, N, widest + 1], and each is that of the middle of the level's qualities.
    """
    edges = np.arange(-REACH, REACH) - 0.5
    cdf = np.stack([prior_cdf(prior, v) for v in _edges(config, prior, edges)])
    if not np.isfinite(cdf).all():
        raise ValueError("layer prior: parameters are not finite")
    seen = _static_latents(config, calibration).clip(1 - REACH, REACH - 2)
    low = ((cdf < 2.0**-18).sum(2).min(0) - REACH - 1).clip(1 - REACH, 0)
    high = (REACH - (cdf > 1 - 2.0**-18).sum(2).min(0)).clip(0, REACH - 2)
    low = np.minimum(low, seen.min(0, initial=0)).astype(np.int32)
    high = np.maximum(high, seen.max(0, initial=0)).astype(np.int32)
    table = np.full((len(cdf), len(low), (high - low).max() + 2), tables.TOTAL, np.int32)
    for level, its_cdf in zip(table, cdf, strict=True):
        for row, c, first, last in zip(level, its_cdf, low, high, strict=True):
            row[: last - first + 2] = tables.cumulative(c[first + REACH : last + REACH + 2])
    return low, high, table[0] if config.rate is None else table


def _edges(config: ModelConfig, prior: Mapping, edges: np.ndarray) -> list[np.ndarray]:
    """For each level the arguments [N, n] of the prior's CDF that stand for `edges` [n]."""
    if config.rate is None:
        return [np.broadcast_to(edges, (config.static_channels, len(edges)))]
    middles = (np.arange(LEVELS) + 0.5) * (QUALITIES / LEVELS) - 0.5
    log_width, shift = (np.asarray(interpolate(prior[k]["rows"], middles), np.float64) for k in ("log_width", "shift"))
    return list((edges - shift[..., None]) / np.exp(log_width)[..., None])


def _static_latents(config: ModelConfig, calibration: Sequence[Latents]) -> np.ndarray:
    # what the factorised prior codes, [n, channels]
    if config.has_hyperprior:
        return np.concatenate([z.reshape(-1, z.shape[-1]) for _, z, _ in calibration])
    at = subsampled(config.coarsest)
    return np.concatenate([y[at, at].reshape(-1, y.shape[-1]) for y, _, _ in calibration])


def prior_cdf(prior: Mapping, v: np.ndarray) -> np.ndarray:
    """CDF of the factorised prior, float64 [N, n], at v [N, n]; `prob.factorized.logits` has the same chain.

    Source: Balle et al. 2018, appendix 6.1.
    """
    leaf = {k: np.asarray(a, np.float64) for k, a in prior.items() if not isinstance(a, Mapping)}
    x = v[:, None]
    stages = sum(name.startswith("matrix") for name in leaf)
    for i in range(stages):
        x = np.logaddexp(0, leaf[f"matrix{i}"]) @ x + leaf[f"bias{i}"]
        if i < stages - 1:
            x = x + np.tanh(leaf[f"factor{i}"]) * np.tanh(x)
    return 1 / (1 + np.exp(-x[:, 0].clip(-700, 700)))
