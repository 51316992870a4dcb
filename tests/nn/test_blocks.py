"""Wiring of the blocks, written out with the same parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.nn import blocks
from gllmm_jax.nn.layers import leaky_relu

X = jax.random.normal(jax.random.PRNGKey(0), (1, 6, 5, 4))


def init(module) -> tuple[Any, Any]:
    params = module.init(jax.random.PRNGKey(1), X)["params"]
    return module.apply({"params": params}, X), params


def convolve(p, x):
    pad = p["kernel"].shape[0] // 2
    out = jax.lax.conv_general_dilated(
        x, p["kernel"], (1, 1), ((pad, pad), (pad, pad)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out + p["bias"]


def leaky(p, x):  # Flax numbers layers as they are made, and the outer one of a nested call is made first
    return x + leaky_relu(convolve(p["Conv_0"], leaky_relu(convolve(p["Conv_1"], x))))


def test_plain_and_leaky():
    out, p = init(blocks.PlainResidual())
    np.testing.assert_allclose(
        out, X + convolve(p["Conv_0"], jax.nn.relu(convolve(p["Conv_1"], X))), rtol=1e-5, atol=1e-6
    )
    out, p = init(blocks.LeakyResidual())
    np.testing.assert_allclose(out, leaky(p, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stages", [2, 3])
def test_concatenated(stages):
    out, p = init(blocks.ConcatenatedResidual(stages))
    r = X
    for i in range(stages):
        r = leaky(p[f"LeakyResidual_{i}"], r)
    np.testing.assert_allclose(out, X + r, rtol=1e-5, atol=1e-6)
    assert sum(a.size for a in jax.tree.leaves(p)) == 2 * stages * (9 * 16 + 4)


def test_attention():
    out, p = init(blocks.Attention())

    def unit(p, x):
        r = jax.nn.relu(convolve(p["Conv_1"], jax.nn.relu(convolve(p["Conv_0"], x))))
        return x + convolve(p["Conv_2"], r)

    mask, trunk = X, X
    for i in range(3):
        mask, trunk = unit(p[f"Bottleneck_{i}"], mask), unit(p[f"Bottleneck_{i + 3}"], trunk)
    np.testing.assert_allclose(out, X + jax.nn.sigmoid(convolve(p["Conv_0"], mask)) * trunk, rtol=1e-5, atol=1e-6)


def test_resolution():
    x = jnp.ones((1, 8, 6, 4))
    assert blocks.Down(7).init_with_output(jax.random.PRNGKey(0), x)[0].shape == (1, 4, 3, 7)
    assert blocks.Up().init_with_output(jax.random.PRNGKey(0), x)[0].shape == (1, 16, 12, 4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plain", blocks.PlainResidual),
        ("leaky", blocks.LeakyResidual),
        ("crm2", blocks.ConcatenatedResidual),
        ("crm3", blocks.ConcatenatedResidual),
    ],
)
def test_by_name(name, kind):
    assert isinstance(blocks.residual(name), kind)
