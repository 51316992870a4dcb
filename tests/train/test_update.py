"""The arithmetic of one update, on a model so small that it can be worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax import mesh as devices
from gllmm_jax.config import TrainConfig
from gllmm_jax.nn.model import Output
from gllmm_jax.optimizer.state import state_shardings
from gllmm_jax.presets import PRESETS
from gllmm_jax.train import step as step_module
from gllmm_jax.train.step import create_state, make_eval_step, make_train_step

SLOPE = np.array([0.3, 0.4])  # of the loss, where the picture is 1 on the 0..255 scale
PARAMS = {"w": np.zeros(2, np.float32)}


@pytest.fixture
def traced(monkeypatch):
    """Every model's bpp_y becomes w . SLOPE * (value of the picture), its bpp_z noise; a list with an entry a trace."""
    traces = []

    def apply(model, params, x, key, noisy, settled):
        traces.append(model)
        pixels = x.shape[1] * x.shape[2]
        bits_y = pixels * 255 * x.mean((1, 2, 3)) * jnp.dot(params["w"].astype(jnp.float32), SLOPE.astype(jnp.float32))
        return Output(x + 0.1, bits_y, pixels * jax.vmap(jax.random.uniform)(key))

    monkeypatch.setattr(step_module, "apply", apply)
    return traces


def run(values, *, start=None, progress=0.0, **options):
    """States and metrics of steps on pictures of one value each; without warm-up, so at the peak of the rate."""
    config = TrainConfig(**{"data": "", "steps": 1, "warmup": 0.0, "learning_rate": 0.01} | options)
    step = make_train_step(PRESETS["mu"], config)
    state = create_state(config, PARAMS, jax.random.PRNGKey(0)) if start is None else start
    states, metrics = [], []
    for value in values:
        state, figures = step(state, np.full((2, 4, 4, 3), value, np.uint8), progress)
        states.append(jax.device_get(state))
        metrics.append({name: float(figure) for name, figure in figures.items()})
    return states, metrics


def test_a_huge_gradient_moves_as_far_as_the_clipped_one(traced):
    """Adam after a gradient of norm 1/2 and one of norm 127.5, which counts as the norm 1."""
    states, metrics = run([1, 255], clip=1.0)
    small, huge = SLOPE, SLOPE / 0.5
    mean = (0.9 * 0.1 * small + 0.1 * huge) / (1 - 0.9**2)
    square = (0.999 * 0.001 * small**2 + 0.001 * huge**2) / (1 - 0.999**2)
    np.testing.assert_allclose(states[0].params["w"], [-0.01, -0.01], rtol=1e-4)  # the first step has one size
    np.testing.assert_allclose(states[1].params["w"], -0.01 - 0.01 * mean / np.sqrt(square), rtol=1e-4)
    assert [figures["grad_norm"] for figures in metrics] == pytest.approx([0.5, 127.5])


def test_the_rate_of_the_schedule_is_applied(traced):
    states, metrics = run([1], progress=0.5)
    assert metrics[0]["lr"] == pytest.approx(0.005)
    np.testing.assert_allclose(states[0].params["w"], [-0.005, -0.005], rtol=1e-4)


def test_the_average_follows_with_a_decay_that_grows_to_its_own(traced):
    states, _ = run([1] * 4, ema=0.2)
    assert states[0].params["w"].all()
    average = np.zeros(2)
    for state, decay in zip(states, (1 / 10, 2 / 11, 0.2, 0.2), strict=True):
        average = decay * average + (1 - decay) * state.params["w"]
        np.testing.assert_allclose(state.ema["w"], average, rtol=1e-5)


def test_noise_differs_from_step_to_step_and_is_the_same_after_a_resume(traced):
    states, metrics = run([1, 1, 1], learning_rate=0.0)
    noise = [figures["bpp_z"] for figures in metrics]
    assert len(set(noise)) == 3
    assert not states[-1].params["w"].any()  # a rate of zero: nothing else changed
    _, resumed = run([1, 1], learning_rate=0.0, start=jax.tree.map(jnp.array, states[0]))
    assert [figures["bpp_z"] for figures in resumed] == noise[1:]


def test_the_state_that_goes_in_is_given_up(traced):
    config = TrainConfig(data="", steps=1)
    state = create_state(config, PARAMS, jax.random.PRNGKey(0))
    make_train_step(PRESETS["mu"], config)(state, np.zeros((2, 4, 4, 3), np.uint8), 0.0)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))


def test_one_program_whatever_type_progress_has(traced):
    config = TrainConfig(data="", steps=1)
    state, step = create_state(config, PARAMS, jax.random.PRNGKey(0)), make_train_step(PRESETS["mu"], config)
    for progress in (0.25, 0, np.float32(0.25), np.float64(0.25), jnp.float32(0.25), jnp.asarray(0.25)):
        state, metrics = step(state, np.zeros((2, 4, 4, 3), np.uint8), progress)
        assert metrics["lr"].dtype == jnp.float32
    assert len(traced) == 1


def test_a_state_takes_either_kind_of_key_and_its_own_generator_alone():
    config, mesh, states = TrainConfig(data="", steps=1), devices.make_mesh(), []
    for key in (jax.random.PRNGKey(1), jax.random.key(1)):
        state = create_state(config, PARAMS, key)
        states.append(devices.place(state, state_shardings(mesh, state)))
    jax.tree.map(np.testing.assert_array_equal, *states)
    with pytest.raises(ValueError, match="a key of the default generator, key<fry>, not key<rbg>"):
        create_state(config, PARAMS, jax.random.key(1, impl="rbg"))


@pytest.mark.parametrize("given", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_floats_are_single_whatever_type_the_parameters_came_in(traced, given):
    config = TrainConfig(data="", steps=1)
    state = create_state(config, {"w": jnp.zeros(2, given)}, jax.random.PRNGKey(0))
    types = [leaf.dtype for leaf in jax.tree.leaves(state)]
    assert {str(leaf.dtype) for leaf in jax.tree.leaves((state.params, state.ema))} == {"float32"}
    state, metrics = make_train_step(PRESETS["mu"], config)(state, np.zeros((2, 4, 4, 3), np.uint8), 0.0)
    assert [leaf.dtype for leaf in jax.tree.leaves(state)] == types
    assert {str(figure.dtype) for figure in metrics.values()} == {"float32"}


def test_validation_judges_the_picture_that_would_be_written(monkeypatch):
    """Clipped, and rounded to 8 bits: what is beyond white is white, and a hundredth of a level is none."""

    def apply(model, params, x):
        return Output(jnp.where(x == 1, 1.5, x + 0.01 / 255), jnp.zeros(1), jnp.zeros(1))

    monkeypatch.setattr(step_module, "apply", apply)
    evaluate = make_eval_step(PRESETS["mu"], TrainConfig("", steps=1))
    images = np.full((1, 4, 4, 3), 255, np.uint8)
    images[0, 0] = 77
    assert evaluate(PARAMS, jnp.asarray(images))["mse"] == 0
