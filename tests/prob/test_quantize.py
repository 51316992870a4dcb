"""Stand-ins for rounding: values, gradients, noise."""

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.prob.quantize import add_noise, lower_bound, round_straight_through


def test_straight_through():
    y = jnp.array([-1.5, -0.4, 0.5, 1.5, 2.6])
    np.testing.assert_array_equal(round_straight_through(y), [-2.0, 0.0, 0.0, 2.0, 3.0])  # half to even
    np.testing.assert_array_equal(jax.grad(lambda v: (3 * round_straight_through(v)).sum())(y), 3.0)


def test_noise_is_uniform_in_the_unit_bin():
    noise = add_noise(jax.random.PRNGKey(0), jnp.zeros(100_000))
    assert -0.5 <= noise.min() < -0.499 and 0.499 < noise.max() <= 0.5
    np.testing.assert_allclose([noise.mean(), noise.var()], [0.0, 1 / 12], atol=2e-3)


def test_lower_bound_lets_pass_what_raises():
    x = jnp.array([0.0, 2.0])
    np.testing.assert_array_equal(lower_bound(x, 1.0), [1.0, 2.0])
    np.testing.assert_array_equal(
        jax.grad(lambda v: lower_bound(v, 1.0).sum())(x), [0.0, 1.0]
    )  # minimising would sink it
    np.testing.assert_array_equal(jax.grad(lambda v: -lower_bound(v, 1.0).sum())(x), [-1.0, -1.0])
