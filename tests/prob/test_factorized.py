"""The factorised prior is a distribution on the integers, and starts as TensorFlow-Compression's does."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.nn.entropy import FactorizedPrior
from gllmm_jax.prob import factorized


@functools.cache
def start() -> Any:
    return FactorizedPrior(16).init(jax.random.PRNGKey(0), jnp.zeros((1, 16)))["params"]


def prior(seed: int = 0):
    params = start()
    keys = jax.random.split(jax.random.PRNGKey(seed + 1), len(params))
    return {n: p + 0.3 * jax.random.normal(k, p.shape) for k, (n, p) in zip(keys, params.items(), strict=True)}


def test_logits_increase():
    v = jnp.broadcast_to(jnp.linspace(-30, 30, 400), (16, 400))
    assert jnp.all(jnp.diff(factorized.logits(prior(), v), axis=1) > 0)


def test_masses_sum_to_one():
    z = jnp.broadcast_to(jnp.arange(-2000.0, 2001.0)[:, None], (4001, 16))
    np.testing.assert_allclose(jnp.exp2(-factorized.bin_bits(prior(), z)).sum(0), 1.0, atol=1e-4)


def test_start_is_wide_and_centred():
    params = start()
    assert sum(p.size for p in params.values()) == 43 * 16
    edges = jax.nn.sigmoid(factorized.logits(params, jnp.array([[-60.0, 0.0, 60.0]]) * jnp.ones((16, 1))))
    assert jnp.all(edges[:, 0] < 0.05) and jnp.all(edges[:, 2] > 0.95) and jnp.all(jnp.abs(edges[:, 1] - 0.5) < 0.4)


def test_bits_are_finite_and_pull_back_from_afar():
    bits, gradient = jax.value_and_grad(lambda z: factorized.bin_bits(prior(), z).sum())(jnp.full((1, 16), 1e4))
    assert jnp.isfinite(bits) and jnp.all(jnp.isfinite(gradient))


def test_module_is_the_formula():
    z = jnp.round(3 * jax.random.normal(jax.random.PRNGKey(1), (2, 3, 4, 16)))
    bits: Any = FactorizedPrior(16).apply({"params": start()}, z)
    np.testing.assert_allclose(bits, factorized.bin_bits(start(), z))
    assert bits.shape == z.shape
