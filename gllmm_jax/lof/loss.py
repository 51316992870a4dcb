"""The loss L = R + lmbda * MSE of latents, by position, and the gain that a step of one latent promises.

All figures are parts of the loss of the whole picture, so a map of them adds up to that loss. Planes may be larger than
the picture (`layers.extent`), so that one program serves many sizes. Outside the picture they are zero at no cost.
"""

import contextlib
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.layers.extent import inside, within
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.progressive import subsampled
from gllmm_jax.programs import latest

PROBES = 4
"""Random pictures from which the curvature is estimated."""

OWN = 1 / 6
"""Share of a latent's own estimate in its curvature; from so few random pictures this estimate is rough."""

PROGRAMS = 16
"""Programs of each kind that are kept."""


class Picture(NamedTuple):
    """The picture to encode, in a room of h x w latents, and the weight of its errors. S is the stride."""

    pixels: jax.Array  # float32 [S h, S w, 3] on 0..255, continued beyond the picture's edges
    size: tuple[jax.Array, jax.Array]  # rows and columns of pixels that belong to the picture
    latents: jax.Array  # int32 [2], rows and columns of latents that belong to the picture
    gray: jax.Array  # bool: the decoder averages the three planes
    lmbda: jax.Array


class Latents(NamedTuple):
    """Floats y [..., h, w, M] and z [..., hz, wz, N]. Without a hyperprior z is empty."""

    y: jax.Array
    z: jax.Array


class Moves(NamedTuple):
    """For each latent of y or z the better direction, 1 or -1, and the gain that a step in this direction promises."""

    direction: jax.Array
    gain: jax.Array


@latest(PROGRAMS, static=1)
def maps(config: ModelConfig, params: Any, picture: Picture, latents: Latents) -> tuple[jax.Array, jax.Array]:
    """Rate and lmbda * MSE of K choices of whole latents [K, ...] by position, [K, h, w] each, of decoded pictures.

    The rate of a hyper-latent is divided among the latents around it.
    """
    x_hat = _shown(config, params, picture, latents.y)
    squares = _squares(config, picture, jnp.round(jnp.clip(x_hat, 0, 1) * 255))
    bits_y, bits_z = _model_bits(config, params, picture, latents, latents)
    return _spread(config, picture, bits_y.sum(-1), bits_z.sum(-1)) / _pixels(picture), picture.lmbda * squares


def _shown(config: ModelConfig, params: Any, picture: Picture, y: jax.Array) -> jax.Array:
    with within(picture.latents, y.shape[-3]):
        x_hat = apply(config, params, y, method=Model.synthesis)
    return jnp.where(picture.gray, x_hat.mean(axis=-1, keepdims=True), x_hat)


def hyper_latents(picture: Picture) -> jax.Array:
    """Rows and columns of hyper-latents that belong to the picture, int32 [2]."""
    return (picture.latents + (HYPER_STRIDE - 1)) // HYPER_STRIDE


def own(picture: Picture, latents: Latents) -> Latents:
    """The latents with zeros outside the picture."""
    return Latents(inside(latents.y, picture.latents), inside(latents.z, hyper_latents(picture)))


def _model_bits(
    config: ModelConfig, params: Any, picture: Picture, seen: Latents, values: Latents
) -> tuple[jax.Array, jax.Array]:
    # the bits of `Model.bits_of`, [K, ...]; zero outside the picture
    hyper, room = hyper_latents(picture), seen.z.shape[-3]
    with within(hyper, room, space_channel=picture.latents) if room else contextlib.nullcontext():
        bits_y, bits_z = apply(config, params, *seen, *values, method=Model.bits_of)
    return inside(bits_y, picture.latents), inside(bits_z, hyper) if room else bits_z


def _pixels(picture: Picture) -> jax.Array:
    return (picture.size[0] * picture.size[1]).astype(jnp.float32)


def _squares(config: ModelConfig, picture: Picture, shown: jax.Array) -> jax.Array:
    # the part of each position in the mean squared error, for pictures [K, S h, S w, 3] on 0..255
    squares = inside(jnp.square(shown - picture.pixels[None]), picture.size).sum(-1)
    count, (height, width), s = len(shown), picture.pixels.shape[:2], config.stride
    return squares.reshape(count, height // s, s, width // s, s).sum((2, 4)) / (3 * _pixels(picture))


def _spread(config: ModelConfig, picture: Picture, bits_y: jax.Array, bits_z: jax.Array) -> jax.Array:
    # one map of the bits of positions [K, h, w] and of the bits under the factorised prior
    if not config.has_hyperprior:
        return _with_coarsest(config, bits_y, bits_z)
    _, h, w = bits_y.shape
    starts = (HYPER_STRIDE * jnp.arange(side, dtype=jnp.int32) for side in bits_z.shape[1:])
    shares = [jnp.clip(n - start, 1, HYPER_STRIDE) for n, start in zip(picture.latents, starts, strict=True)]
    share = bits_z / (shares[0][None, :, None] * shares[1][None, None, :]).astype(jnp.float32)
    share = share.repeat(HYPER_STRIDE, axis=1).repeat(HYPER_STRIDE, axis=2)[:, :h, :w]
    return bits_y + inside(share[..., None], picture.latents)[..., 0]


@latest(PROGRAMS, static=1)
def moves(config: ModelConfig, params: Any, picture: Picture, latents: Latents, curvature: jax.Array):
    """`Moves` of y and of z, for whole latents [h, w, M] and [hz, wz, N]: what a step of each latent alone promises.

    The change of the latent's own bits is exact. The effect on the distributions of other latents is of first order.
    The effect on the picture is of second order, by the `curvature`.
    """

    def smooth(latents: Latents) -> jax.Array:
        latents = own(picture, latents)
        x_hat = _shown(config, params, picture, latents.y[None]) * 255
        bits = sum(part.sum() for part in _bits(config, params, picture, latents, lax.stop_gradient(latents)))
        return picture.lmbda * _squares(config, picture, x_hat).sum() + bits / _pixels(picture)

    slope = jax.grad(smooth)(latents)
    here, below, above = (
        _bits(config, params, picture, latents, Latents(latents.y + by, latents.z + by)) for by in (0.0, -1.0, 1.0)
    )
    found = []
    for g, h, now, less, more in zip(slope, (curvature, 0.0), here, below, above, strict=True):
        up = -(g + h / 2) - (more - now) / _pixels(picture)
        down = -(h / 2 - g) - (less - now) / _pixels(picture)
        gain = jnp.maximum(up, down)
        found.append(Moves(jnp.where(up > down, 1.0, -1.0), jnp.where(jnp.isfinite(gain), gain, 0.0)))
    return tuple(found)


def _bits(config: ModelConfig, params: Any, picture: Picture, seen: Latents, values: Latents) -> Latents:
    # bits of every latent in `values` under the distributions that the networks make of `seen`
    bits_y, bits_z = _model_bits(config, params, picture, *(jax.tree.map(lambda a: a[None], a) for a in (seen, values)))
    if config.has_hyperprior:
        return Latents(bits_y[0], bits_z[0])
    return Latents(_with_coarsest(config, bits_y, bits_z)[0], values.z)


def _with_coarsest(config: ModelConfig, bits_y: jax.Array, bits_z: jax.Array) -> jax.Array:
    # [K, h, w, ...], with the bits of the coarsest scale at its positions
    at = subsampled(config.coarsest)
    return bits_y.at[:, at, at].add(bits_z)


def curvature(config: ModelConfig, params: Any, picture: Picture, y: jax.Array, seed: int = 0) -> jax.Array:
    """Gauss-Newton estimate of the second derivative of lmbda * MSE in each latent of y [h, w, M], by random signs.

    A few random pictures say little about one latent, and much about its channel and its position. So the estimate is
    mostly the sum over the latent's channel, times the share of its position in such sums.
    """
    keys = jax.random.split(jax.random.key(seed), PROBES)
    total = functools.reduce(jnp.add, (_probe(config, params, picture, y, key) for key in keys)) / PROBES
    channel = total.sum(axis=(0, 1), keepdims=True)
    position = (total / jnp.maximum(channel, 1e-30)).mean(axis=-1, keepdims=True)  # its share in every channel
    return inside(OWN * total + (1 - OWN) * channel * position, picture.latents)


@latest(PROGRAMS, static=1)
def _probe(config: ModelConfig, params: Any, picture: Picture, y: jax.Array, key: jax.Array) -> jax.Array:
    def seen(y: jax.Array) -> jax.Array:
        with within(picture.latents, len(y)):
            x_hat = apply(config, params, y[None], method=Model.synthesis)
        return inside(x_hat, picture.size)[0]

    x_hat, back = jax.vjp(seen, y)
    slope = back(jax.random.rademacher(key, x_hat.shape, x_hat.dtype))[0]
    return 2 * picture.lmbda * 255**2 / (3 * _pixels(picture)) * jnp.square(slope)


def loss(config: ModelConfig, params: Any, picture: Picture, latents: Latents) -> jax.Array:
    """R + lmbda * MSE of latents [h, w, M] and [hz, wz, N], any floats. Pixels are neither rounded nor clipped."""
    latents = own(picture, latents)
    x_hat = _shown(config, params, picture, latents.y[None]) * 255
    bits = sum(part.sum() for part in _bits(config, params, picture, latents, latents))
    return picture.lmbda * _squares(config, picture, x_hat).sum() + bits / _pixels(picture)
