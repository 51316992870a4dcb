"""Either kind of transforms with either entropy model: trained a little, then a codec of exact files."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.nn.model import apply, init_params
from gllmm_jax.objective import rate_distortion
from gllmm_jax.optimizer.optimizer import lenient

SMALL = ModelConfig("small", widths=(8,), latents=8, features=12, hyper=8, hidden=(16, 16), components=1)
STEPS = 24


MODELS = {
    "raster": {},
    "progressive": {"msp": Progressive(scales=2, seeds=1, width=8, depth=1), "attention": False},
    "hyperprior": {"order": "none", "attention": False},
    "factorized": {"hyper": 0, "attention": False},
    "balle": {"design": "balle", "families": ("gaussian",), "order": "none"},
    "mean": {"design": "minnen", "families": ("gaussian",), "order": "none"},
    "cheng": {"design": "cheng", "families": ("gaussian",), "block": "leaky", "attention": False},
}
"""Attention is trained with `raster`: it makes 259 arrays of 107, which take long to compile."""


QUICK = [("paper", "raster"), ("residual", "progressive"), ("balle", "mean")]
"""Of each kind of transforms and of entropy model one; the others are long tests."""

ALL = [*itertools.product(["paper", "residual"], ["raster", "progressive"]), ("paper", "hyperprior"),
       ("paper", "factorized"), ("balle", "balle"), ("balle", "mean"), ("cheng", "cheng")]  # fmt: skip


@pytest.mark.parametrize(
    ("transform", "kind"), [pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow) for pair in ALL]
)
def test_trained_a_little(transform, kind, photograph):
    model = dataclasses.replace(SMALL, transform=transform, **MODELS[kind])
    image = photograph(128, 64)
    x = jnp.asarray(image[None] / np.float32(255))
    optimizer = lenient(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(3e-3)))

    def loss(params, key):
        output = apply(model, params, x, key)
        return rate_distortion(x, output.x_hat, output.bits_y, output.bits_z, lmbda=0.013).loss

    @jax.jit
    def step(params, state, key):
        found, gradients = jax.value_and_grad(loss)(params, key)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, found

    params = init_params(model, jax.random.key(0))
    state, losses = optimizer.init(params), []
    for key in jax.random.split(jax.random.key(1), STEPS):
        params, state, found = step(params, state, key)
        losses.append(float(found))
    black = 0.013 * np.square(image.astype(float)).mean()  # the loss of a picture that shows nothing
    assert losses[-1] < 0.2 * min(losses[0], black)
    codec = Codec(make_weights("trained", model, params, [image], {}))
    encoded = codec.encode(image[:51, :37])
    decoded = codec.decode(encoded.data)
    assert decoded.report.latents_crc32 == encoded.report.latents_crc32
    assert encoded.report.bits_estimated == pytest.approx(8 * encoded.report.bytes, rel=0.05, abs=8 * 80)
