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

PRESETS: dict[str, ModelConfig] = {
    "gllmm-128": _gllmm(128),
    "gllmm-192": _gllmm(192),
    "gllmm-256": _gllmm(256),
    "light": LIGHT,
    "light-vr": LIGHT_VR,
    "light-checkerboard": dataclasses.replace(LIGHT, preset="light-checkerboard", order="checkerboard"),
    "light-msp": dataclasses.replace(LIGHT, preset="light-msp", msp=Progressive()),
    "msp-fast": _msp("fast", Progressive(), widths=(48,), latents=64, components=1),
    "msp-normal": _msp("normal", Progressive(seeds=2)),
    "msp-extra": _msp("extra", Progressive(scales=4, block=(2, 4), seeds=4, width=128)),
    "mu": ModelConfig(preset="mu", widths=(16,), latents=16, hyper=16, hidden=(32, 32)),
}
