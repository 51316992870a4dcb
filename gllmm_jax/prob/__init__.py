"""Formulas: distributions, mixtures, quantisation, integer tables. No parameters, no files.

Later versions keep the names in `__all__`.

    >>> import jax, jax.numpy as jnp
    >>> from gllmm_jax import prob
    >>> raw = jnp.zeros((8, 8, 2 * prob.numbers_per_latent(("laplace",), 1)))  # as of a network, for 2 channels
    >>> mixture = prob.split(raw.at[..., 2:].set(3.0), ("laplace",), 1)  # means, then scales
    >>> y_hat = jnp.round(prob.sample(jax.random.key(0), mixture))
    >>> y_hat.shape, prob.bin_bits(y_hat, mixture).shape
    ((8, 8, 2), (8, 8, 2))
    >>> bool(jnp.isclose(prob.cdf(jnp.float32([[[0.0, 0.0]]]), mixture), 0.5).all())
    True
    >>> jax.grad(lambda y: prob.bin_bits(y, mixture).sum())(jnp.ones((8, 8, 2))).shape
    (8, 8, 2)
"""

from gllmm_jax.prob.distributions import Distributions, Mixtures, Tables
from gllmm_jax.prob.mixture import Mixture, bin_bits, cdf, log_mass, numbers_per_latent, sample, split
from gllmm_jax.prob.quantize import add_noise, lower_bound, round_straight_through
from gllmm_jax.prob.tables import cumulative

__all__ = [
    "Distributions",
    "Mixture",
    "Mixtures",
    "Tables",
    "add_noise",
    "bin_bits",
    "cdf",
    "cumulative",
    "log_mass",
    "lower_bound",
    "numbers_per_latent",
    "round_straight_through",
    "sample",
    "split",
]
