"""What is said of a photograph's mixtures must be what the model computes, and must hang together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import FAMILIES, ModelConfig, Progressive
from gllmm_jax.evaluate import mixture as looking
from gllmm_jax.evaluate.mixture import Fit
from gllmm_jax.nn.model import Model
from gllmm_jax.prob.mixture import Mixture
from tests.compiled import apply


@pytest.fixture(scope="module")
def found(mu_codec, photograph) -> Fit:
    return looking.fit(mu_codec, photograph(70, 100))


def test_shapes_and_sums(found, mu_codec):
    assert found.y_hat.shape == (5, 7, mu_codec.config.latents)
    for shares in (looking.family_weights(found), looking.family_shares(found)):
        assert shares.shape == (5, 7, 3)
        assert (shares >= 0).all()
        np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-4)


def test_the_bits_are_those_of_the_model(mu_codec, photograph):
    image = photograph(64, 128)
    x = jnp.asarray(image, jnp.float32)[None] / 255
    expected = jax.jit(Model(mu_codec.config).apply)({"params": mu_codec.params}, x).bits_y[0]
    assert looking.bits_map(looking.fit(mu_codec, image)).sum() == pytest.approx(float(expected), rel=1e-3)


def test_a_progressive_model(photograph, random_params):
    """Its coarsest scale has no mixture."""
    msp = Progressive(scales=2, width=8, depth=1)
    config = ModelConfig("small", "light", (8, 8, 8), latents=8, hidden=(16, 16), components=1, msp=msp)
    codec = Codec(make_weights("small", config, random_params(config), [photograph(64, 64)], {}))
    image = photograph(64, 128)
    found = looking.fit(codec, image)
    y, nothing = jnp.asarray(found.y_hat[None], jnp.float32), jnp.zeros((1, 0, 0, 0))
    bits_y, _ = apply(config, codec.params, y, nothing, method=Model.bits)
    assert looking.bits_map(found).sum() == pytest.approx(float(bits_y[0]), rel=1e-3)
    shares = looking.family_shares(found).sum(axis=-1)
    assert not shares[3::4, 3::4].any()
    assert shares.sum() == pytest.approx(4 * 8 - 2, rel=1e-4)
    channel = looking.channel_fit(found, looking.busiest_channel(found))
    assert channel.observed.sum() == pytest.approx(1)


def test_a_channel_is_counted_and_predicted(found):
    channel = looking.busiest_channel(found)
    fit = looking.channel_fit(found, channel, reach=4000)
    assert fit.observed.sum() == pytest.approx(1)
    assert fit.predicted.sum() == pytest.approx(1, abs=0.02)
    value = int(found.y_hat[2, 3, channel])
    counted = np.mean(found.y_hat[..., channel] == value)
    assert fit.observed[fit.values.tolist().index(value)] == pytest.approx(counted)


def test_a_channel_is_shown_whole(found):
    fit = looking.channel_fit(found, looking.busiest_channel(found))
    assert fit.observed.sum() == pytest.approx(1)
    assert fit.observed[0] > 0 and fit.observed[-1] > 0


def test_a_family_with_all_the_weight_carries_everything():
    weight = jnp.log(jnp.asarray([1.0, 1e-9, 1e-9]))[:, None]
    shape = (2, 2, 3, 4)
    plain = Mixture(jnp.broadcast_to(weight, shape), jnp.zeros(shape), jnp.ones(shape), FAMILIES)
    fit = Fit(np.zeros((2, 2, 4), np.int32), plain, np.ones((2, 2, 1)))
    np.testing.assert_allclose(looking.family_weights(fit)[..., 0], 1, atol=1e-6)
    np.testing.assert_allclose(looking.family_shares(fit)[..., 0], 1, atol=1e-6)
    # Phi(1/2) - Phi(-1/2) = 0.38292 is 1.38487 bits, four channels.
    np.testing.assert_allclose(looking.bits_map(fit), 4 * 1.38487, atol=1e-3)
