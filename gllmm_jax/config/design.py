"""Whose entropy model it is: what sets those that were published before apart, beside sizes and order.

| design | without z | order "none" | in raster or checkerboard order |
| --- | --- | --- | --- |
| `gllmm` | factorised prior | hyperprior and entropy net | GLLMM 2023 |
| `balle` | Balle et al. 2018, "factorized" | scale hyperprior of the same paper | |
| `minnen` | the same | mean and scale hyperprior, Minnen et al. 2018 | joint model of the same paper |
| `cheng` | the same | | Cheng et al. 2020 |

All but `gllmm` are as CompressAI has them, whose weights can be read (`foreign.compressai`): scales are bounded by 0.11
and not absolute, a prior has four hidden stages, and what it coded is moved by an `offset` before a network sees it.
"""

from typing import Literal

Design = Literal["gllmm", "balle", "minnen", "cheng"]

SLOPES: dict[Design, float] = {"gllmm": 0.2, "balle": 0.0, "minnen": 0.01, "cheng": 0.01}
"""Of the ReLUs in the networks of the entropy model."""

ORDERS_OF: dict[Design, tuple[str, ...]] = {
    "gllmm": ("raster", "checkerboard", "none"),
    "balle": ("none",),
    "minnen": ("raster", "checkerboard", "none"),
    "cheng": ("raster", "checkerboard"),
}
"""Orders that a design with hyper-latents can have."""
