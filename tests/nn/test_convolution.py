"""Convolutions in another form, against the library's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gllmm_jax.nn.convolution import LARGE, STRIP, convolve, matmul


def plain(x, kernel, strides, padding, precision=None):
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=dimensions, precision=precision)


def rational(rng, *shape):
    """Sums of products of these are exact in float32, in any order."""
    return jnp.asarray(rng.integers(-8, 9, shape) / 8, jnp.float32)


@pytest.mark.parametrize(
    ("shape", "side", "stride"),
    [
        ((2, 66, 64, 2), 3, 1),  # in strips, the last one shorter
        ((1, 3, LARGE, 1), 3, 1),  # rows longer than a strip
        ((1, 130, 140, 2), 3, 2),
        ((2, 12, 10, 3), 3, 1),  # in one piece
        ((2, 9, 7, 3), 1, 1),
        ((2, 9, 7, 3), 1, 2),
    ],
)
def test_values_and_gradients_are_those_of_the_plain_form(shape, side, stride):
    rng = np.random.default_rng(0)
    x, kernel = rational(rng, *shape), rational(rng, side, side, shape[-1], 4)
    form = (stride, stride), ((side // 2, side // 2),) * 2
    out = plain(x, kernel, *form)
    given = rational(rng, *out.shape)
    found, to_inputs = jax.vjp(lambda x, kernel: convolve(x, kernel, *form, precision=None), x, kernel)
    _, wanted = jax.vjp(lambda x, kernel: plain(x, kernel, *form), x, kernel)
    np.testing.assert_array_equal(found, out)
    for a, b in zip(to_inputs(given), wanted(given), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_strips_are_taken_where_planes_are_large():
    def convolutions(side):
        x, kernel = jnp.zeros((1, side, side, 1)), jnp.zeros((3, 3, 1, 1))

        def loss(kernel):
            return jnp.sum(convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), precision=None))

        return jax.jit(jax.grad(loss)).lower(kernel).as_text().count("stablehlo.convolution")

    side = int(LARGE**0.5)
    if jax.default_backend() == "cpu":
        assert convolutions(side) - convolutions(side - 8) >= side * side // STRIP - 1
    assert convolutions(side - 8) <= 2


def test_matmul_takes_any_number_of_axes():
    rng = np.random.default_rng(0)
    x, kernel = rational(rng, 2, 3, 5, 4), rational(rng, 4, 6)
    np.testing.assert_array_equal(matmul(x, kernel), x @ kernel)
    np.testing.assert_array_equal(matmul(x[0, 0], kernel), x[0, 0] @ kernel)
