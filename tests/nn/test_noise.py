"""Where the noise of training goes: to the rates and the networks behind them, and to the picture only if asked."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.nn.model import Model
from gllmm_jax.presets import PRESETS
from tests.compiled import apply

TINY = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=8, hyper=8, block="plain")


def test_rates_see_noise_and_the_synthesis_rounded_latents(monkeypatch, photograph, random_params):
    monkeypatch.setattr(Model, "bits", lambda self, y_rate, z_rate: (y_rate, z_rate))
    monkeypatch.setattr(Model, "synthesis", lambda self, y_hat: y_hat)
    params, x = random_params(TINY), photograph(64, 64)[None] / np.float32(255)
    y = apply(TINY, params, x, method=Model.analysis)
    z = apply(TINY, params, y, method=Model.hyper_analysis)
    y_hat, *rates = apply(TINY, params, x, jax.random.PRNGKey(0))
    np.testing.assert_array_equal(y_hat, jnp.round(y))
    for noise in (rate - given for rate, given in zip(rates, (y, z), strict=True)):
        assert 0.3 < jnp.abs(noise).max() <= 0.501
        assert 0.2 < noise.std() < 0.4  # 0.29 for the uniform distribution
    y_noise, z_noise = (np.ravel(rate - given) for rate, given in zip(rates, (y, z), strict=True))
    assert not np.allclose(y_noise[: z_noise.size], z_noise, atol=1e-3)  # a key each
    seen, rate, _ = apply(TINY, params, x, jax.random.PRNGKey(0), True)  # unless it is to see the noise too
    np.testing.assert_array_equal(seen, rate)
    _, *others = apply(TINY, params, x, jax.random.PRNGKey(1))
    assert all((rate != other).any() for rate, other in zip(rates, others, strict=True))
