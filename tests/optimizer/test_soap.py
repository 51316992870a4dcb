"""SOAP against a plain form of the published update, against Adam, and on problems that Adam finds hard."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from gllmm_jax.optimizer import soap
from gllmm_jax.optimizer.optimizer import lenient
from gllmm_jax.optimizer.soap import scale_by_soap

B1, B2, SHAMPOO = 0.9, 0.95, 0.8
EPS = 0.01  # so large that single precision does for what is near zero


def orthogonal(size, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def along(x, axis, matrix):
    """`x` with its axis multiplied by a matrix: coordinates x_i -> sum over i of x_i matrix_ij."""
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)


def published(gradients, axes, due):
    """Steps of one kernel by Algorithms 3 and 4 in float64, and how often columns changed places."""
    steps, moved = [], 0
    mu = nu = 0.0
    grams, bases = dict.fromkeys(axes, 0.0), {}
    for t, g in enumerate(gradients):
        if t == 0:
            steps.append(np.zeros_like(g))
        else:
            turned, mu = g, B1 * mu + (1 - B1) * g
            mean = mu
            for axis in axes:
                turned, mean = along(turned, axis, bases[axis]), along(mean, axis, bases[axis])
            nu = B2 * nu + (1 - B2) * turned**2
            step = mean / (1 - B1**t) / (np.sqrt(nu / (1 - B2**t)) + EPS)
            for axis in axes:
                step = along(step, axis, bases[axis].T)
            steps.append(step)
        for axis in axes:
            rows = np.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
            grams[axis] = SHAMPOO * grams[axis] + (1 - SHAMPOO) * rows @ rows.T
            if t == 0:
                bases[axis] = np.linalg.eigh(grams[axis])[1][:, ::-1]
            elif t in due:
                order = np.argsort(-np.diag(bases[axis].T @ grams[axis] @ bases[axis]))
                moved += (order != np.arange(len(order))).any()
                bases[axis] = np.linalg.qr(grams[axis] @ bases[axis][:, order])[0]
                nu = np.take(nu, order, axis)
    return steps, moved


def noisy(shape, count, seed=0):
    """Gradients float32 whose large and small directions change after half of them."""
    rng = np.random.default_rng(seed)
    turns = [orthogonal(n, n) for n in shape[-2:]]
    scales = [1.5 ** -np.arange(n) for n in shape[-2:]]
    for t in range(count):
        ends = scales if t < count // 2 else [scale[::-1] for scale in scales]
        x = rng.normal(0.3, 1.0, shape) * ends[0][:, None] * ends[1]
        for axis, turn in zip((-2, -1), turns, strict=True):
            x = along(x, axis, turn)
        yield x.astype(np.float32)


def run(transformation, gradients) -> tuple[Any, Any]:
    """What came out, as float64, and the last state; compiled."""
    steps, update, state = [], jax.jit(transformation.update), transformation.init(gradients[0])
    for gradient in gradients:
        step, state = update(gradient, state)
        steps.append(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), step))
    return steps, state


@pytest.mark.parametrize(
    ("shape", "max_dimension", "axes"),
    [
        ((2, 3, 4, 5), 256, (-2, -1)),
        ((2, 3, 4, 5), 4, (-2,)),
        ((2, 2, 2, 5), 256, (-1,)),
        ((6, 5), 5, (-1,)),
        ((3, 4, 4), 256, (-2, -1)),
    ],
)
def test_updates_are_the_published_ones(shape, max_dimension, axes, monkeypatch):
    monkeypatch.setattr(soap, "EARLY", 9)
    gradients = list(noisy(shape, 26))
    expected, moved = published([g.astype(np.float64) for g in gradients], axes, due=(2, 4, 6, 8, 12, 16, 20, 24))
    assert moved > 0
    found, _ = run(scale_by_soap(B1, B2, SHAMPOO, EPS, frequency=4, max_dimension=max_dimension), gradients)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found[1:]).max(axis=tuple(range(1, len(shape) + 1))).min() > 0.1


def test_leaves_of_one_size_share_a_stack_and_do_not_mix():
    shapes = {"b": (4, 5), "a": (3, 3, 5, 4), "c": (4, 9)}
    trees = [
        dict(zip(shapes, leaves, strict=True)) for leaves in zip(*(noisy(s, 5) for s in shapes.values()), strict=True)
    ]
    together, state = run(scale_by_soap(max_dimension=8), trees)
    assert {size: gram.shape for size, gram in state.grams.items()} == {"4": (3, 4, 4), "5": (2, 5, 5)}
    for name in shapes:
        alone, _ = run(scale_by_soap(max_dimension=8), [tree[name] for tree in trees])
        np.testing.assert_allclose([step[name] for step in together], alone, rtol=1e-4, atol=1e-5)


def test_bases_stay_orthonormal_and_become_eigenvectors():
    gradients = list(noisy((3, 3, 4, 5), 40))[:20] * 6
    _, state = run(scale_by_soap(shampoo_beta=0.99, frequency=1), gradients)
    for size, basis in state.bases.items():
        np.testing.assert_allclose(basis[0].T @ basis[0], np.eye(int(size)), atol=1e-5)
        diagonal = np.array(basis[0].T @ state.grams[size][0] @ basis[0])
        values = np.diag(diagonal)
        assert (np.diff(values) < 0).all()
        np.testing.assert_allclose(diagonal / values[0], np.diag(values / values[0]), atol=2e-3)


@pytest.mark.parametrize("shape", [(7,), (), (2, 2), (3, 300, 2), (1, 1, 2, 257)])
def test_leaves_without_a_rotated_dimension_get_adam(shape):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape).astype(np.float32) for _ in range(6)]
    found, state = run(scale_by_soap(B1, B2, eps=1e-3), gradients)
    expected, _ = run(lenient(optax.scale_by_adam(B1, B2, eps=1e-3)), gradients)
    assert not state.grams and not state.bases
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_first_update_moves_plain_leaves_only():
    gradient = {"bias": np.ones(4, np.float32), "kernel": np.ones((3, 3, 4, 5), np.float32)}
    (step,), state = run(scale_by_soap(), [gradient])
    np.testing.assert_allclose(step["bias"], 1.0, rtol=1e-6)
    assert not step["kernel"].any() and not state.mu["kernel"].any() and not state.nu["kernel"].any()
    np.testing.assert_allclose(np.abs(state.bases["4"][0, :, 0]), 0.5, rtol=1e-5)


def test_frozen_leaves_stay():
    gradients = [{"kernel": jnp.zeros((3, 3, 4, 5)), "bias": jnp.zeros(3)}] * 5
    steps, state = run(scale_by_soap(), gradients)
    assert not any(leaf.any() for leaf in jax.tree.leaves(steps))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def turned(x, turns):
    """Kernels [..., in, out] in coordinates that are turned on both sides."""
    return along(along(x, -2, turns[0].T), -1, turns[1].T)


def quadratic(turns, condition=100.0):
    """The loss <W - T, A (W - T) B> / 2 of kernels W [3, 4, 5], seen in turned coordinates."""
    curvatures = []
    for turn in turns:
        own = turn @ orthogonal(len(turn), 7)
        curvatures.append((own * np.geomspace(1.0, 1 / condition, len(turn))) @ own.T)
    a, b = (jnp.asarray(curvature, jnp.float32) for curvature in curvatures)
    target = jnp.asarray(turned(np.random.default_rng(0).normal(size=(3, 4, 5)), turns), jnp.float32)
    return lambda w: jnp.sum((w - target) * (a @ (w - target) @ b)) / 2


def descend(transformation, loss, noises, rate):
    """(parameters, losses) after each update from zero; a noise [3, 4, 5] is added to each gradient."""

    def body(carry, noise):
        w, state = carry
        step, state = transformation.update(jax.grad(loss)(w) + noise, state)
        w = w - rate * step
        return (w, state), (w, loss(w))

    start = jnp.zeros(noises.shape[1:], jnp.float32)
    scan = jax.jit(lambda noises: jax.lax.scan(body, (start, transformation.init(start)), noises)[1])
    return jax.device_get(scan(jnp.asarray(noises, jnp.float32)))


def test_iterates_turn_with_the_problem():
    identity, turns = [np.eye(4), np.eye(5)], [orthogonal(4, 1), orthogonal(5, 2)]
    noises = np.random.default_rng(3).normal(0, 0.1, (30, 3, 4, 5))
    apart = {}
    for name, transformation in {"soap": scale_by_soap(), "adam": lenient(optax.scale_by_adam(0.95, 0.95))}.items():
        plain, _ = descend(transformation, quadratic(identity), noises, 0.02)
        found, _ = descend(transformation, quadratic(turns), turned(noises, turns), 0.02)
        expected = turned(plain, turns)
        apart[name] = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert apart["soap"] < 1e-3 and apart["adam"] > 0.1


def test_fewer_steps_than_adam_on_an_ill_conditioned_quadratic():
    """Steps to a loss of 1e-5 of the first, each at its best of three rates."""
    loss = quadratic([orthogonal(4, 1), orthogonal(5, 2)], condition=1000.0)
    goal, noises = 1e-5 * float(loss(jnp.zeros((3, 4, 5)))), np.zeros((1000, 3, 4, 5))

    def steps(transformation):
        paths = [descend(transformation, loss, noises, rate)[1] for rate in (0.01, 0.03, 0.1)]
        return min(np.argmax(path < goal) if path.min() < goal else len(path) for path in paths)

    assert 2 * steps(scale_by_soap()) < steps(lenient(optax.scale_by_adam(0.95, 0.95)))


def test_goes_on_from_a_checkpoint_under_cond(tmp_path):
    gradients = [{"kernel": kernel, "bias": kernel[0, 0, 0]} for kernel in noisy((3, 3, 4, 5), 8)]
    transformation = scale_by_soap()
    shapes = jax.eval_shape(transformation.init, gradients[0])
    update = jax.jit(lambda go, g, s: jax.lax.cond(go, transformation.update, lambda g, s: (g, s), g, s))
    state, states, steps = transformation.init(gradients[0]), [], []
    for gradient in gradients:
        step, state = update(True, gradient, state)
        states.append(state)
        steps.append(step)
    kept, same = update(False, gradients[0], states[3])
    jax.tree.map(np.testing.assert_array_equal, (kept, same), (gradients[0], states[3]))

    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", states[3])
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", shapes)
    leaves, tree = jax.tree.flatten(restored)
    assert tree == jax.tree.structure(shapes)
    assert {str(leaf.dtype) for leaf in leaves} == {"float32", "int32"}
    state = jax.tree.unflatten(tree, leaves)
    for gradient, expected in zip(gradients[4:], steps[4:], strict=True):
        step, state = update(True, gradient, state)
        jax.tree.map(np.testing.assert_array_equal, step, expected)


def test_half_floats_are_taken_as_single():
    half = [gradient.astype(jnp.bfloat16) for gradient in noisy((4, 5), 4)]
    found, state = run(scale_by_soap(), half)
    expected, _ = run(scale_by_soap(), [gradient.astype(np.float32) for gradient in half])
    np.testing.assert_array_equal(found, expected)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(state)} == {"float32", "int32"}


@pytest.mark.parametrize("options", [{"b1": 1.0}, {"b2": -0.1}, {"shampoo_beta": 1.5}, {"frequency": 0}])
def test_settings_without_a_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"decays|bases"):
        scale_by_soap(**options)


def test_gradients_of_another_structure_are_refused():
    transformation = scale_by_soap()
    state = transformation.init({"kernel": jnp.zeros((4, 5))})
    with pytest.raises(ValueError, match="kernel"):
        transformation.update({"bias": jnp.zeros((4, 5))}, state)
