import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import TrainConfig, VariableRate
from gllmm_jax.nn.model import Model, init_params
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.presets import LIGHT
from gllmm_jax.train.optimizer import make_optimizer
from gllmm_jax.train.start import add_latents, block_klt, grafted
from tests.compiled import apply

MANY = dataclasses.replace(
    LIGHT, widths=(4, 4, 8), latents=20, features=24, hyper=8, hidden=(16, 16), components=2, block="plain",
    rate=VariableRate(anchors=2),
)  # fmt: skip
FEW = dataclasses.replace(MANY, latents=12)


@pytest.fixture(scope="module")
def given():
    params = init_params(FEW, jax.random.key(1))
    keys = jax.random.split(jax.random.key(2), len(jax.tree.leaves(params)))
    leaves, tree = jax.tree.flatten(params)  # so that no branch is silent
    return tree.unflatten([a + 0.1 * jax.random.normal(key, a.shape) for a, key in zip(leaves, keys, strict=True)])


@pytest.fixture(scope="module")
def more(given):
    params, missed = grafted(init_params(MANY, jax.random.key(0)), given, (12, 20))
    assert not missed
    return params


def test_further_latents_leave_the_first_as_they_were(given, more):
    few, many = at_quality(given, 200.0), at_quality(more, 200.0)
    x = jax.random.uniform(jax.random.key(3), (1, 64, 64, 3))
    y = apply(FEW, few, x, method=Model.analysis)
    wide = apply(MANY, many, x, method=Model.analysis)
    np.testing.assert_allclose(wide[..., :12], y, rtol=1e-5, atol=1e-5)
    # what reads y does not hear the further ones, whatever they hold
    y = jnp.round(4 * y)
    wide = jnp.concatenate([y, jnp.full((1, 4, 4, 8), 3.0)], axis=-1)
    z = apply(FEW, few, y, method=Model.hyper_analysis)
    for found, wanted in (
        (apply(MANY, many, wide, method=Model.hyper_analysis), z),
        (apply(MANY, many, wide, method=Model.context), apply(FEW, few, y, method=Model.context)),
        (apply(MANY, many, wide[..., :12], method=_synthesis), apply(FEW, few, y, method=Model.synthesis)),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    wanted, found = (apply(m, p, v, z, method=Model.distributions) for m, p, v in ((FEW, few, y), (MANY, many, wide)))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a[..., :12], b, rtol=1e-4, atol=1e-4)
        assert np.abs(a[..., 12:]).max() > 0  # the further ones have numbers of their own


def _synthesis(model, y):
    return model.synthesis(jnp.pad(y, ((0, 0), (0, 0), (0, 0), (0, 8))))


def test_further_latents_code_what_the_first_leave(more, photograph):
    pictures = [photograph(96, 96)]
    params = add_latents(more, 12, pictures, lmbda=0.01)
    kernel = params["g_s"]["linear"]["kernel"]
    first, further = kernel[:12], kernel[12:]
    assert np.abs(first @ further.T).max() < 1e-3 * np.abs(further @ further.T).max()
    np.testing.assert_array_equal(first, more["g_s"]["linear"]["kernel"][:12])

    def linear(params, blocks):  # a picture's blocks through both linear parts
        a, s = params["g_a"]["linear"], params["g_s"]["linear"]
        y = blocks @ a["kernel"] / 768**0.5 * jnp.exp(a["log_gain"]) + a["bias"]
        y = y.at[:, :12].set(0.0)
        return y * jnp.exp(s["log_gain"]) @ s["kernel"] / 768**0.5 + s["bias"]

    image = pictures[0] / np.float32(255) - 0.5
    blocks = jnp.asarray(image.reshape(6, 16, 6, 16, 3).swapaxes(1, 2).reshape(36, 768))
    rest = blocks - params["g_s"]["linear"]["bias"]
    known = np.linalg.qr(np.asarray(first).T)[0]
    rest = rest - rest @ known @ known.T
    left = blocks - linear(params, blocks)
    left = left - left @ known @ known.T
    basis, _ = block_klt(pictures, 8, beside=np.asarray(first).T)
    np.testing.assert_allclose(left, rest - rest @ basis @ basis.T, atol=1e-4)
    assert jnp.sum(left**2) < 0.5 * jnp.sum(rest**2)


def test_muon_makes_orthogonal_steps_of_kernels_alone():
    config = TrainConfig(data="x", steps=1, optimizer="muon", clip=1e9)
    params = {"a": {"kernel": jnp.zeros((3, 3, 4, 8)), "bias": jnp.zeros(8)}}
    gradients = jax.tree.map(lambda p: jax.random.normal(jax.random.key(0), p.shape), params)
    optimizer = make_optimizer(config)
    found: Any = optimizer.update(gradients, optimizer.init(params), params)[0]
    updates = found["a"]
    matrix = np.asarray(updates["kernel"]).reshape(36, 8)
    singular = np.linalg.svd(matrix)[1]
    assert singular.min() > 0.5 * singular.max()  # Newton-Schulz comes about so near
    assert np.sqrt(np.mean(matrix**2)) == pytest.approx(0.2, rel=0.3)
    assert np.sum(matrix * np.asarray(gradients["a"]["kernel"]).reshape(36, 8)) > 0  # it goes the gradient's way
    signs = np.sign(gradients["a"]["bias"])  # as Adam's first step, which Nesterov's momentum makes half as long again
    np.testing.assert_allclose(updates["bias"] / np.abs(updates["bias"]).max(), signs, rtol=1e-4)
