"""Rounding, its differentiable substitutes, and bounds with useful gradients."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike
from jaxtyping import Array, Float


def add_noise(key: jax.Array, y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """y + U(-1/2, 1/2): the differentiable substitute for rounding in the rate.

    With an array of keys, one for each image of y [B, ...], each image has its own noise. This noise does not depend on
    how a batch is divided among devices.

    Source: GLLMM, training recipe.
    """
    if is_batch_of_keys(key):
        return jax.vmap(add_noise)(key, y)
    return y + jax.random.uniform(key, y.shape, y.dtype, -0.5, 0.5)


def is_batch_of_keys(key: jax.Array) -> bool:
    """Whether `key` is an array [B] of keys and not one key; of `jax.random.key` or of `PRNGKey`."""
    return key.ndim > (0 if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else 1)


def round_straight_through(y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """round(y), half to even, with the gradient of the identity."""
    return y + jax.lax.stop_gradient(jnp.round(y) - y)


@jax.custom_jvp
def lower_bound(x: Float[Array, "*shape"], bound: ArrayLike) -> Float[Array, "*shape"]:
    """max(x, bound). Below the bound the gradient passes too where it would raise `x`. The bound gets no gradient.

    In forward mode the derivative is that of the maximum, since a tangent does not know which way the loss falls.

    Source: TensorFlow-Compression's `lower_bound`, "identity_if_towards".
    """
    return jnp.maximum(x, bound)


@lower_bound.defjvp
def _lower_bound_tangent(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    (x, bound), (tangent, _) = primals, tangents
    return jnp.maximum(x, bound), jnp.where(x >= bound, tangent, _stopped.bind(tangent))


# a linear function that gives zeros, whose transpose is not that of zeros: it passes negative gradients
_stopped = Primitive("stopped_unless_raised")
_stopped.def_impl(jnp.zeros_like)
_stopped.def_abstract_eval(lambda tangent: tangent)
mlir.register_lowering(_stopped, mlir.lower_fun(jnp.zeros_like, multiple_results=False))
batching.defvectorized(_stopped)
ad.deflinear2(_stopped, lambda gradient, _tangent: [jnp.where(gradient < 0, gradient, 0.0)])
