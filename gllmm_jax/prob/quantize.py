"""Rounding as the decoder sees it, and its stand-ins while gradients are needed."""

import jax
import jax.numpy as jnp


def add_noise(key: jax.Array, y: jax.Array) -> jax.Array:
    """y + U(-1/2, 1/2), any shape: the differentiable stand-in for rounding in the rate.

    An array of keys, one for each image of y [B, ...], gives each image noise of its own, the same however a batch is
    shared out among devices.

    Source: GLLMM, training recipe.
    """
    if is_batch_of_keys(key):
        return jax.vmap(add_noise)(key, y)
    return y + jax.random.uniform(key, y.shape, y.dtype, -0.5, 0.5)


def is_batch_of_keys(key: jax.Array) -> bool:
    """Whether it is an array [B] of keys, of `jax.random.key` or `PRNGKey`, and not one key."""
    return key.ndim > (0 if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else 1)


def round_straight_through(y: jax.Array) -> jax.Array:
    """round(y), half to even, any shape; the gradient is that of the identity."""
    return y + jax.lax.stop_gradient(jnp.round(y) - y)


@jax.custom_vjp
def lower_bound(x: jax.Array, bound: float) -> jax.Array:
    """max(x, bound), whose gradient also passes below the bound when it would raise `x`.

    Source: TensorFlow-Compression's `lower_bound`, "identity_if_towards".
    """
    return jnp.maximum(x, bound)


def _lower_bound_forward(x: jax.Array, bound: float) -> tuple[jax.Array, jax.Array]:
    return jnp.maximum(x, bound), x >= bound


def _lower_bound_backward(above: jax.Array, gradient: jax.Array) -> tuple[jax.Array, None]:
    return jnp.where(above | (gradient < 0), gradient, 0.0), None


lower_bound.defvjp(_lower_bound_forward, _lower_bound_backward)
