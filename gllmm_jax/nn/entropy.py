"""Networks of the entropy model: hyper-analysis, hyper-synthesis, masked context, entropy-parameter net, prior of z.

M channels of latents y, N of hyper-latents z, F of the context and of phi. Source: the authors' code, which
follows Cheng et al. 2020 with other widths.

Each network takes plain numbers, as `ModelConfig` has them, and can be used alone:

    >>> import jax, jax.numpy as jnp
    >>> from gllmm_jax import prob
    >>> from gllmm_jax.nn import EntropyParameters, MaskedContext
    >>> y_hat, phi = jnp.ones((1, 8, 8, 16)), jnp.ones((1, 8, 8, 32))
    >>> context, net = MaskedContext(latents=16), EntropyParameters(latents=16, hidden=(32, 64), components=1)
    >>> seen, of_context = context.init_with_output(jax.random.key(0), y_hat)  # [1, 8, 8, 32]
    >>> raw, of_net = net.init_with_output(jax.random.key(1), seen, phi)
    >>> prob.split(raw, net.families, net.components).mean.shape  # three components of each of 16 channels
    (1, 8, 8, 3, 16)
"""

import dataclasses
import functools
import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gllmm_jax.config import CONTEXT_RADIUS, FAMILIES, TAPS, VariableRate
from gllmm_jax.layers.primitive import LEAK, Layer, conv, dense, in_rank_of, leaky_relu, up_conv
from gllmm_jax.nn.quality import Level, Rows, log_gains
from gllmm_jax.prob import factorized, mixture
from gllmm_jax.prob.mixture import at_least_single

_conv = functools.partial(conv, variance=1.0)  # `layers.primitive` says why


class HyperAnalysis(Layer):
    """h_a: y [..., h, w, M], h and w multiples of 4 -> z [..., h/4, w/4, N]."""

    hyper: int  # N
    _: dataclasses.KW_ONLY
    rate: VariableRate | None = None
    slope: float = LEAK

    @nn.compact
    def __call__(self, y: Float[Array, "*batch h w M"]) -> Float[Array, "*batch (h+3)//4 (w+3)//4 {self.hyper}"]:
        n, to = self.hyper, functools.partial(_conv, **self.dtypes)
        x = leaky_relu(Level(self.rate, name="level")(to(n, name="conv0")(y)), self.slope)
        x = leaky_relu(to(n, name="conv1")(x), self.slope)
        x = leaky_relu(to(n, stride=2, name="conv2")(x), self.slope)
        x = leaky_relu(to(n, name="conv3")(x), self.slope)
        return to(n, stride=2, name="conv4")(x)


class Offset(nn.Module):
    """x + offset. The offset has one number for each channel and starts at zero."""

    @nn.compact
    def __call__(self, x: Float[Array, "*batch C"]) -> Float[Array, "*batch C"]:
        offset = self.param("offset", nn.initializers.zeros_init(), (x.shape[-1],), jnp.float32)
        return x + in_rank_of(x, offset).astype(x.dtype)


class HyperSynthesis(Layer):
    """h_s: z_hat [..., h, w, N] -> phi [..., 4h, 4w, F]."""

    hyper: int  # N
    features: int  # F
    _: dataclasses.KW_ONLY
    offset: bool = False  # whether z_hat is whole numbers, to which medians are added here (`nn.hyper`)

    @nn.compact
    def __call__(self, z_hat: Float[Array, "*batch h w N"]) -> Float[Array, "*batch 4*h 4*w {self.features}"]:
        n, to = self.hyper, functools.partial(_conv, **self.dtypes)
        z_hat = Offset(name="offset")(z_hat) if self.offset else z_hat
        x = leaky_relu(to(n, name="conv0")(z_hat))
        x = leaky_relu(up_conv(n, name="up1", **self.dtypes)(x))
        x = leaky_relu(to(n * 3 // 2, name="conv2")(x))
        x = leaky_relu(up_conv(n * 3 // 2, name="up3", **self.dtypes)(x))
        return to(self.features, name="conv4")(x)


def context_mask(order: str = "raster") -> np.ndarray:
    """The mask of the context, [5, 5, 1, 1]: 1 at the neighbours that a latent sees (`config.TAPS`), 0 elsewhere.

    All channels have the same mask (mask A). Raises `ValueError` if there is no such order.
    """
    if order not in TAPS:
        raise ValueError(f"there is no order '{order}' of latents: choose one of {', '.join(TAPS)}")
    side = 2 * CONTEXT_RADIUS + 1
    mask = np.zeros((side, side, 1, 1), np.float32)
    for i, j in TAPS[order]:
        mask[CONTEXT_RADIUS + i, CONTEXT_RADIUS + j] = 1
    return mask


class MaskedContext(Layer):
    """Masked 5x5 convolution of y_hat [..., h, w, M] -> [..., h, w, F]. F is `features`, or 2M without them.

    In raster order a position sees its neighbours that come before it, row by row. In checkerboard order positions
    (i, j) with even i + j are decoded first and have no context: their features are zero. Positions with odd i + j then
    see their neighbours with even i + j. Raises `ValueError` if there is no such order. Sources: GLLMM, section III;
    He et al. 2021 ("Checkerboard context model for efficient learned image compression").
    """

    latents: int  # M
    _: dataclasses.KW_ONLY
    features: int | None = None  # F
    order: str = "raster"

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w {self.latents}"]) -> Float[Array, "*batch h w F"]:
        m, f, side, r = self.latents, self.features or 2 * self.latents, 2 * CONTEXT_RADIUS + 1, CONTEXT_RADIUS
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (side, side, m, f), self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (f,), self.param_dtype)
        y_hat, kernel, bias = (a.astype(self.dtype or kernel.dtype) for a in (y_hat, kernel, bias))
        kernel = kernel * context_mask(self.order).astype(kernel.dtype)
        below = r if self.order == "checkerboard" else 0
        live = kernel[: r + 1 + below]  # without the rows of the mask that are all zero
        images = y_hat.reshape(-1, *y_hat.shape[-3:])
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(images, live, (1, 1), ((r, below), (r, r)), dimension_numbers=dimensions)
        x = (x + in_rank_of(x, bias)).reshape(*y_hat.shape[:-1], f)
        if self.order == "raster":
            return x
        odd = np.indices(x.shape[-3:-1]).sum(0) % 2 == 1
        return jnp.where(odd[..., None], x, 0)


class EntropyParameters(Layer):
    """Three 1x1 layers from the context [..., C] and phi [..., F] to the raw mixture numbers [..., P M].

    Without a context they take phi alone. They calculate in the dtype of phi unless `dtype` is given.
    `prob.mixture.split` makes a mixture of the numbers. Raises `ValueError` if there is no such family.
    """

    latents: int  # M
    _: dataclasses.KW_ONLY
    hidden: tuple[int, int] = (640, 1280)
    families: tuple[str, ...] = FAMILIES
    components: int = 3  # per family
    rate: VariableRate | None = None
    slope: float = LEAK
    bias: bool = False  # whether the last layer has one

    @nn.compact
    def __call__(
        self, context: Float[Array, "*batch C"] | None, phi: Float[Array, "*batch F"]
    ) -> Float[Array, "*batch PM"]:
        given = [phi] if context is None else [context, phi]
        x = jnp.concatenate([a.astype(self.dtype or phi.dtype) for a in given], axis=-1)
        for i, features in enumerate(self.hidden):
            x = dense(features, name=f"dense{i}", **self.dtypes)(x)
            if self.rate is not None:
                x = x + Rows(self.rate, features, name=f"level{i}")().astype(x.dtype)
            x = leaky_relu(x, self.slope)
        numbers = mixture.numbers_per_latent(self.families, self.components)
        return dense(numbers * self.latents, bias=self.bias, name="dense2", **self.dtypes)(x)


class FactorizedPrior(nn.Module):
    """The factorised prior: the bits of every element of z [..., N], or of y where it codes y, in float32 at least.

    It starts as in TensorFlow-Compression 1.2 (`init_scale` 10). With a `rate` the quality widens and moves the
    densities. With `grows` their widths start in proportion to the gains; this suits y, which grows with the quality.
    """

    channels: int  # N
    _: dataclasses.KW_ONLY
    rate: VariableRate | None = None
    grows: bool = False
    filters: tuple[int, ...] = factorized.FILTERS
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, z: Float[Array, "*batch {self.channels}"]) -> Float[Array, "*batch {self.channels}"]:
        n, filters, dtype = self.channels, self.filters, self.param_dtype
        scale = factorized.INIT_SCALE ** (1 / (len(filters) - 1))
        params = {}
        for i, (inner, outer) in enumerate(itertools.pairwise(filters)):
            start = nn.initializers.constant(float(np.log(np.expm1(1 / scale / outer))))
            params[f"matrix{i}"] = self.param(f"matrix{i}", start, (n, outer, inner), dtype)
            params[f"bias{i}"] = self.param(f"bias{i}", _centred_uniform, (n, outer, 1), dtype)
            if i < len(filters) - 2:
                zeros = nn.initializers.zeros_init()
                params[f"factor{i}"] = self.param(f"factor{i}", zeros, (n, outer, 1), dtype)
        params, z = jax.tree.map(at_least_single, params), at_least_single(z)
        if self.rate is None:
            return factorized.bin_bits(params, z)
        start = log_gains(self.rate) if self.grows else nn.initializers.zeros_init()
        log_width, shift = Rows(self.rate, n, start, name="log_width")(), Rows(self.rate, n, name="shift")()
        return factorized.bin_bits(params, z, width=jnp.exp(log_width), shift=shift)


def _centred_uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, minval=-0.5, maxval=0.5)
