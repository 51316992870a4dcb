"""The distribution function of a mixture and numbers drawn from it, against the probabilities that rates come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax import prob
from gllmm_jax.config import FAMILIES

MIXTURE = prob.split(1.5 * jax.random.normal(jax.random.key(0), (2, 30 * 3)), FAMILIES, 3)
VALUES = jnp.broadcast_to(jnp.arange(-12.0, 13.0)[:, None, None], (25, 2, 3))
WIDE = jax.tree.map(lambda a: a[None], MIXTURE)


def test_the_cdf_is_what_bins_are_differences_of():
    masses = prob.cdf(VALUES + 0.5, WIDE) - prob.cdf(VALUES - 0.5, WIDE)
    np.testing.assert_allclose(masses, jnp.exp(prob.log_mass(VALUES, WIDE)), atol=1e-6)
    ends = prob.cdf(jnp.asarray([-1e4, 1e4])[:, None, None], WIDE)
    np.testing.assert_allclose(ends[:, 0, 0], [0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("shape", [(20_000,), (100, 200)])
def test_samples_are_as_frequent_as_their_rates_say(shape):
    drawn = prob.sample(jax.random.key(1), MIXTURE, shape=shape)
    assert drawn.shape == (*shape, 2, 3) and drawn.dtype == jnp.float32
    rounded = jnp.round(drawn).reshape(-1, 2, 3)
    found = (rounded[:, None] == VALUES[None]).mean(axis=0)
    np.testing.assert_allclose(found, jnp.exp2(-prob.bin_bits(VALUES, WIDE)), atol=0.015)


def test_one_draw_of_each_latent():
    drawn = jax.jit(prob.sample)(jax.random.key(2), MIXTURE)
    assert drawn.shape == (2, 3)
    assert not jnp.array_equal(drawn, prob.sample(jax.random.key(3), MIXTURE))
