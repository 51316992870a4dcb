"""Networks in the dtype of what they are given, rates in float32, and both kinds of random keys."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.presets import PRESETS
from tests.parameters import shapes

MU = PRESETS["mu"]
LIGHT = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=8, hyper=8, hidden=(16, 16))
SMALL = dataclasses.replace(LIGHT, widths=(2, 2, 2), latents=2, hyper=2, hidden=(2, 2), block="plain")


def outputs(config: ModelConfig, dtype, method, *sizes) -> list[np.dtype]:
    """Types of what a method returns for parameters and arrays of `dtype`."""
    given = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, dtype), (shapes(config), *map(np.empty, sizes)))
    found = jax.eval_shape(functools.partial(apply, config, method=method), *given)
    return [leaf.dtype for leaf in jax.tree.leaves(found)]


@pytest.mark.parametrize("config", [MU, LIGHT], ids=["mu", "light"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_networks_keep_the_dtype_and_rates_are_float32_without_implicit_promotion(config, dtype):
    m, n = config.latents, config.hyper
    shown = np.float32 if config.transform == "light" else dtype  # of sums with a linear path
    with jax.numpy_dtype_promotion("strict"):
        assert outputs(config, dtype, Model.analysis, (1, 64, 64, 3)) == [shown]
        assert outputs(config, dtype, Model.synthesis, (1, 4, 4, m)) == [shown]
        assert outputs(config, dtype, Model.hyper_analysis, (1, 4, 4, m)) == [dtype]
        assert outputs(config, dtype, Model.hyper_synthesis, (1, 1, 1, n)) == [dtype]
        assert outputs(config, dtype, Model.context, (1, 4, 4, m)) == [dtype]
        assert outputs(config, dtype, Model.mixture, (1, 4, 4, m), (1, 4, 4, 2 * m)) == [np.float32] * 3
        assert outputs(config, dtype, Model.__call__, (1, 64, 64, 3)) == [shown, np.float32, np.float32]


@pytest.mark.parametrize("preset", ["mu", "msp-fast"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_transforms_of_single_precision_arrays_have_the_dtype_of_their_parameters(preset, dtype):
    config = PRESETS[preset]
    params = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, dtype), shapes(config))
    for method, channels in ((Model.analysis, 3), (Model.synthesis, config.latents)):
        given = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
        assert jax.eval_shape(functools.partial(apply, config, method=method), params, given).dtype == dtype


def test_rates_in_bfloat16_are_near(any_params):
    params, rng = any_params(functools.partial(init_params, MU)), np.random.default_rng(0)
    latents = [np.round(rng.normal(0, 3, shape)) for shape in ((1, 8, 12, 16), (1, 2, 3, 16))]
    rates = jax.jit(functools.partial(apply, MU, method=Model.bits))

    def in_dtype(dtype):
        return rates(*jax.tree.map(lambda a: jnp.asarray(a, dtype), (params, *latents)))

    np.testing.assert_allclose(in_dtype(jnp.bfloat16), in_dtype(jnp.float32), rtol=0.01)


def test_the_style_of_a_key_makes_no_difference():
    typed, raw = (init_params(SMALL, key) for key in (jax.random.key(5), jax.random.PRNGKey(5)))
    jax.tree.map(np.testing.assert_array_equal, typed, raw)


def test_any_generator_seeds():
    for impl in ("rbg", "unsafe_rbg"):
        key = jax.eval_shape(lambda impl=impl: jax.random.key(0, impl=impl))
        jax.eval_shape(functools.partial(init_params, SMALL), key)
