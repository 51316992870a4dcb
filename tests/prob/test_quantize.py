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


def test_lower_bound_in_forward_mode_is_the_maximum():
    x, ones = jnp.array([0.0, 1.0, 2.0]), jnp.ones(3)
    np.testing.assert_array_equal(jax.jvp(lambda v: lower_bound(v, 1.0), (x,), (ones,))[1], [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(jax.jacfwd(lambda v: lower_bound(v, 1.0))(x), np.diag([0.0, 1.0, 1.0]))


def test_lower_bound_in_second_derivatives():
    """In the derivative of the gradient the bound is as it is, and what the gradient let pass still passes."""
    x = jnp.array([0.5, 2.0])
    gradient = jax.vmap(jax.grad(lambda v: -lower_bound(v, 1.0) * v**3))
    np.testing.assert_allclose(gradient(x), [-(x[0] ** 3) - 3 * x[0] ** 2, -4 * x[1] ** 3])
    for found in (jax.jacfwd(gradient)(x), jax.jacrev(gradient)(x)):
        np.testing.assert_allclose(found, np.diag([-3 * x[0] ** 2 - 6 * x[0], -12 * x[1] ** 2]))
