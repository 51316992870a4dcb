"""Networks of the entropy model: hyper-analysis, hyper-synthesis, masked context, entropy-parameter net, prior of z.

M channels of latents y, N of hyper-latents z, F of the context and of phi. Source: the authors' code (Cheng et al. 2020
but for the widths).
"""

import functools
import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import CONTEXT_RADIUS, TAPS, ModelConfig, Order
from gllmm_jax.nn.layers import at_least_single, conv, dense, leaky_relu, up_conv
from gllmm_jax.nn.quality import Level, Rows, log_gains
from gllmm_jax.prob import factorized
from gllmm_jax.prob.mixture import numbers_per_latent

_conv = functools.partial(conv, variance=1.0)  # `nn.layers` says why


class HyperAnalysis(nn.Module):
    """h_a: y [B, h, w, M], h and w multiples of 4 -> z [B, h/4, w/4, N]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, y: jax.Array) -> jax.Array:
        n = self.config.hyper
        x = leaky_relu(Level(self.config.rate, name="level")(_conv(n, name="conv0")(y)))
        x = leaky_relu(_conv(n, name="conv1")(x))
        x = leaky_relu(_conv(n, stride=2, name="conv2")(x))
        x = leaky_relu(_conv(n, name="conv3")(x))
        return _conv(n, stride=2, name="conv4")(x)


class HyperSynthesis(nn.Module):
    """h_s: z_hat [B, h, w, N] -> phi [B, 4h, 4w, F]."""

    config: ModelConfig

    @nn.compact
    def __call__(self, z_hat: jax.Array) -> jax.Array:
        n = self.config.hyper
        x = leaky_relu(_conv(n, name="conv0")(z_hat))
        x = leaky_relu(up_conv(n, name="up1")(x))
        x = leaky_relu(_conv(n * 3 // 2, name="conv2")(x))
        x = leaky_relu(up_conv(n * 3 // 2, name="up3")(x))
        return _conv(self.config.context_features, name="conv4")(x)


def context_mask(order: Order = "raster") -> np.ndarray:
    """[5, 5, 1, 1] of 0 and 1: open where a latent's context sees (`config.TAPS`); in no order of channels (mask A)."""
    side = 2 * CONTEXT_RADIUS + 1
    mask = np.zeros((side, side, 1, 1), np.float32)
    for i, j in TAPS[order]:
        mask[CONTEXT_RADIUS + i, CONTEXT_RADIUS + j] = 1
    return mask


class MaskedContext(nn.Module):
    """5x5 convolution of y_hat [B, h, w, M] -> [B, h, w, F].

    Position (i, j) sees what raster order decoded before it; on a checkerboard nothing where i + j is even, elsewhere
    those. Sources: GLLMM, section III; He et al. 2021 ("Checkerboard context model for efficient learned image
    compression").
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, y_hat: jax.Array) -> jax.Array:
        m, f, side, r = self.config.latents, self.config.context_features, 2 * CONTEXT_RADIUS + 1, CONTEXT_RADIUS
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (side, side, m, f), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (f,), jnp.float32)
        kernel = kernel * context_mask(self.config.order).astype(kernel.dtype)
        below = r if self.config.order == "checkerboard" else 0
        live = kernel[: r + 1 + below]  # rows that are closed: do not multiply zeros
        dimensions, y_hat = ("NHWC", "HWIO", "NHWC"), y_hat.astype(live.dtype)
        x = jax.lax.conv_general_dilated(y_hat, live, (1, 1), ((r, below), (r, r)), dimension_numbers=dimensions) + bias
        if self.config.order == "raster":
            return x
        odd = np.indices(x.shape[1:3]).sum(0) % 2 == 1
        return jnp.where(odd[..., None], x, 0)


class EntropyParameters(nn.Module):
    """Three 1x1 layers from [context, phi] [..., 2F] to the raw mixture numbers [..., P M]; from phi alone without one.

    `prob.mixture.split` gives them names.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, context: jax.Array | None, phi: jax.Array) -> jax.Array:
        c = self.config
        x = phi if context is None else jnp.concatenate([context, phi], axis=-1)
        for i, features in enumerate(c.hidden):
            x = dense(features, name=f"dense{i}")(x)
            if c.rate is not None:
                x = x + Rows(c.rate, features, name=f"level{i}")().astype(x.dtype)
            x = leaky_relu(x)
        return dense(numbers_per_latent(c.families, c.components) * c.latents, bias=False, name="dense2")(x)


class Prior(nn.Module):
    """The factorised prior: bits of every z [..., N], or of every y [..., M] that it codes (`config.coarsest`).

    Start as in TensorFlow-Compression 1.2 (`init_scale` 10). With a rate a quality stretches and moves the densities.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        n, filters = self.config.static_channels, factorized.FILTERS
        scale = factorized.INIT_SCALE ** (1 / (len(filters) - 1))
        params = {}
        for i, (inner, outer) in enumerate(itertools.pairwise(filters)):
            start = nn.initializers.constant(float(np.log(np.expm1(1 / scale / outer))))
            params[f"matrix{i}"] = self.param(f"matrix{i}", start, (n, outer, inner), jnp.float32)
            params[f"bias{i}"] = self.param(f"bias{i}", _centred_uniform, (n, outer, 1), jnp.float32)
            if i < len(filters) - 2:
                zeros = nn.initializers.zeros_init()
                params[f"factor{i}"] = self.param(f"factor{i}", zeros, (n, outer, 1), jnp.float32)
        params, z = jax.tree.map(at_least_single, params), at_least_single(z)
        rate = self.config.rate
        if rate is None:
            return factorized.bin_bits(params, z)
        # y grows with the quality and z need not
        start = nn.initializers.zeros_init() if self.config.has_hyperprior else log_gains(rate)
        log_width, shift = Rows(rate, n, start, name="log_width")(), Rows(rate, n, name="shift")()
        return factorized.bin_bits(params, z, width=jnp.exp(log_width), shift=shift)


def _centred_uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, minval=-0.5, maxval=0.5)
