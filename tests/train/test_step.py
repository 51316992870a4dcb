"""The step learns, its schedule ends at zero, and its average follows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import TrainConfig
from gllmm_jax.optimizer.schedule import learning_rate
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.start import block_klt, initial_params, quantisation_step
from gllmm_jax.train.step import create_state, make_eval_step, make_train_step

TINY = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=16, hyper=8, hidden=(16, 16), block="plain")
CONFIG = TrainConfig(data="", steps=100, learning_rate=2e-3, warmup=0.1, schedule="cosine")


@pytest.fixture(scope="module")
def images(photograph):
    return np.stack([photograph(64, 64, seed=seed) for seed in range(4)])


def test_learning_rate():
    """Start, middle and end of the warm-up; then a quarter, half and three quarters of the cosine, and its end."""
    rates = [float(learning_rate(CONFIG, jnp.float32(p))) for p in (0.0, 0.05, 0.1, 0.325, 0.55, 0.775, 1.0)]
    quarter = (1 + np.sqrt(0.5)) * 1e-3
    np.testing.assert_allclose(rates, [0.0, 1e-3, 2e-3, quarter, 1e-3, 2e-3 - quarter, 0.0], atol=1e-8)
    assert learning_rate(dataclasses.replace(CONFIG, warmup=0.0), jnp.float32(0.0)) == jnp.float32(2e-3)


def test_klt_is_orthonormal_and_ordered(photograph):
    pictures = [photograph(90, 130, seed=seed) for seed in range(8)]
    basis, mean = block_klt(pictures, 20)
    np.testing.assert_allclose(basis.T @ basis, np.eye(20), atol=1e-4)
    blocks = (
        np.stack([p[i : i + 16, j : j + 16].reshape(-1) for p in pictures for i in (0, 16) for j in (0, 16)]) / 255
        - 0.5
    )
    energy = ((blocks - mean) @ basis).var(0)
    assert energy[0] > energy[5] > energy[19]


def test_step_size_of_the_quantiser():
    assert quantisation_step(0.013) == pytest.approx(44.7, abs=0.1)


def test_learns_from_a_working_start(images):
    start = initial_params(TINY, jax.random.PRNGKey(0), lmbda=0.013, photographs=list(images))
    before = make_eval_step(TINY, CONFIG)(start, images)
    assert before["psnr"] > 20  # sixteen linear components already show a picture
    state, step = create_state(CONFIG, start, jax.random.PRNGKey(1)), make_train_step(TINY, CONFIG)
    metrics = {}
    for i in range(30):
        state, metrics = step(state, images, jnp.float32(i / 100))
    assert jnp.isfinite(start["g_a"]["last"]["bias"]).all()  # what was given in is still the caller's
    assert int(state.step) == 30 and all(jnp.isfinite(v) for v in metrics.values())
    assert set(metrics) == {"loss", "bpp", "bpp_y", "bpp_z", "mse", "psnr", "grad_norm", "lr", "skipped"}
    after = make_eval_step(TINY, CONFIG)(state.params, images)
    assert after["loss"] < 0.9 * before["loss"]
    averaged = make_eval_step(TINY, CONFIG)(state.ema, images)
    assert averaged["loss"] < before["loss"] and averaged["loss"] != after["loss"]


def test_images_are_bytes(images):
    with pytest.raises(TypeError, match="images are uint8"):
        make_eval_step(TINY, CONFIG)({}, images / 255.0)
