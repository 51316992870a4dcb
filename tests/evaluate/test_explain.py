"""What is said of every latent adds up to what the codec reports, whichever the entropy model."""

import dataclasses

import numpy as np
import pytest

from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.evaluate import mixture
from gllmm_jax.evaluate.explain import explain, summary
from gllmm_jax.presets import PRESETS

MSP = Progressive(scales=2, width=8, depth=1)
MODELS = {
    "mu": PRESETS["mu"],
    "mu-factorized": dataclasses.replace(PRESETS["mu"], preset="mu-factorized", hyper=0),
    "progressive": ModelConfig("small", "light", (8, 8, 8), latents=8, hidden=(16, 16), components=1, msp=MSP),
}


@pytest.fixture(scope="module")
def codecs(mu_codec, photograph, random_params) -> dict[str, Codec]:
    def made(name: str) -> Codec:
        return Codec(make_weights(name, MODELS[name], random_params(MODELS[name]), [photograph(64, 64)], {}))

    return {name: mu_codec if name == "mu" else made(name) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_the_bits_are_those_of_the_report(codecs, photograph, name):
    codec, image = codecs[name], photograph(70, 100)
    found, report = explain(codec, image), codec.encode(image).report
    assert found.bits.shape == found.y_hat.shape and found.z_bits.shape == found.z_hat.shape
    total = found.bits.sum() + found.z_bits.sum()
    assert total == pytest.approx(report.bits_estimated, rel=1e-3)
    by_position = found.bits_by_position()
    assert by_position.shape == (5, 7) and by_position.sum() == pytest.approx(total, rel=1e-5)
    assert (by_position >= found.bits.sum(axis=-1) - 1e-3).all()
    facts = summary(found)
    assert facts["bits"] == pytest.approx(total) == sum(facts["parts"].values())
    assert set(facts["families"]) == set(found.families)
    assert sum(facts["families"].values()) == pytest.approx(float(len(found.families) > 0), abs=1e-4)


def test_the_mixture_is_that_of_each_latent(codecs, photograph):
    image = photograph(70, 100)
    found, fit = explain(codecs["mu"], image), mixture.fit(codecs["mu"], image)
    at = 2, 3, slice(None), 5
    np.testing.assert_allclose(found.means[at], fit.mixture.mean[at], rtol=1e-5)
    np.testing.assert_allclose(found.scales[at], fit.mixture.scale[at], rtol=1e-5)
    np.testing.assert_allclose(found.weights.sum(axis=2), 1, rtol=1e-4)
    np.testing.assert_allclose(found.responsibilities.sum(axis=2), 1, rtol=1e-4)
    shares = (found.responsibilities * found.bits[:, :, None]).sum(axis=-1) / found.bits.sum(axis=-1)[..., None]
    np.testing.assert_allclose(shares, mixture.family_shares(fit), rtol=1e-3)


def test_where_the_prior_codes_there_is_no_mixture(codecs, photograph):
    found = explain(codecs["progressive"], photograph(70, 100))
    coarsest = np.zeros(found.y_hat.shape[:2], bool)
    coarsest[3::4, 3::4] = True
    for array in (found.means, found.scales, found.weights, found.responsibilities):
        np.testing.assert_array_equal(np.isnan(array).all(axis=(2, 3)), coarsest)
    assert (found.bits[coarsest] > 0).all()
    assert explain(codecs["mu-factorized"], photograph(40, 40)).means.shape[2] == 0
