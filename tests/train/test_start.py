"""What a run starts from: given weights as far as they go, and further latents that leave them as they are."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.config import ModelConfig, Progressive, TrainConfig, VariableRate
from gllmm_jax.nn.model import Model
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.optimizer.optimizer import make_optimizer
from gllmm_jax.presets import LIGHT
from gllmm_jax.train.start import add_latents, block_klt, fresh_state, grafted
from tests.compiled import apply
from tests.parameters import random_params

MANY = dataclasses.replace(
    LIGHT, widths=(4, 4, 8), latents=20, features=24, hyper=8, hidden=(16, 16), components=2, block="plain",
    rate=VariableRate(anchors=2),
)  # fmt: skip
FEW = dataclasses.replace(MANY, latents=12)


@pytest.fixture(scope="module")
def given():
    return jax.tree.map(jnp.asarray, random_params(FEW))


@pytest.fixture(scope="module")
def more(given):
    params, missed = grafted(jax.tree.map(jnp.asarray, random_params(MANY, seed=1)), given, (12, 20))
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
        y = blocks @ a["kernel"] / 768**0.5 * jnp.exp(a["log_gain"])[None] + a["bias"][None]
        y = y.at[:, :12].set(0.0)
        return y * jnp.exp(s["log_gain"])[None] @ s["kernel"] / 768**0.5 + s["bias"][None]

    image = pictures[0] / np.float32(255) - 0.5
    blocks = jnp.asarray(image.reshape(6, 16, 6, 16, 3).swapaxes(1, 2).reshape(36, 768))
    rest = blocks - params["g_s"]["linear"]["bias"][None]
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


SMALL = ModelConfig("small", widths=(4,), latents=4, hyper=5, hidden=(8, 8), attention=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Weights of `SMALL` and their file, without a twin, which training has no use for."""
    weights = zoo.Weights("small", SMALL, random_params(SMALL), {}, {"lmbda": 0.013})
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    zoo.save(path, weights)
    return zoo.read(path), path


def test_starts_from_given_weights(small):
    weights, path = small
    state = fresh_state(SMALL, TrainConfig("", steps=1, init=str(path)), [])
    jax.tree.map(np.testing.assert_array_equal, dict(state.params), zoo.single(weights.params))


@pytest.mark.parametrize(
    ("changes", "left", "said"),
    [
        ({"preset": "other"}, set(), ""),
        ({"order": "checkerboard"}, set(), ""),
        ({"components": 1}, {"entropy"}, "has no parameters for some of entropy: these start afresh"),
        (
            {"msp": Progressive(width=8, depth=1)},
            {"h_a", "h_s", "context", "entropy", "prior"},
            "progressive",
        ),
        ({"rate": VariableRate()}, set(), "some of entropy, gain, h_a, prior: these"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_taken_of_given_weights(small, caplog, changes, left, said):
    weights, path = small
    rate = changes.get("rate")
    settings = TrainConfig("", steps=1, init=str(path), lmbda=(rate.lowest, rate.highest) if rate else 0.013)
    state = fresh_state(dataclasses.replace(SMALL, **changes), settings, [])
    found = dict(jax.tree_util.tree_leaves_with_path(dict(state.params)))
    lost = {at[0].key for at, leaf in jax.tree_util.tree_leaves_with_path(weights.params)
            if at not in found or not np.array_equal(found[at], leaf)}  # fmt: skip
    assert lost == left
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_weights_of_other_transforms_are_refused(small):
    settings = TrainConfig("", steps=1, init=str(small[1]))
    for other in (dataclasses.replace(SMALL, preset="other", widths=(8,)), dataclasses.replace(LIGHT, preset="other")):
        with pytest.raises(ValueError, match="holds a small, and a other is to be trained"):
            fresh_state(other, settings, [])
