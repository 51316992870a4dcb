"""The blocks against the same written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.layers import blocks
from tests.nn import written_out

X = np.random.default_rng(0).normal(size=(2, 6, 10, 4))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (blocks.PlainResidual(), written_out.plain_residual),
        (blocks.LeakyResidual(), written_out.leaky_residual),
        (blocks.ConcatenatedResidual(stages=2), written_out.crm),
        (blocks.ConcatenatedResidual(stages=3), written_out.crm),
        (blocks.Bottleneck(), written_out.bottleneck),
        (blocks.Attention(), written_out.attention),
        (blocks.Down(7), written_out.down),
        (blocks.Up(), written_out.up),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_written_out(block, expected, any_params):
    x = jnp.asarray(X, jnp.float32)
    params = any_params(lambda key: block.init(key, x)["params"])
    out = jax.jit(block.apply)({"params": params}, x)
    np.testing.assert_allclose(out, expected(params, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stages", [2, 3])
def test_stages_have_weights_of_their_own(stages):
    params = jax.eval_shape(blocks.ConcatenatedResidual(stages=stages).init, jax.random.key(0), X)["params"]
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(params)) == 2 * stages * (9 * 16 + 4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", blocks.PlainResidual()),
        ("leaky", blocks.LeakyResidual()),
        ("crm2", blocks.ConcatenatedResidual(stages=2)),
        ("crm3", blocks.ConcatenatedResidual(stages=3)),
    ],
)
def test_by_name(name, expected):
    assert blocks.residual(name) == expected


def test_an_unknown_name_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="no residual block 'crm4': choose one of plain, leaky, crm2, crm3"):
        blocks.residual("crm4")
