"""What depends on the quality: rows of anchors, and a model for each image of a batch."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import Progressive, TrainConfig, VariableRate
from gllmm_jax.nn.model import Model, init_params
from gllmm_jax.nn.quality import ROWS, at_index, at_quality, interpolate
from gllmm_jax.objective import balance
from gllmm_jax.optimizer.state import create_state
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.step import draw_qualities, loss_fn, make_update
from tests.compiled import apply
from tests.parameters import random_params

RATE = VariableRate(0.001, 0.1, anchors=4)
TINY = dataclasses.replace(PRESETS["mu"], widths=(8,), latents=8, hyper=8, hidden=(16, 16), attention=False, rate=RATE)
TINY_LIGHT = dataclasses.replace(
    PRESETS["light-vr"], widths=(8, 8, 8), latents=16, hyper=8, hidden=(16, 16), block="plain", rate=RATE,
    analysis_widths=(8, 16, 8),
)  # fmt: skip
TINY_MSP = dataclasses.replace(TINY, msp=Progressive(scales=2, width=8, depth=1))


def test_rows_are_linear_between_anchors():
    rows = np.array([[0.0, 1.0], [10.0, 3.0], [20.0, -1.0]], np.float32)
    found = interpolate(rows, np.array([0, 63.75, 127.5, 255]))
    np.testing.assert_allclose(found, [[0, 1], [5, 2], [10, 3], [20, -1]], atol=1e-5)
    assert interpolate(rows, 255.0).shape == (2,)


@pytest.mark.parametrize("index", [0, 1, 100, 255])
def test_one_quality_without_a_program(index):
    given = random_params(TINY_LIGHT)
    for found, expected in zip(
        jax.tree.leaves(at_index(given, index)), jax.tree.leaves(at_quality(given, index)), strict=True
    ):
        assert isinstance(found, np.ndarray) and (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_lambda_grows_by_equal_factors():
    found = RATE.lmbda(np.arange(256))
    assert found[[0, 255]] == pytest.approx([0.001, 0.1])
    np.testing.assert_allclose(found[1:] / found[:-1], 100 ** (1 / 255))
    assert RATE.lmbda(127.5) == pytest.approx(RATE.middle) == pytest.approx(0.01)
    assert balance(RATE, jnp.array([0.0, 127.5, 255.0])).tolist() == pytest.approx([10**0.5, 1, 10**-0.5])


params = functools.cache(functools.partial(random_params, variance=1 / 3))


@pytest.mark.parametrize("config", [TINY, TINY_LIGHT, TINY_MSP], ids=["paper", "light", "msp"])
def test_every_image_of_a_batch_has_its_own_quality(config, photograph):
    x = jnp.stack([jnp.float32(photograph(64, 64, seed=seed)) / 255 for seed in range(3)])
    qualities, given = jnp.array([0.0, 100.5, 255.0]), params(config)
    run = jax.jit(lambda x, quality: apply(config, at_quality(given, quality), x))
    together = run(x, qualities)
    for i in range(3):
        alone = run(x[i : i + 1], qualities[i : i + 1])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[i], b[0], rtol=2e-3, atol=1e-4)
    assert together.bits_y[2] != together.bits_y[0]


def test_a_quality_has_to_be_chosen(photograph):
    with pytest.raises(ValueError, match="serve many qualities: choose one"):
        apply(TINY, params(TINY), jnp.zeros((1, 64, 64, 3)))


def test_parameters_of_one_quality_stay_as_they_are():
    one = random_params(dataclasses.replace(TINY, rate=None))
    assert jax.tree.all(jax.tree.map(lambda a, b: a is b, one, at_quality(one, 3.0)))


def test_gains_start_with_the_step_that_fits_lambda():
    fresh = jax.jit(lambda key: {"gain": init_params(TINY, key)["gain"]})(jax.random.key(0))  # and nothing else
    y = jnp.ones((1, 4, 4, TINY.latents))
    for quality in (0.0, 85.0, 170.0, 255.0):  # the anchors
        chosen = at_quality(fresh, quality)
        gained = apply(TINY, chosen, y, method=Model.gained)
        np.testing.assert_allclose(gained, math.sqrt(RATE.lmbda(quality) / RATE.middle), rtol=1e-5)


def test_the_loss_is_the_balanced_mean_over_qualities(photograph):
    x = jnp.stack([jnp.float32(photograph(64, 64, seed=seed)) / 255 for seed in range(2)])
    config, quality = TrainConfig("", lmbda=(0.001, 0.1), steps=1), jnp.array([30.0, 220.0])
    loss, terms = jax.jit(functools.partial(loss_fn, model=TINY, config=config))(params(TINY), x, None, quality=quality)
    output = apply(TINY, at_quality(params(TINY), quality), x)
    bpp = (output.bits_y + output.bits_z) / 64**2
    mse = jnp.square((x - output.x_hat) * 255).mean((1, 2, 3))
    each = jnp.sqrt(RATE.middle / RATE.lmbda(quality)) * (bpp + RATE.lmbda(quality) * mse)
    assert float(loss) == pytest.approx(float(each.mean()), rel=1e-4)
    assert float(terms.bpp_y + terms.bpp_z) == pytest.approx(float(bpp.mean()), rel=1e-4)
    with pytest.raises(ValueError, match="needs a quality, or a key"):
        loss_fn(params(TINY), x, None, model=TINY, config=config)


def test_a_step_for_one_quality_moves_the_anchors_around_it_alone(photograph):
    config, before = TrainConfig("", lmbda=(0.001, 0.1), steps=1, warmup=0.0), params(TINY)
    update = jax.jit(make_update(TINY, config, quality=40.0))  # between the first anchor and the second
    state, _ = update(create_state(config, before, jax.random.PRNGKey(0)), photograph(64, 64)[None], 0.0)
    leaves = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(state.params), strict=True)
    moved = [np.any(a != b, axis=1).tolist() for (path, a), b in leaves if path[-1].key == ROWS]
    assert moved and all(rows == [True, True, False, False] for rows in moved)
    for model, quality in ((TINY, 256), (TINY, math.nan), (dataclasses.replace(TINY, rate=None), 40.0)):
        with pytest.raises(ValueError, match="a quality is from 0 to 255, for a model with a variable rate"):
            make_update(model, config, quality=quality)


def test_qualities_are_drawn_evenly_and_the_ends_more_often():
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = np.asarray(draw_qualities(keys, len(keys)))
    assert drawn.min() == 0 and drawn.max() == 255
    assert 0.03 < (drawn == 0).mean() < 0.045 and 0.03 < (drawn == 255).mean() < 0.045
    inside = drawn[(drawn > 0) & (drawn < 255)]
    assert np.histogram(inside, 10)[0] == pytest.approx(np.full(10, len(inside) / 10), rel=0.1)
