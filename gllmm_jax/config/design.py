"""Published designs of entropy models: what sets them apart, besides sizes and order.

| design | without z | order "none" | in raster or checkerboard order |
| --- | --- | --- | --- |
| `gllmm` | factorised prior | hyperprior and entropy net | GLLMM 2023 |
| `balle` | Balle et al. 2018, "factorized" | scale hyperprior of the same paper | |
| `minnen` | the same | mean and scale hyperprior, Minnen et al. 2018 | joint model of the same paper |
| `cheng` | the same | | Cheng et al. 2020 |
| `elic` | the same | | ELIC, He et al. 2022, with `ModelConfig.splits` |

`balle`, `minnen` and `cheng` are as in CompressAI, whose weights can be read (`foreign.compressai`). `elic` has the
widths of CompressAI's model, and rounds y itself where that model rounds y less its mean. In all designs but `gllmm`
scales are bounded by 0.11 and not absolute, and a prior has four hidden stages. An `offset` moves what the prior coded
before a network sees it.
"""

from typing import Literal

Design = Literal["gllmm", "balle", "minnen", "cheng", "elic"]

SLOPES: dict[Design, float] = {"gllmm": 0.2, "balle": 0.0, "minnen": 0.01, "cheng": 0.01, "elic": 0.0}
"""Slopes of the ReLUs in the networks of the entropy model."""

ORDERS_OF: dict[Design, tuple[str, ...]] = {
    "gllmm": ("raster", "checkerboard", "none"),
    "balle": ("none",),
    "minnen": ("raster", "checkerboard", "none"),
    "cheng": ("raster", "checkerboard"),
    "elic": ("checkerboard",),
}
"""Orders that a design can have with hyper-latents."""
