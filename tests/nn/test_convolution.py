"""Convolutions in another form, against the library's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gllmm_jax.layers.convolution import LARGE, STRIP, convolve, convolve_up, matmul


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


@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("accelerator", [False, True])
def test_an_up_convolution_is_the_plain_one_of_the_input_spread_by_zeros(side, accelerator, monkeypatch):
    if accelerator:
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    rng = np.random.default_rng(0)
    x, kernel = rational(rng, 2, 66, 64, 2), rational(rng, side, side, 2, 4)
    spread = np.zeros((2, 132, 128, 2), np.float32)

    def wanted(x, kernel):
        return plain(jnp.asarray(spread).at[:, ::2, ::2].set(x), kernel, (1, 1), ((side // 2, side // 2),) * 2)

    found, to_inputs = jax.vjp(convolve_up, x, kernel)
    out, gradients = jax.vjp(wanted, x, kernel)
    np.testing.assert_array_equal(found, out)
    given = rational(rng, *out.shape)
    for a, b in zip(to_inputs(given), gradients(given), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("side", "stride"), [(66, 1), (130, 2), (10, 1)])
def test_forward_mode(side, stride):
    """Alone, over the gradient, and for all directions of a kernel at once."""
    rng = np.random.default_rng(0)
    given = rational(rng, 1, side, side, 2), rational(rng, 3, 3, 2, 2)
    direction = rational(rng, *given[0].shape), rational(rng, *given[1].shape)
    form = (stride, stride), ((1, 1), (1, 1))

    def both(operation):
        forms = (
            (lambda x, kernel: convolve(x, kernel, *form, precision=None)),
            (lambda x, kernel: plain(x, kernel, *form)),
        )
        return zip(*(jax.tree.leaves(operation(convolution)) for convolution in forms), strict=True)

    def product_with_the_hessian(convolution):
        gradient = jax.grad(lambda x, kernel: jnp.mean(convolution(x, kernel) ** 3), (0, 1))
        return jax.jvp(gradient, given, direction)

    for a, b in both(lambda convolution: jax.jvp(convolution, given, direction)):
        np.testing.assert_array_equal(a, b)
    for a, b in both(lambda convolution: jax.jacfwd(convolution, 1)(*given)):
        np.testing.assert_array_equal(a, b)
    for a, b in both(product_with_the_hessian):
        np.testing.assert_allclose(a, b, atol=1e-5 * float(jnp.max(jnp.abs(b))))


def test_half_the_width_is_added_up_in_full_width():
    rng = np.random.default_rng(0)
    x, given = (jnp.asarray(rng.uniform(0, 1, (8, 64, 64, 3)), jnp.bfloat16) for _ in range(2))
    kernel, form = jnp.zeros((3, 3, 3, 3), jnp.bfloat16), ((1, 1), ((1, 1), (1, 1)))
    found = jax.vjp(lambda kernel: convolve(x, kernel, *form, precision=None), kernel)[1](given)[0]
    assert found.dtype == jnp.bfloat16
    whole = jax.vjp(lambda kernel: plain(x.astype(jnp.float32), kernel, *form), kernel.astype(jnp.float32))[1]
    exact = whole(given.astype(jnp.float32))[0]
    assert jnp.max(jnp.abs(found.astype(jnp.float32) - exact)) <= 2.0**-8 * jnp.max(exact)


def gradients_convolutions(side):
    x, kernel = jnp.zeros((1, side, side, 1)), jnp.zeros((3, 3, 1, 1))

    def loss(kernel):
        return jnp.sum(convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), precision=None))

    return jax.jit(jax.grad(loss)).lower(kernel).as_text().count("stablehlo.convolution")


@pytest.mark.skipif(jax.device_count() > 1 or jax.default_backend() != "cpu", reason="not on one CPU")
def test_strips_where_planes_are_large(monkeypatch):
    side = int(LARGE**0.5)
    assert gradients_convolutions(side) - gradients_convolutions(side - 8) >= side * side // STRIP - 1
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert gradients_convolutions(side) == gradients_convolutions(side - 8)


def test_what_is_not_differentiated_costs_nothing():
    given = jnp.zeros((1, 64, 64, 2)), jnp.zeros((3, 3, 2, 2))

    def loss(x, kernel):
        return jnp.sum(convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), precision=None))

    text = jax.jit(jax.grad(loss)).lower(*given).as_text()
    assert text.count("stablehlo.convolution") <= 2  # forward and back


def test_other_convolutions_are_refused():
    x, kernel = jnp.zeros((1, 8, 8, 2)), jnp.zeros((3, 3, 2, 2))
    for options in ({"rhs_dilation": (2, 2)}, {"lhs_dilation": (2, 2)}, {"feature_group_count": 2}):
        with pytest.raises(ValueError, match="other options than the precision"):
            convolve(x, kernel, (1, 1), ((1, 1), (1, 1)), precision=None, **options)
    with pytest.raises(ValueError, match="SAME"):
        convolve(x, kernel, (1, 1), "SAME", precision=None)
    assert convolve(x, kernel[:1, :1], (1, 1), ((1, 1), (1, 1)), precision=None).shape == (1, 10, 10, 2)


def test_matmul_takes_any_number_of_axes():
    rng = np.random.default_rng(0)
    x, kernel = rational(rng, 2, 3, 5, 4), rational(rng, 4, 6)
    np.testing.assert_array_equal(matmul(x, kernel), x @ kernel)
    np.testing.assert_array_equal(matmul(x[0, 0], kernel), x[0, 0] @ kernel)
