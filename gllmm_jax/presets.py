"""The models that have a name."""

import dataclasses
from typing import Any

from gllmm_jax.config import ModelConfig, Progressive, VariableRate


def _gllmm(n: int) -> ModelConfig:
    return ModelConfig(preset=f"gllmm-{n}", widths=(n,), latents=n, hyper=n)


def _msp(profile: str, msp: Progressive, **smaller: Any) -> ModelConfig:
    model = ModelConfig(preset=f"msp-{profile}", transform="residual", hidden=(256, 256), msp=msp)
    return dataclasses.replace(model, **smaller)


LIGHT = ModelConfig(
    preset="light",
    transform="light",
    widths=(48, 96, 128),
    latents=192,
    hyper=64,
    hidden=(256, 256),
    components=1,
    attention=False,
)

LIGHT_VR = dataclasses.replace(
    LIGHT,
    preset="light-vr",
    rate=VariableRate(),
    latents=320,
    features=384,
    analysis_widths=(96, 160, 224),
    analysis_depth=2,
)


def _balle(name: str, n: int, m: int, **fields: Any) -> ModelConfig:
    # phi and hidden layers as wide as in the joint model; where there is no entropy net they mean nothing
    sizes = {"widths": (n,), "latents": m, "hyper": n, "hidden": (m * 10 // 3, m * 8 // 3)}
    mixture = {"families": ("gaussian",), "components": 1}
    return ModelConfig(preset=name, **({"transform": "balle", "attention": False} | sizes | mixture | fields))


def _cheng(name: str, n: int, attention: bool, components: int) -> ModelConfig:
    cheng = {"transform": "cheng", "design": "cheng", "block": "leaky"}
    return _balle(name, n, n, attention=attention, components=components, **cheng)


ELIC: dict[str, Any] = {
    "transform": "elic",
    "attention": True,
    "design": "elic",
    "features": 384,
    "hidden": (224, 128),
    "order": "checkerboard",
    "splits": (16, 32, 64, 128),
}


BASELINES: dict[str, ModelConfig] = {
    config.preset: config
    for config in (
        *(_balle(f"bmshj2018-factorized-{m}", n, m, design="balle", hyper=0) for n, m in ((128, 192), (192, 320))),
        *(_balle(f"bmshj2018-hyperprior-{m}", n, m, design="balle", order="none") for n, m in ((128, 192), (192, 320))),
        *(_balle(f"mbt2018-mean-{m}", n, m, design="minnen", order="none") for n, m in ((128, 192), (192, 320))),
        *(_balle(f"mbt2018-{m}", 192, m, design="minnen") for m in (192, 320)),
        *(_cheng(f"cheng2020-anchor-{n}", n, False, 1) for n in (128, 192)),
        *(_cheng(f"cheng2020-attn-{n}", n, True, 1) for n in (128, 192)),
        *(_cheng(f"cheng2020-gmm-{n}", n, True, 3) for n in (128, 192)),
        _balle("elic2022-320", 192, 320, **ELIC),
    )
}
"""Models that were published before, at the sizes that CompressAI has them in; the number in a name is M.

`cheng2020-gmm` has the three Gaussians and the attention of the paper, of which CompressAI has one (`cheng2020-attn`).
"""

PRESETS: dict[str, ModelConfig] = {
    "gllmm-128": _gllmm(128),
    "gllmm-192": _gllmm(192),
    "gllmm-256": _gllmm(256),
    "light": LIGHT,
    "light-vr": LIGHT_VR,
    "light-checkerboard": dataclasses.replace(LIGHT, preset="light-checkerboard", order="checkerboard"),
    "light-msp": dataclasses.replace(LIGHT, preset="light-msp", msp=Progressive()),
    "light-msp-vr": dataclasses.replace(LIGHT_VR, preset="light-msp-vr", msp=Progressive()),
    "msp-fast": _msp("fast", Progressive(), widths=(48,), latents=64, components=1),
    "msp-normal": _msp("normal", Progressive(seeds=2)),
    "msp-extra": _msp("extra", Progressive(scales=4, block=(2, 4), seeds=4, width=128)),
    "mu": ModelConfig(preset="mu", widths=(16,), latents=16, hyper=16, hidden=(32, 32)),
    **BASELINES,
}
