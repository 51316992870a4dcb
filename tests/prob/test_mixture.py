"""The mixture likelihood: totals, limits, an independent implementation, gradients that stay alive."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gllmm_jax.config import FAMILIES
from gllmm_jax.prob import families, mixture, tables

split = jax.jit(mixture.split, static_argnums=(1, 2))
bin_bits, log_mass = jax.jit(mixture.bin_bits), jax.jit(mixture.log_mass)

SCIPY = {"gaussian": stats.norm, "laplace": stats.laplace, "logistic": stats.logistic}


def random_mixture(seed: int, m: int = 5, spread: float = 8.0) -> mixture.Mixture:
    raw = spread * jax.random.normal(jax.random.PRNGKey(seed), (30 * m,))
    return split(raw, FAMILIES, 3)


def scipy_log_mass(name: str, a: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Both edges on the lower side, in float64; log difference through logcdf."""
    big, small = SCIPY[name].logcdf((0.5 - a) / s), SCIPY[name].logcdf(-(0.5 + a) / s)
    with np.errstate(invalid="ignore"):  # SciPy's Laplacian is -inf far out, which the caller leaves out
        return big + np.log(-np.expm1(small - big))


@pytest.mark.parametrize("seed", range(4))
def test_masses_sum_to_one(seed):
    mix = random_mixture(seed)
    v = jnp.broadcast_to(jnp.arange(-300.0, 301.0)[:, None], (601, 5))
    spread = jax.tree.map(lambda a: jnp.broadcast_to(a, (601, *a.shape)), mix)
    total = np.exp(log_mass(v, spread)).sum(0)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_log_mass_against_scipy(name):
    a, s = np.meshgrid(np.linspace(0, 40, 161), np.geomspace(0.02, 60, 40))
    expected = scipy_log_mass(name, a, s)
    keep = expected > np.log(1e-12)
    try:
        jax.config.update("jax_enable_x64", True)
        exact = np.asarray(jax.jit(families.LOG_MASS[name])(jnp.asarray(a), jnp.asarray(s)))
    finally:
        jax.config.update("jax_enable_x64", False)
    np.testing.assert_allclose(exact[keep], expected[keep], rtol=1e-6, atol=1e-9)
    single = np.asarray(jax.jit(families.LOG_MASS[name])(jnp.asarray(a, jnp.float32), jnp.asarray(s, jnp.float32)))
    np.testing.assert_allclose(single[keep], expected[keep], rtol=3e-4, atol=2e-5)


def test_mixture_against_scipy():
    mix, v = random_mixture(7, spread=3.0), np.array([-3.0, 0.0, 1.0, 2.0, 11.0])
    masses = np.zeros(5)
    for c in range(9):
        family = SCIPY[FAMILIES[c // 3]](loc=np.asarray(mix.mean[c], float), scale=np.asarray(mix.scale[c], float))
        masses += np.exp(np.asarray(mix.log_weight[c], float)) * (family.cdf(v + 0.5) - family.cdf(v - 0.5))
    bits = bin_bits(jnp.asarray(v, jnp.float32), mix)
    np.testing.assert_allclose(bits, -np.log2(np.maximum(masses, 1e-6)), rtol=1e-4, atol=1e-4)


def test_split_order_and_two_level_weights():
    m = 2
    raw = np.zeros((30, m), np.float32)
    raw[9 + 1], raw[9 + 2] = 5.0, -0.25  # Laplace component 0: mean, raw scale (a negative one)
    raw[9], raw[28] = 1.0, 2.0  # its weight logit; the Laplace family's logit
    mix = mixture.split(jnp.asarray(raw.reshape(-1)), FAMILIES, 3)
    np.testing.assert_allclose(mix.mean[3], 5.0)
    np.testing.assert_allclose(mix.scale[3], 0.25)
    family, inside = np.exp(2) / (np.exp(2) + 2), np.exp(1) / (np.exp(1) + 2)
    np.testing.assert_allclose(np.exp(mix.log_weight[3]), family * inside, rtol=1e-6)
    np.testing.assert_allclose(np.exp(mix.log_weight).sum(0), 1.0, rtol=1e-6)


def test_a_mixture_knows_its_families():
    """Whatever their order is, and through every transformation of JAX."""
    mix, v = random_mixture(3), jnp.arange(5.0)
    expected = mixture.bin_bits(v, mix)
    turned = jax.tree.map(lambda a: jnp.roll(a, 3, axis=-2), mix)
    turned = dataclasses.replace(turned, families=(*FAMILIES[2:], *FAMILIES[:2]))
    np.testing.assert_allclose(bin_bits(v, turned), expected, rtol=1e-5)
    np.testing.assert_allclose(bin_bits(v, mix), expected, rtol=1e-5)
    many = jax.tree.map(lambda a: jnp.stack([a, a]), mix)
    assert many.families == FAMILIES
    np.testing.assert_allclose(jax.jit(jax.vmap(mixture.bin_bits, (None, 0)))(v, many)[1], expected, rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda mix: mixture.bin_bits(v, mix).sum()))(mix)
    assert jax.tree.structure(gradient) == jax.tree.structure(mix)
    masses = [np.exp(log_mass(v, part)) for part in mix.by_family()]
    assert [part.families for part in mix.by_family()] == [(name,) for name in FAMILIES]
    np.testing.assert_allclose(sum(masses), np.exp(log_mass(v, mix)), rtol=1e-5)


@pytest.mark.parametrize("function", [mixture.bin_bits, mixture.log_mass, mixture.cdf])
@pytest.mark.parametrize(("of_v", "of_mixture"), [((2, 3, 4), (3, 4)), ((4,), (2, 3, 1)), ((), (3,)), ((3,), ())])
def test_batch_axes_broadcast_where_ranks_may_not_differ(function, of_v, of_mixture):
    rng, function = np.random.default_rng(0), jax.jit(function)
    mix = split(rng.normal(size=(*of_mixture, 30 * 5)).astype(np.float32), FAMILIES, 3)
    v = rng.normal(size=(*of_v, 5)).astype(np.float32)
    batch = np.broadcast_shapes(of_v, of_mixture)
    whole = jax.tree.map(lambda a: np.broadcast_to(a, (*batch, *a.shape[-2:])), mix)
    expected = function(np.broadcast_to(v, (*batch, 5)), whole)
    with jax.numpy_rank_promotion("raise"):
        np.testing.assert_allclose(function(v, mix), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [("gaussian", "cauchy"), ("Laplace",), (), "gaussian"])
def test_unknown_families_are_refused(names):
    calls = [
        lambda: mixture.numbers_per_latent(names, 1),
        lambda: mixture.split(jnp.zeros(30), names, 1),
        lambda: mixture.Mixture(jnp.zeros((2, 1)), jnp.zeros((2, 1)), jnp.ones((2, 1)), names),
        lambda: tables.family_table(names),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="one or more of gaussian, laplace, logistic, not "):
            call()


def test_another_count_of_numbers_is_refused():
    with pytest.raises(ValueError, match="a multiple of 6, the numbers of a latent, not 10"):
        mixture.split(jnp.zeros((2, 10)), ("gaussian", "laplace"), 1)


@pytest.mark.parametrize(
    ("names", "k", "numbers"), [(FAMILIES, 3, 30), (FAMILIES, 1, 9), (("gaussian",), 1, 2), (("laplace",), 3, 9)]
)
def test_other_mixtures(names, k, numbers):
    assert mixture.numbers_per_latent(names, k) == numbers
    mix = mixture.split(jax.random.normal(jax.random.PRNGKey(0), (4, numbers * 6)), names, k)
    assert mix.mean.shape == (4, len(names) * k, 6)
    np.testing.assert_allclose(np.exp(mix.log_weight).sum(-2), 1.0, rtol=1e-5)


def test_one_component_is_the_component():
    raw = jnp.array([1.5, 0.7])
    bits = mixture.bin_bits(jnp.array([2.0]), mixture.split(raw, ("logistic",), 1))
    expected = stats.logistic(1.5, 0.7).cdf(2.5) - stats.logistic(1.5, 0.7).cdf(1.5)
    np.testing.assert_allclose(bits, -np.log2(expected), rtol=1e-5)


def test_vanishing_scale_is_a_box():
    raw = jnp.array([1.2, 0.0])
    for v, expected in ((1.0, 0.0), (2.0, -np.log2(mixture.PROBABILITY_MIN))):
        bits = mixture.bin_bits(jnp.array([v]), mixture.split(raw, ("laplace",), 1))
        np.testing.assert_allclose(bits, expected, rtol=1e-5, atol=1e-5)


@functools.partial(jax.jit, static_argnums=2)
@jax.value_and_grad
def bits_and_slope(raw, v, name):
    return mixture.bin_bits(v, mixture.split(raw, (name,), 1)).sum()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("v", [0.0, 0.5, 6.0, 200.0, 30000.0])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 500.0])
def test_finite_and_alive_at_extremes(name, v, scale):
    value, gradient = map(np.asarray, bits_and_slope(jnp.array([0.3, scale]), jnp.array([v]), name))
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert np.isfinite(np.square(gradient).sum())  # or the norm of a whole step's gradient overflows
    if v >= 6.0:  # far off: moving the mean nearer must always pay
        assert gradient[0] < 0
