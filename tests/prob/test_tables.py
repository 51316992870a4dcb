"""Integer tables and the integer mixture against SciPy and against their own promises."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gllmm_jax.config import FAMILIES
from gllmm_jax.prob import tables

LAWS = {"gaussian": stats.norm, "laplace": stats.laplace, "logistic": stats.logistic}
FLAT = jnp.asarray(tables.family_table(FAMILIES).reshape(-1))


@pytest.mark.parametrize("family", FAMILIES)
def test_family_table_is_the_cdf(family):
    (table,) = tables.family_table((family,))
    t = np.arange(-tables.EDGE, tables.EDGE + 1) / 256
    np.testing.assert_allclose(table, LAWS[family].cdf(t) * 65535, atol=0.5)
    assert (np.diff(table) >= 0).all() and table.max() < tables.TOTAL


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
@settings(deadline=None, max_examples=100)
def test_any_pmf_becomes_a_decodable_table(pmf):
    pmf = np.array(pmf) + 1e-9
    pmf /= pmf.sum()
    table = tables.cumulative(np.concatenate([[0], np.cumsum(pmf)]))
    frequency = np.diff(table)
    assert table[0] == 0 and table[-1] == tables.TOTAL and (frequency >= 1).all()
    loss = (pmf * np.log2(pmf / (frequency / tables.TOTAL))).sum()
    assert loss < 0.0001 + 3 * len(pmf) / tables.TOTAL


@pytest.mark.parametrize("cdf", [[0, 0.6, 0.4, 1], [1, 0.5, 0], [[0, 0.5, 1], [0, 1, 0.9]], [0, np.nan, 1]])
def test_a_cdf_that_decreases_is_refused(cdf):
    with pytest.raises(ValueError, match="a CDF does not decrease"):
        tables.cumulative(np.array(cdf, np.float64))


def test_a_cdf_that_decreases_by_rounding_keeps_every_symbol():
    n = 4
    edge = 30000 / (tables.TOTAL - n)  # where the floor is one less just below it
    table = tables.cumulative(np.array([0, 0.3, edge + 1e-9, edge - 1e-9, 1]))
    assert (np.diff(table) >= 1).all()


def random_mixture(components, n, seed=0, scale=(0, 1 << 12)):
    key = np.random.default_rng(seed)
    mean = jnp.asarray(key.integers(-5000, 5000, (components, n)), jnp.int32)
    raw = jnp.asarray(key.integers(scale[0], scale[1], (components, n)), jnp.int32)
    weight = tables.softmax(
        jnp.asarray(tables.power_table()), jnp.asarray(key.integers(-300, 300, (components, n)), jnp.int32)
    )
    return tables.mixture(mean, raw, tables.complete(weight))


@pytest.mark.parametrize("components", [3, 9])
@pytest.mark.parametrize("radius", [0, 1, 7, 127])
def test_mixture_cdf_is_strictly_increasing_and_complete(components, radius):
    mix = random_mixture(components, 50)._replace(radius=jnp.full((1, 50), radius, jnp.int32))
    f = np.stack([tables.mixture_cdf(FLAT, mix, jnp.full(50, k, jnp.int32)) for k in range(-radius, radius + 2)])
    assert (f[0] == 0).all() and (f[-1] == tables.TOTAL).all() and (np.diff(f, axis=0) >= 1).all()


def test_mixture_cdf_survives_the_extremes():
    end = tables.Y_LIMIT
    for mean in (-(1 << 30), 1 << 30, 0):
        for scale in (0, 1, -(1 << 24), 1 << 24):
            column = [jnp.full((3, 1), v, jnp.int32) for v in (mean, scale, 1 << 13)]
            mix = tables.mixture(column[0], column[1], tables.complete(column[2]))
            ks = jnp.arange(-end, end + 2, dtype=jnp.int32)
            assert 0 < mix.radius <= end
            wide = tables.IntegerMixture(*(jnp.broadcast_to(a, (len(a), len(ks))) for a in mix))
            f = np.asarray(tables.mixture_cdf(FLAT, wide._replace(radius=jnp.full((1, len(ks)), end, jnp.int32)), ks))
            assert f[0] == 0 and f[-1] == tables.TOTAL and (np.diff(f) >= 1).all()


def test_mixture_cdf_is_close_to_the_float_mixture():
    mix = random_mixture(9, 200, scale=(20, 4000))._replace(radius=jnp.full((1, 200), 31, jnp.int32))
    weight = np.asarray(mix.weight, np.float64) / (1 << tables.WEIGHT_BITS)
    mean, scale = np.asarray(mix.mean) / 256, np.asarray(mix.span) / 13 / 256
    for k in (-20, -3, 0, 1, 12):
        ours = np.asarray(tables.mixture_cdf(FLAT, mix, jnp.full(200, k, jnp.int32))) / tables.TOTAL
        t = ((k - 0.5 - mean) / scale).reshape(3, 3, -1)
        law = [LAWS[f].cdf(t[i]) for i, f in enumerate(FAMILIES)]
        np.testing.assert_allclose(ours, (weight * np.concatenate(law)).sum(0), atol=0.004)


def test_windows_are_wide_enough_and_no_wider():
    mix = random_mixture(9, 400, scale=(20, 4000))
    weight = np.asarray(mix.weight, np.float64) / (1 << tables.WEIGHT_BITS)
    mean, scale = np.asarray(mix.mean) / 256, np.asarray(mix.span) / 13 / 256
    radius = np.asarray(mix.radius[0])
    assert set(radius + 1) <= {1 << c for c in range(14)}

    def outside(radius):
        far = [((side * (radius + 0.5) - mean) / scale).reshape(3, 3, -1) for side in (-1, 1)]
        tails = [LAWS[f].cdf(far[0][i]) + LAWS[f].sf(far[1][i]) for i, f in enumerate(FAMILIES)]
        return (weight * np.concatenate(tails)).sum(0)

    assert outside(radius).max() < 9 * 2.0 ** -(14 + tables.TAIL)
    # a Laplacian of scale 1 leaves 2^-20 at 13.9, and what has no weight counts for nothing
    far = tables.radius(*(jnp.asarray([[a], [b]], jnp.int32) for a, b in ((0, 90000), (256, 256), (1 << 15, 0))))
    assert far == 15
    # one of weight 2^-10 reaches 10 ln 2 scales, here 55, where one of weight 1 would reach 110
    light = tables.radius(*(jnp.asarray([[a], [b]], jnp.int32) for a, b in ((0, 0), (16, 8 * 256), (32736, 32))))
    assert light == 63


def test_weights_sum_to_one_and_follow_the_logits():
    logits = jnp.asarray(np.random.default_rng(0).integers(-500, 500, (9, 300)), jnp.int32)
    weight = np.asarray(tables.complete(tables.softmax(jnp.asarray(tables.power_table()), logits)))
    assert (weight.sum(0) == 1 << tables.WEIGHT_BITS).all() and (weight >= 0).all()
    power = 2.0 ** (np.asarray(logits) / 64)
    np.testing.assert_allclose(weight / 32768, power / power.sum(0), atol=0.001)
