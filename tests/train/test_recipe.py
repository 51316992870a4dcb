"""The switches of the recipe, each against what it promises."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import TrainConfig
from gllmm_jax.metrics import ms_ssim
from gllmm_jax.nn.model import Model, init_params
from gllmm_jax.optimizer.schedule import learning_rate
from gllmm_jax.presets import PRESETS
from gllmm_jax.train import step
from gllmm_jax.train.step import create_state, loss_fn, make_update
from tests.compiled import apply
from tests.parameters import shapes

TINY = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=16, hyper=8, hidden=(16, 16), block="plain")
CONFIG = TrainConfig("", steps=100, learning_rate=1e-3, warmup=0.0)


@pytest.fixture(scope="module")
def params():
    return init_params(TINY, jax.random.key(0))


@pytest.fixture(scope="module")
def images(photograph):
    return np.stack([photograph(64, 64, seed=seed) for seed in range(2)])


@functools.cache
def update_of(config: TrainConfig):
    """A step without the schedule of a run, compiled once for all tests."""
    return jax.jit(make_update(TINY, config))


def rates(schedule, *places):
    config = dataclasses.replace(CONFIG, schedule=schedule, learning_rate=1.0)
    return [float(learning_rate(config, jnp.float32(place))) for place in places]


def test_schedules():
    assert rates("linear", 0.0, 0.25, 1.0) == pytest.approx([1.0, 0.75, 0.0])
    assert rates("constant", 0.0, 0.5, 1.0) == [1.0, 1.0, 1.0]
    # of 1.5 million steps: 0, 749,999, 750,000, 849,999, 850,000, 1,499,999
    steps = np.array([0, 749_999, 750_000, 849_990, 850_010, 1_499_990]) / 1.5e6
    assert rates("halving", *steps) == [1.0, 1.0, 0.5, 0.5, 0.25, 1 / 256]


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_optimizers(params, images, optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    update, state, losses = update_of(config), create_state(config, params, jax.random.PRNGKey(0)), []
    for _ in range(12):
        state, metrics = update(state, images, 0.0)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.9 * losses[0]
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), params, state.params)
    assert all(any(jax.tree.leaves(part)) for part in moved.values())


def test_the_defaults_are_what_won_the_comparison():
    """Those of experiments/RESULTS.md."""
    assert (CONFIG.optimizer, CONFIG.schedule, CONFIG.clip, CONFIG.settle) == ("adam", "linear", 0.5, 0.0)


def test_a_step_whose_gradient_is_not_finite_changes_nothing(params, images):
    state = create_state(CONFIG, params, jax.random.PRNGKey(0))
    broken = state._replace(params=state.params | {"prior": jax.tree.map(lambda a: a * jnp.nan, params["prior"])})
    update = update_of(CONFIG)
    after, metrics = update(broken, images, 0.0)
    assert metrics["skipped"] == 1 and int(after.step) == 1
    jax.tree.map(np.testing.assert_array_equal, after._replace(step=broken.step), broken)
    assert update(state, images, 0.0)[1]["skipped"] == 0


def test_at_the_end_g_a_rests_and_the_rate_sees_rounded_latents(params, images):
    config = dataclasses.replace(CONFIG, settle=0.25)
    update, start = update_of(config), create_state(config, params, jax.random.PRNGKey(0))
    state, _ = update(start, images, 0.0)  # Adam has moments now, which would move g_a without a gradient

    def moved(progress):
        found, metrics = update(state, images, progress)
        parts = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, found.params)
        return {name for name, part in parts.items() if any(jax.tree.leaves(part))}, float(metrics["bpp"])

    (before, noisy), (after, rounded) = moved(0.7), moved(0.8)
    assert before == set(params) and after == set(params) - {"g_a"}
    x = images / np.float32(255)
    exact = apply(TINY, state.params, jnp.asarray(x))
    assert rounded == pytest.approx(float((exact.bits_y + exact.bits_z).mean()) / 64**2, rel=1e-4)
    assert rounded != pytest.approx(noisy, rel=1e-3)


@pytest.mark.parametrize("settled", [False, True])
def test_gains_rest_together_with_g_a(settled):
    config = dataclasses.replace(CONFIG, settle=0.25)
    gradients = {name: jnp.ones(2) for name in ("g_a", "gain", "g_s")}
    still = {name for name, found in step._thawed(gradients, config, jnp.array(settled)).items() if not found.any()}
    assert still == ({"g_a", "gain"} if settled else set())


def test_the_stable_schedule_comes_down_at_the_end():
    config = dataclasses.replace(CONFIG, schedule="stable", decay=0.2, learning_rate=1.0, warmup=0.1)
    places = [0.0, 0.05, 0.1, 0.5, 0.8, 0.9, 1.0]
    found = [float(learning_rate(config, jnp.float32(place))) for place in places]
    assert found == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0], abs=1e-6)


def test_what_is_frozen_stays(params, images):
    frozen = ("g_a", "g_s", "prior")
    config = dataclasses.replace(CONFIG, frozen=frozen)
    state = create_state(config, params, jax.random.PRNGKey(0))
    found, metrics = update_of(config)(state, images, 0.0)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), params, found.params)
    assert {name for name in moved if not any(jax.tree.leaves(moved[name]))} == set(frozen)
    assert metrics["grad_norm"] > 0


def test_bfloat16_is_near_and_its_gradients_are_single(params, images):
    x, key = jnp.asarray(images / np.float32(255)), jax.random.PRNGKey(1)

    def loss(params, compute):
        return loss_fn(params, x, key, model=TINY, config=dataclasses.replace(CONFIG, compute=compute))[0]

    exact = jax.jit(loss, static_argnums=1)(params, "float32")
    rough, gradients = jax.jit(jax.value_and_grad(loss), static_argnums=1)(params, "bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(gradients)} == {jnp.dtype("float32")}
    assert rough != exact and rough == pytest.approx(float(exact), rel=0.02)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_last_layer_of_the_analysis_stays_single(preset):
    """y is float32 as it comes, and not made so after it was rounded. Nothing is calculated."""
    config, x = PRESETS[preset], jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.bfloat16)
    half = jax.eval_shape(step.in_bfloat16, shapes(config))
    y = jax.eval_shape(lambda params, x: apply(config, params, x, method=Model.ungained), half, x)
    assert y.dtype == jnp.float32


def test_bfloat16_rounds_latents_in_single_precision(params, images):
    """Latents of a few hundred have neighbours two apart in bfloat16."""
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    x = jnp.asarray(images / 255, jnp.bfloat16)
    program = str(jax.make_jaxpr(lambda x, key: apply(TINY, half, x, key))(x, jax.random.PRNGKey(0)))
    rounded = re.findall(r":(\w+)\[[\d,]*\] = round\[", program)
    assert rounded and set(rounded) == {"f32"}
    assert "bf16[2,4,4,16] = conv" in program or "bf16[2,4,4,16] = dot_general" in program  # and nothing else of it


def test_the_decoder_sees_noise_first_and_rounded_latents_later(params, images):
    config = dataclasses.replace(CONFIG, noise=0.5, learning_rate=0.0)
    update, straight = update_of(config), update_of(dataclasses.replace(config, noise=0.0))
    state = create_state(config, params, jax.random.PRNGKey(0))
    early, late = (float(update(state, images, progress)[1]["mse"]) for progress in (0.4, 0.6))
    assert late == float(straight(state, images, 0.4)[1]["mse"])
    x, keys = (
        images / np.float32(255),
        jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(state.key, 0), jnp.arange(2)),
    )
    noisy = apply(TINY, params, x, keys, True)
    assert early == pytest.approx(float(jnp.mean(jnp.square((x - noisy.x_hat) * 255))), rel=1e-4)
    assert early != late


def test_noise_is_each_images_own(params, images):
    """The second image of a batch alone, with its own key, has the rate that it has in the batch."""
    keys = jax.random.split(jax.random.key(3), 2)
    x = images / np.float32(255)
    both, second = apply(TINY, params, x, keys), apply(TINY, params, x[1:], keys[1:])
    assert both.bits_y[1] == pytest.approx(float(second.bits_y[0]), rel=1e-5)


def test_ms_ssim(params, photograph):
    x = jnp.asarray(np.stack([photograph(192, 192)]) / np.float32(255))
    config = TrainConfig("", steps=1, crop=192, distortion="ms-ssim", lmbda=12.0)
    loss, terms = jax.jit(functools.partial(loss_fn, model=TINY, config=config))(params, x, None)
    x_hat = apply(TINY, params, x).x_hat
    expected = terms.bpp_y + terms.bpp_z + 12 * (1 - ms_ssim(x, x_hat)[0])
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert terms.mse == pytest.approx(float(jnp.mean(jnp.square((x - x_hat) * 255))), rel=1e-5)
    with pytest.raises(ValueError, match="crop must be at least 192"):
        TrainConfig("", steps=1, crop=128, distortion="ms-ssim")
