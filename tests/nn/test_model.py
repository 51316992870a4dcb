"""The whole model: published sizes, shapes, causality, and the cost of `light`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.evaluate.cost import costs
from gllmm_jax.nn.entropy import context_mask
from gllmm_jax.nn.model import Model, init_params
from gllmm_jax.objective import rate_distortion
from gllmm_jax.presets import PRESETS
from tests.compiled import apply
from tests.parameters import random_params, shapes

MU = PRESETS["mu"]
LIGHT = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=8, hyper=8, hidden=(16, 16))


params = functools.cache(functools.partial(random_params, variance=1 / 3))


def count(tree) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("n", "total", "parts"),
    [
        (
            128,
            17_848_204,
            {
                "g_a": 3_418_112,
                "h_a": 737_920,
                "h_s": 1_291_136,
                "context": 819_456,
                "entropy": 6_064_000,
                "g_s": 5_511_692,
            },
        ),
        (
            192,
            35_169_164,
            {
                "g_a": 7_683_072,
                "h_a": 1_659_840,
                "h_s": 2_904_384,
                "context": 1_843_584,
                "entropy": 8_685_440,
                "g_s": 12_384_012,
            },
        ),
        (
            256,
            58_361_740,
            {
                "g_a": 13_651_968,
                "h_a": 2_950_400,
                "h_s": 5_162_752,
                "context": 3_277_312,
                "entropy": 11_306_880,
                "g_s": 22_000_652,
            },
        ),
    ],
)
def test_parameter_totals_of_the_paper(n, total, parts):
    tree = shapes(PRESETS[f"gllmm-{n}"])
    assert count(tree) == total - 3 * n  # no quantiles are kept
    assert {k: count(tree[k]) for k in parts} == parts


@pytest.mark.parametrize(
    ("block", "mixture", "total"),
    [("leaky", {}, 15.78), ("crm3", {}, 19.91), ("crm2", {"families": ("gaussian",)}, 14.41)],
)
def test_parameter_totals_of_variants(block, mixture, total):
    tree = shapes(dataclasses.replace(PRESETS["gllmm-128"], block=block, **mixture))
    assert abs(count(tree) / 1e6 - total) < 0.006


def shape_of(config, x, method):
    return jax.eval_shape(lambda p, x: apply(config, p, x, method=method), shapes(config), jnp.zeros(x)).shape


@pytest.mark.parametrize("preset", ["gllmm-128", "gllmm-192", "gllmm-256", "light", "mu"])
def test_shapes(preset):
    c = PRESETS[preset]
    assert shape_of(c, (2, 128, 192, 3), Model.analysis) == (2, 8, 12, c.latents)
    assert shape_of(c, (2, 8, 12, c.latents), Model.hyper_analysis) == (2, 2, 3, c.hyper)
    assert shape_of(c, (2, 2, 3, c.hyper), Model.hyper_synthesis) == (2, 8, 12, 2 * c.latents)
    assert shape_of(c, (2, 8, 12, c.latents), Model.context) == (2, 8, 12, 2 * c.latents)
    assert shape_of(c, (2, 8, 12, c.latents), Model.synthesis) == (2, 128, 192, 3)


def test_thirty_numbers_for_each_latent():
    c = PRESETS["gllmm-128"]
    sight = jnp.zeros((1, 8, 12, 2 * c.latents))
    raw = jax.eval_shape(lambda p, x: apply(c, p, x, x, method=Model.parameters), shapes(c), sight)
    assert raw.shape == (1, 8, 12, 30 * c.latents)


def test_mask():
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(context_mask()[..., 0, 0], expected)


BOARD = dataclasses.replace(MU, order="checkerboard")
BEFORE = [[0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0]]
AROUND = [[0, 0, 0, 1, 0, 1, 0], [0, 0, 1, 0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("config", "at", "seen"),
    [
        (MU, (3, 4), BEFORE),
        (BOARD, (3, 4), [*AROUND, AROUND[0], AROUND[1], AROUND[0]]),
        (BOARD, (3, 3), []),
    ],
)
def test_context_sees_what_is_decoded_before(config, at, seen):
    """No parameter at a position moves with a latent that comes with it or after it; all before within reach do."""
    y = jax.random.normal(jax.random.key(1), (1, 7, 9, config.latents))

    def numbers(y):
        context = apply(config, params(MU), y, method=Model.context)
        return jnp.abs(
            apply(config, params(MU), context, jnp.zeros_like(context), method=Model.parameters)[0][at]
        ).sum()

    moved = np.abs(np.asarray(jax.grad(numbers)(y)))[0].sum(-1) > 0
    expected = np.zeros((7, 9), bool)
    for i, row in enumerate(seen):
        expected[i + 1, : len(row)] = row
    np.testing.assert_array_equal(moved, expected)


NARROW = {"widths": (4,), "latents": 8, "hyper": 4, "features": None, "hidden": (16, 16), "splits": (2, 5)}
ELIC = dataclasses.replace(PRESETS["elic2022-320"], **NARROW)


@pytest.mark.parametrize("group", range(3))
def test_a_group_of_channels_sees_what_is_decoded_before(group):
    """All groups before it, and half of its own positions around one of the other half."""
    keys, (first, last) = jax.random.split(jax.random.key(1)), ELIC.groups[group]
    y, phi = jax.random.normal(keys[0], (1, 9, 9, 8)), jax.random.normal(keys[1], (1, 9, 9, 16))

    def moved(row, column):
        def numbers(y):
            mixture = apply(ELIC, params(ELIC), y, phi, method=Model.mixture)
            return sum(jnp.abs(a[0, row, column, :, first:last]).sum() for a in jax.tree.leaves(mixture))

        return np.abs(np.asarray(jax.grad(numbers)(y)))[0] > 0

    for column, around in ((4, 0), (5, 12)):
        seen = moved(4, column)
        assert seen[..., :first].any(axis=(0, 1)).all() and not seen[..., last:].any()
        own = np.argwhere(seen[..., first:last].any(axis=-1))
        assert len(own) == around and not (own.sum(axis=1) % 2).any()


def test_gradients_reach_every_group_of_channels():
    y, z = jax.random.normal(jax.random.key(1), (1, 8, 8, 8)), jax.random.normal(jax.random.key(2), (1, 2, 2, 4))
    gradient = jax.grad(lambda p: apply(ELIC, p, y, z, method=Model.bits)[0].sum())(params(ELIC))
    assert len(gradient["space_channel"]) == 3 * 3 - 1
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient["space_channel"]))


@pytest.mark.parametrize("config", [MU, LIGHT], ids=["mu", "light"])
def test_forward_and_gradient(config):
    x = jax.random.uniform(jax.random.key(2), (2, 64, 128, 3))

    def loss(p, key):
        out = apply(config, p, x, key)
        return jnp.mean((out.x_hat - x) ** 2) * 1e3 + jnp.sum(out.bits_y + out.bits_z) / 16384, out

    gradient, out = jax.jit(jax.grad(loss, has_aux=True))(params(config), jax.random.key(3))
    assert out.x_hat.shape == x.shape and out.bits_y.shape == out.bits_z.shape == (2,)
    assert all(bool(jnp.all(jnp.isfinite(g))) for g in jax.tree.leaves(gradient))
    assert not [jax.tree_util.keystr(k) for k, g in jax.tree_util.tree_leaves_with_path(gradient) if not jnp.any(g)]


@pytest.mark.parametrize("config", [MU, LIGHT, PRESETS["msp-fast"]], ids=["mu", "light", "msp"])
def test_forward_mode_alone_and_over_the_gradient(config):
    key, x = jax.random.key(0), jnp.zeros((1, 64, 64, 3))

    def loss(p):
        out = apply(config, p, x, key)
        return rate_distortion(x, out.x_hat, out.bits_y, out.bits_z, lmbda=0.01).loss

    for function in (loss, jax.grad(loss)):
        # lowered, since what has no forward mode is refused there at the latest
        jax.jit(lambda p, function=function: jax.jvp(function, (p,), (p,))).lower(shapes(config))


@pytest.fixture
def doubles():
    """JAX makes float64 where nothing else is asked for."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_are_single_whatever_the_default_is(preset, doubles):
    shapes = jax.eval_shape(functools.partial(init_params, PRESETS[preset]), jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {np.dtype("float32")}


def test_gradients_are_single_whatever_the_default_is(doubles):
    def loss(p, x, key):
        out = apply(MU, p, x, key)
        return rate_distortion(x, out.x_hat, out.bits_y, out.bits_z, lmbda=0.01).loss

    key = jax.random.key(0)
    shapes = jax.eval_shape(functools.partial(init_params, MU), key)
    value, gradient = jax.eval_shape(jax.value_and_grad(loss), shapes, jnp.zeros((1, 64, 64, 3), jnp.float32), key)
    assert {leaf.dtype for leaf in jax.tree.leaves((value, gradient))} == {np.dtype("float32")}


def test_rounding_is_what_the_codec_sees():
    x = jax.random.uniform(jax.random.key(2), (1, 64, 64, 3))
    y_hat = jnp.round(apply(MU, params(MU), x, method=Model.analysis))
    z_hat = jnp.round(
        apply(MU, params(MU), apply(MU, params(MU), x, method=Model.analysis), method=Model.hyper_analysis)
    )
    out = apply(MU, params(MU), x)
    bits_y, bits_z = apply(MU, params(MU), y_hat, z_hat, method=Model.bits)
    np.testing.assert_allclose([out.bits_y, out.bits_z], [bits_y, bits_z], rtol=1e-5)
    np.testing.assert_allclose(out.x_hat, apply(MU, params(MU), y_hat, method=Model.synthesis), atol=1e-5)


def test_light_is_light():
    assert sum(costs(PRESETS["light"]).values()) - costs(PRESETS["light"])["analysis"] <= 25.0
