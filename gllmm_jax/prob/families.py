"""Probability mass of one unit bin under the three symmetric families, in the log domain.

All three densities are symmetric, so a bin at distance a = |v - mean| holds the mass
F((1/2 - a) / s) - F(-(1/2 + a) / s). Far from the mean both arguments lie where the CDF is small and its logarithm is
exact, so nothing cancels in the tail.

Arrays are float32 or float64, of any shapes that broadcast. Logarithms are natural; the mixture turns them into bits.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr
from jaxtyping import Array, Float


def _log_difference(log_big: jax.Array, log_small: jax.Array) -> jax.Array:
    """log(exp(log_big) - exp(log_small)) for log_big > log_small."""
    gap = jnp.minimum(log_small - log_big, -1e-7)  # where rounding makes both equal, the bin is still not empty
    return log_big + jnp.log(-jnp.expm1(gap))


def _log_ndtr(x: jax.Array) -> jax.Array:
    """log of the standard normal CDF. Value and gradient are finite at any finite `x`.

    The exponent in JAX's own gradient is a difference of numbers near x². In float32 it overflows below about x = -1e4.
    """
    far = jnp.minimum(x, -10.0)
    series = jnp.log1p((3.0 / jnp.square(far) - 1.0) / jnp.square(far))  # Mills' ratio
    tail = -0.5 * jnp.square(far) - jnp.log(-far) - 0.5 * jnp.log(2.0 * jnp.pi) + series
    return jnp.where(x < -10.0, tail, log_ndtr(jnp.maximum(x, -10.0)))


def gaussian_log_mass(a: Float[Array, "..."], s: Float[Array, "..."]) -> Float[Array, "..."]:
    """log of the mass of the unit bin at distance `a` >= 0 under a Gaussian of standard deviation `s`."""
    return _log_difference(_log_ndtr((0.5 - a) / s), _log_ndtr(-(0.5 + a) / s))


def laplace_log_mass(a: Float[Array, "..."], s: Float[Array, "..."]) -> Float[Array, "..."]:
    """`gaussian_log_mass` for a Laplacian of mean absolute deviation `s`; closed form on both sides of a = 1/2."""
    outside = -jnp.maximum(a - 0.5, 0.0) / s + jnp.log(-jnp.expm1(-1.0 / s)) - jnp.log(2.0)
    near = jnp.minimum(a, 0.5)
    inside = jnp.log(-0.5 * (jnp.expm1((near - 0.5) / s) + jnp.expm1(-(near + 0.5) / s)))
    return jnp.where(a >= 0.5, outside, inside)


def logistic_log_mass(a: Float[Array, "..."], s: Float[Array, "..."]) -> Float[Array, "..."]:
    """`gaussian_log_mass` for a logistic of scale `s`: F(u) - F(l) = F(u) F(-l) (1 - exp(-1/s)) where u - l = 1/s."""
    return jax.nn.log_sigmoid((0.5 - a) / s) + jax.nn.log_sigmoid((0.5 + a) / s) + jnp.log(-jnp.expm1(-1.0 / s))


LOG_MASS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "gaussian": gaussian_log_mass,
    "laplace": laplace_log_mass,
    "logistic": logistic_log_mass,
}


def laplace_cdf(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """CDF of a Laplacian of mean absolute deviation one."""
    half = 0.5 * jnp.exp(-jnp.abs(t))
    return jnp.where(t < 0, half, 1.0 - half)


CDF: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gaussian": ndtr,
    "laplace": laplace_cdf,
    "logistic": jax.nn.sigmoid,
}
"""The CDFs of the densities with mean 0 and scale 1."""

DRAW: dict[str, Callable[..., jax.Array]] = {
    "gaussian": jax.random.normal,
    "laplace": jax.random.laplace,
    "logistic": jax.random.logistic,
}
"""(key, shape, dtype) -> random numbers with these densities."""


def check_families(families: Sequence[str]) -> None:
    """Raises `ValueError` unless `families` are one or more names of `LOG_MASS`."""
    if not families or not set(families) <= set(LOG_MASS):
        raise ValueError(f"families of densities are one or more of {', '.join(LOG_MASS)}, not {families!r}")
