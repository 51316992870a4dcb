"""The objective against values worked out by hand."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from gllmm_jax.objective import mean_squared_error, rate_distortion


def test_rate_distortion():
    """Two pictures of 4 x 8, off by a tenth: 64 pixels, MSE 25.5²."""
    x = jnp.full((2, 4, 8, 3), 0.5)
    terms = rate_distortion(
        x, x.at[1].add(0.1).at[0].add(-0.1), jnp.array([64.0, 32.0]), jnp.array([16.0, 0.0]), lmbda=0.01
    )
    assert terms.bpp_y == 1.5  # a mean over pixels, not over pictures
    assert terms.bpp_z == 0.25
    assert float(terms.mse) == pytest.approx(650.25)
    assert float(terms.loss) == pytest.approx(1.75 + 6.5025)


def test_the_distortion_is_a_mean_over_each_picture():
    x = jnp.zeros((2, 4, 8, 3))
    assert mean_squared_error(x, x.at[0, 0, 0, 0].set(1.0)).tolist() == pytest.approx([255**2 / 96, 0.0])


def test_a_mistyped_distortion_is_an_error():
    x, bits = jnp.zeros((1, 8, 8, 3)), jnp.zeros(1)
    unchecked = inspect.unwrap(rate_distortion)  # by the tests' own check of types
    with pytest.raises(ValueError, match="no distortion 'msssim': choose mse or ms-ssim"):
        unchecked(x, x, bits, bits, lmbda=1.0, distortion="msssim")


def test_lmbda_weighs_the_distortion_alone():
    def loss(x_hat, bits_y, bits_z):
        return rate_distortion(jnp.zeros((1, 2, 2, 3)), x_hat, bits_y, bits_z, lmbda=3.0).loss

    by_picture, by_y, by_z = jax.grad(loss, (0, 1, 2))(jnp.full((1, 2, 2, 3), 0.5), jnp.ones(1), jnp.ones(1))
    assert by_picture.sum() == pytest.approx(3 * 255**2)  # lmbda * 255² * 2 * 0.5
    assert by_y.item() == by_z.item() == 0.25  # one over the pixels
