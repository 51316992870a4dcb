"""The factorised prior of the hyper-latents: one learned univariate density for each channel.

Its CDF is sigmoid(logits(v)). `logits` is an increasing chain of small affine stages, of widths 1-3-3-3-1 or any other.
Parameters are a dict of `matrix0..3` [N, out, in], `bias0..3` [N, out, 1] and `factor0..2` [N, out, 1]: 43 numbers a
channel.
Source: Balle et al. 2018, appendix 6.1, as in TensorFlow-Compression's `EntropyBottleneck` (defaults of version 1.2).
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gllmm_jax.prob.quantize import lower_bound

FILTERS = (1, 3, 3, 3, 1)
DEEP = (1, 3, 3, 3, 3, 1)
"""CompressAI's widths, with one stage more."""

INIT_SCALE = 10.0
LIKELIHOOD_MIN = 1e-9


def logits(params: Mapping[str, jax.Array], v: Float[Array, "N n"]) -> Float[Array, "N n"]:
    """Logits of each channel's CDF at `v`; increasing in `v`."""
    x = v[:, None, :]
    last = sum(name.startswith("matrix") for name in params) - 1
    for i in range(last + 1):
        x = jax.nn.softplus(params[f"matrix{i}"]) @ x + params[f"bias{i}"]
        if i < last:
            x = x + jnp.tanh(params[f"factor{i}"]) * jnp.tanh(x)
    return x[:, 0, :]


def bin_bits(
    params: Mapping[str, jax.Array],
    z: Float[Array, "*batch N"],
    *,
    width: jax.Array | float = 1.0,
    shift: jax.Array | float = 0.0,
) -> Float[Array, "*batch N"]:
    """Information content of the unit bin around every `z`, in bits, at most 29.9.

    The density is `width` times as wide as the parameters say, and moved by `shift`. Both broadcast to the shape of z.
    """

    width, shift = (jnp.broadcast_to(a, z.shape) for a in (width, shift))

    def at(edge: float) -> jax.Array:
        v = (z + edge - shift) / width
        return logits(params, jnp.moveaxis(v, -1, 0).reshape(z.shape[-1], -1))

    lower, upper = at(-0.5), at(0.5)
    sign = -jnp.sign(jax.lax.stop_gradient(lower + upper))  # take the difference where the sigmoid is small
    mass = jnp.abs(jax.nn.sigmoid(sign * upper) - jax.nn.sigmoid(sign * lower))
    bits = -jnp.log2(lower_bound(mass, LIKELIHOOD_MIN))
    return jnp.moveaxis(bits.reshape(z.shape[-1], *z.shape[:-1]), 0, -1)
