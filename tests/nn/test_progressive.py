"""The progressive entropy model: its groups, what each call sees, and all calls at once against one after the other."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.evaluate.cost import costs
from gllmm_jax.nn import progressive
from gllmm_jax.nn.model import Model
from gllmm_jax.nn.progressive import calls, fold, group, subsampled, unfold
from gllmm_jax.presets import PRESETS
from gllmm_jax.prob.mixture import numbers_per_latent
from tests.compiled import apply
from tests.parameters import random_params

PROFILES = {
    "fast": Progressive(),
    "normal": Progressive(seeds=2),
    "extra": Progressive(scales=4, block=(2, 4), seeds=4, width=128),
    "split": Progressive(seeds=1, splits=(2, 4)),
}
SMALL = {name: dataclasses.replace(profile, width=8, depth=1) for name, profile in PROFILES.items()}
CHANNELS = 6


def model(profile: Progressive) -> ModelConfig:
    light = dataclasses.replace(PRESETS["light"], widths=(4, 4, 4), latents=CHANNELS, hidden=(8, 8))
    return dataclasses.replace(light, preset="tiny", msp=profile)


@functools.cache
def params(profile):
    return random_params(model(profile))


def numbers(profile):
    """The function: y -> raw numbers of every latent."""
    given = params(profile)
    return jax.jit(lambda y: apply(model(profile), given, y, method=lambda m, y: m.progressive(y)))


def latents(size, seed=0):
    return jnp.asarray(np.random.default_rng(seed).integers(-5, 6, (1, *size, CHANNELS)), jnp.float32)


@pytest.mark.parametrize(("name", "count"), [("fast", 9), ("normal", 27), ("extra", 120), ("split", 36)])
def test_how_many_calls(name, count):
    assert len(calls(PROFILES[name], 128)) == count


@given(st.sampled_from(list(PROFILES)), st.integers(1, 70), st.integers(1, 70), st.integers(5, 9), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_every_latent_is_in_exactly_one_group(name, height, width, channels, scales):
    profile = dataclasses.replace(PROFILES[name], scales=scales)
    seen = np.zeros((height, width, channels), int)
    for call in calls(profile, channels):
        seen[group(profile, call)] += 1
    seen[subsampled(scales), subsampled(scales)] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("block", [(2, 2), (2, 4)])
def test_folding(block):
    plane = jnp.arange(2 * 4 * 8 * 3).reshape(2, 4, 8, 3)
    folded = fold(plane, block)
    assert folded.shape == (2, 4 // block[0], 8 // block[1], block[0] * block[1], 3)
    np.testing.assert_array_equal(folded[:, 0, 0, 1], plane[:, 0, 1])
    np.testing.assert_array_equal(folded[:, 1, 0, block[1]], plane[:, block[0] + 1, 0])
    np.testing.assert_array_equal(unfold(folded, block), plane)


def test_guesses_are_the_nearest_of_the_coarser_scale():
    plane = jnp.arange(5 * 7).reshape(1, 5, 7, 1)
    guess = unfold(progressive.guesses(plane[:, 1::2, 1::2], (5, 7), (2, 2)), (2, 2))[0, :, :, 0]
    wanted = np.array([[8, 8, 10, 10, 12, 12, 12, 12]] * 2 + [[22, 22, 24, 24, 26, 26, 26, 26]] * 4)
    np.testing.assert_array_equal(guess, wanted)
    assert not progressive.guesses(plane[:, :0, 1::2], (1, 7), (2, 4)).any()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("size", [(11, 13), (1, 5)])
def test_a_call_sees_what_was_coded_before_it_and_nothing_else(name, size):
    """All at once, as in training, is call after call, as in decoding: unknown latents may be anything, NaN here."""
    profile = SMALL[name]
    program = numbers(profile)
    y, at = np.asarray(latents(size)), subsampled(profile.scales)
    wanted = np.asarray(program(y)).reshape(*size, -1, CHANNELS)
    soonest = np.full(y.shape, np.nan, np.float32)
    soonest[:, at, at] = y[:, at, at]
    todo = calls(profile, CHANNELS)
    for number, call in enumerate(todo):
        rows, columns, channels = group(profile, call)
        if name != "extra" or number % 7 == 0:  # of so many calls some will do
            found = np.asarray(program(soonest)).reshape(*size, -1, CHANNELS)
            np.testing.assert_array_equal(found[rows, columns][..., channels], wanted[rows, columns][..., channels])
        soonest[:, rows, columns, channels] = y[:, rows, columns, channels]
    np.testing.assert_array_equal(soonest, y)


def test_it_uses_all_that_it_may_see():
    """The last call of a scale sees the first; a group of channels is seen by those after it."""
    profile = SMALL["split"]
    program = numbers(profile)
    y = latents((8, 8))
    base = program(y).reshape(8, 8, -1, CHANNELS)

    def changed(row, column, channel):
        return program(y.at[0, row, column, channel].add(3.0)).reshape(8, 8, -1, CHANNELS) != base

    assert changed(2, 2, 5)[3, 2, :, 0].any()  # (0, 0) of a block before (1, 0) of it
    assert changed(2, 3, 5)[3, 2, :, 0].any()
    assert changed(3, 3, 5)[2, 2, :, 0].any()  # the coarser scale
    assert changed(2, 2, 0)[2, 2, :, 1].any()  # the seed
    assert changed(2, 2, 1)[2, 2, :, 4].any()  # groups
    assert changed(2, 2, 2)[2, 2, :, 4].any()
    assert not changed(2, 2, 2)[2, 2, :, 3].any()
    assert not changed(2, 2, 5)[2, 2].any()
    assert not changed(2, 2, 1)[2, 2, :, 0].any()


def test_the_model_around_it():
    config, given = model(SMALL["normal"]), params(SMALL["normal"])
    assert set(given) == set(config.parts)

    @jax.jit
    def run(x):
        y = jnp.round(apply(config, given, x, method=Model.analysis))
        return apply(config, given, x), apply(config, given, y, jnp.zeros((len(x), 0, 0, 0)), method=Model.element_bits)

    x = jax.random.uniform(jax.random.key(2), (2, 64, 144, 3))
    output, (bits_y, bits_z) = run(x)
    assert output.x_hat.shape == x.shape
    assert (bits_y.shape, bits_z.shape) == ((2, 4, 9, CHANNELS), (2, 0, 1, CHANNELS))
    np.testing.assert_allclose(output.bits_y, bits_y.sum((1, 2, 3)), rtol=1e-5)
    output, (bits_y, bits_z) = run(jax.random.uniform(jax.random.key(2), (1, 144, 272, 3)))
    assert bits_z.shape == (1, 1, 2, CHANNELS)
    np.testing.assert_allclose(output.bits_z, bits_z.sum((1, 2, 3)), rtol=1e-5)
    assert (bits_z > 0).all()
    assert not bits_y[0, 7, 7::8].any()
    assert (bits_y[0, :7] > 0).all()


def test_gradients_reach_every_parameter():
    config = model(SMALL["normal"])
    x = jax.random.uniform(jax.random.key(2), (1, 128, 128, 3))

    def loss(p):
        output = apply(config, p, x, jax.random.key(3))
        return output.bits_y.sum() + output.bits_z.sum() + 1e4 * jnp.mean((output.x_hat - x) ** 2)

    gradients = jax.jit(jax.grad(loss))(params(config.msp))
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all(), path
        assert leaf.any(), path


@pytest.mark.parametrize(("preset", "kmac"), [("msp-fast", 11.5), ("msp-normal", 49.5), ("msp-extra", 229.5)])
def test_nothing_is_computed_that_no_call_needs(preset, kmac):
    """Nokia's code runs each of the 120 calls of its largest profile on whole planes: 1,472 kMAC a pixel."""
    config = PRESETS[preset]
    assert config.msp is not None
    (rows, columns), f, m, (wide, wider) = config.msp.block, config.msp.width, config.latents, config.hidden
    a_site = 9 * (rows * columns * m * f + 2 * config.msp.depth * f * f) + f * wide + wide * wider
    a_channel = wider * numbers_per_latent(config.families, config.components)
    needed = sum(
        (a_site + a_channel * (call.last - call.first)) / (config.stride * 2**call.scale) ** 2 / rows / columns
        for call in calls(config.msp, m)
    )
    assert costs(config)["progression"] == pytest.approx(needed / 1e3) == pytest.approx(kmac, abs=0.05)


def test_configs_travel_as_json():
    config = model(SMALL["split"])
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="block"):
        Progressive(block=(3, 3))
    with pytest.raises(ValueError, match="seeds"):
        model(Progressive(seeds=CHANNELS))
    with pytest.raises(ValueError, match="splits"):
        model(Progressive(splits=(CHANNELS,)))
    with pytest.raises(ValueError, match="grow"):
        Progressive(seeds=2, splits=(2,))
