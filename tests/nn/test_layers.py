"""Alignment of the primitive layers, by impulses, against the arithmetic written out."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.layers import primitive


def apply(module, x, **arrays) -> Any:
    variables = module.init(jax.random.PRNGKey(0), x)
    params = {k: jnp.asarray(arrays.get(k, v), jnp.float32) for k, v in variables["params"].items()}
    return module.apply({"params": params}, x)


@pytest.mark.parametrize("size", [8, 9])
def test_strided_conv_reads_even_positions(size):
    x = np.random.default_rng(0).normal(size=(1, size, size, 1)).astype(np.float32)
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    out = apply(primitive.conv(1, stride=2), jnp.asarray(x), kernel=kernel)
    padded = np.pad(x[0, ..., 0], 1)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            np.testing.assert_allclose(
                out[0, i, j, 0],
                (padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * kernel[..., 0, 0]).sum(),
                rtol=1e-4,
                atol=1e-4,
            )


def test_pointwise_strided_conv_is_subsampling():
    x = jnp.arange(36.0).reshape(1, 6, 6, 1)
    np.testing.assert_array_equal(
        apply(primitive.conv(1, 1, stride=2), x, kernel=np.ones((1, 1, 1, 1))), x[:, ::2, ::2]
    )


def test_up_conv():
    x, k = np.array([2.0, 3.0, 5.0]), np.array([7.0, 11.0, 13.0])
    expected = [
        k[1] * x[0],
        k[0] * x[0] + k[2] * x[1],
        k[1] * x[1],
        k[0] * x[1] + k[2] * x[2],
        k[1] * x[2],
        k[0] * x[2],
    ]
    along = np.zeros((3, 3, 1, 1))
    along[:, 1, 0, 0] = k
    out = apply(primitive.up_conv(1), jnp.asarray(x).reshape(1, 3, 1, 1), kernel=along)
    assert out.shape == (1, 6, 2, 1)
    np.testing.assert_allclose(out[0, :, 0, 0], expected)
    out = apply(primitive.up_conv(1), jnp.asarray(x).reshape(1, 1, 3, 1), kernel=along.transpose(1, 0, 2, 3))
    np.testing.assert_allclose(out[0, 0, :, 0], expected)


def test_up_conv_is_the_layer_of_flax():
    """Its parameters, their start and its values; and the dtype that is asked for."""
    x = jax.random.normal(jax.random.key(1), (2, 5, 7, 3))
    theirs: Any = nn.ConvTranspose(4, (5, 5), (2, 2), padding=((2, 3), (2, 3)))
    own: Any = primitive.up_conv(4, 5)
    params = own.init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, params, theirs.init(jax.random.key(0), x))
    np.testing.assert_allclose(own.apply(params, x), theirs.apply(params, x), atol=1e-5)
    half: Any = primitive.up_conv(4, 5, dtype=jnp.bfloat16)
    assert half.apply(params, x).dtype == jnp.bfloat16
    assert own.apply(params, x[:0]).shape == (0, 10, 14, 4)


@pytest.mark.parametrize("block", [2, 4])
def test_depth_to_space_order(block):
    c, x = 3, np.random.default_rng(0).normal(size=(1, 2, 3, block * block * 3)).astype(np.float32)
    out = np.asarray(primitive.depth_to_space(jnp.asarray(x), block))
    for i, j, a, b, channel in np.ndindex(2, 3, block, block, c):
        assert out[0, block * i + a, block * j + b, channel] == x[0, i, j, (block * a + b) * c + channel]
    np.testing.assert_array_equal(primitive.space_to_depth(jnp.asarray(out), block), x)


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn(inverse):
    rng = np.random.default_rng(1)
    x, beta, gamma = rng.normal(size=(1, 2, 2, 3)), rng.uniform(0.5, 1.5, 3), rng.uniform(0.2, 1, (3, 3))
    out = apply(primitive.GDN(inverse=inverse), jnp.asarray(x, jnp.float32), beta=beta, gamma=gamma)
    norm = np.einsum("bhwi,ij->bhwj", x**2, gamma**2) + beta**2
    np.testing.assert_allclose(out, x * np.sqrt(norm) if inverse else x / np.sqrt(norm), rtol=1e-5)


def test_gdn_start():
    x = jnp.array([[[[2.0, -3.0]]]])
    np.testing.assert_allclose(apply(primitive.GDN(), x), [[[[2 / 1.4**0.5, -3 / 1.9**0.5]]]], rtol=1e-5)
