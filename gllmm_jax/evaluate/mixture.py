"""A trained mixture on one photograph: which family carries the probability at each place, and how well it fits.

All of this is the float model, as in training. The float model decides nothing that a file holds.
"""

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.progressive import subsampled
from gllmm_jax.prob.mixture import Mixture, bin_bits, log_mass

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec


class Fit(NamedTuple):
    """The latents of one photograph, `y_hat` [h, w, M] whole numbers, and the mixture of each, arrays [h, w, C, M].

    `mixed` [h, w, 1] is 1 at positions that the mixture codes. It is 0 at the coarsest scale of a progressive model.
    """

    y_hat: np.ndarray
    mixture: Mixture
    mixed: np.ndarray

    @property
    def families(self) -> tuple[str, ...]:
        """Families of the mixture."""
        return self.mixture.families


class ChannelFit(NamedTuple):
    """One channel over all its positions: `observed` [n] and `predicted` [n, families] frequencies of `values` [n]."""

    channel: int
    families: tuple[str, ...]
    values: np.ndarray
    observed: np.ndarray
    predicted: np.ndarray


def fit(codec: "Codec", image: np.ndarray) -> Fit:
    """The latents that the codec chooses for uint8 [height, width, 3 or 1], and the distribution of each latent."""
    return fit_of(codec, *codec.analyse(image))


def fit_of(codec: "Codec", y_hat: np.ndarray, z_hat: np.ndarray) -> Fit:
    """The fit for latents of `Codec.analyse`. Raises `ValueError` if the model has no mixture."""
    mixed = np.ones((*y_hat.shape[:2], 1), np.float32)
    if codec.config.entropy_model == "factorized":
        raise ValueError(f"'{codec.name}' has no mixture: the factorised prior codes all of its latents")
    if not codec.config.has_hyperprior:
        at = subsampled(codec.config.coarsest)
        mixed[at, at] = 0
    return Fit(y_hat, _mixture(codec.config, codec.params, y_hat, z_hat), mixed)


def family_weights(fit: Fit) -> np.ndarray:
    """Weight of each family in the mixture, averaged over channels -> [h, w, families]. The weights sum to 1."""
    weights = jnp.exp(fit.mixture.log_weight)
    by_family = weights.reshape(*weights.shape[:2], len(fit.families), -1, weights.shape[-1])
    return np.asarray(by_family.sum(axis=3).mean(axis=-1))


def family_shares(fit: Fit) -> np.ndarray:
    """Share of each family in the probability of the latents that occurred -> [h, w, families], summing to `mixed`.

    The average over channels is weighted by the bits of each latent. So the many latents that are surely zero do not
    hide the few others.
    """
    shares, bits = jax.nn.softmax(log_masses(fit), axis=-2), _bits(fit)
    whole = bits.sum(axis=-1, keepdims=True)
    return np.asarray((shares * bits[..., None, :]).sum(axis=-1) / jnp.where(fit.mixed > 0, whole, 1))


def bits_map(fit: Fit) -> np.ndarray:
    """Bits of the latents of each position -> [h, w]."""
    return np.asarray(_bits(fit).sum(axis=-1))


def busiest_channel(fit: Fit) -> int:
    """The channel whose latents cost the most bits."""
    return int(jnp.argmax(_bits(fit).sum(axis=(0, 1))))


def channel_fit(fit: Fit, channel: int, *, reach: int | None = None) -> ChannelFit:
    """How often each whole number occurs in a channel, and how often the channel's mixtures expect it.

    The numbers go from the channel's smallest latent to its largest, or cover those within `reach` of zero. `predicted`
    is the mean over positions of the mixture's probability, split by family.
    """
    here = fit.mixed[..., 0] > 0
    latents = fit.y_hat[here, channel]
    low, high = (latents.min(), latents.max()) if reach is None else (-reach, reach)
    values = np.arange(low, high + 1)
    observed = np.mean(latents[..., None] == values, axis=0)
    # [n, C, 1]: broadcasts against the values
    own = jax.tree.map(lambda array: array[here][..., channel, None], fit.mixture)
    v = jnp.broadcast_to(jnp.float32(values), (len(latents), values.size))
    predicted = jnp.exp(_log_mass(v, own)).mean(axis=0)
    return ChannelFit(channel, fit.families, values, observed, np.asarray(predicted).T)


def log_masses(fit: Fit) -> jax.Array:
    """Natural log of each family's probability for each latent that occurred -> [h, w, families, M]."""
    return _log_mass(jnp.asarray(fit.y_hat, jnp.float32), fit.mixture)


def _bits(fit: Fit) -> jax.Array:
    """Bits of each latent [h, w, M]."""
    return jnp.asarray(fit.mixed) * bin_bits(jnp.asarray(fit.y_hat, jnp.float32), fit.mixture)


@functools.partial(jax.jit, static_argnums=0)
def _mixture(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> Mixture:
    y_hat, z_hat = y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32)
    mixture = apply(config, params, y_hat, z_hat, method=Model.distributions)
    return jax.tree.map(lambda array: array[0], mixture)


@jax.jit
def _log_mass(v: jax.Array, mixture: Mixture) -> jax.Array:
    """Natural log of each family's probability of `v` [..., n] -> [..., families, n]."""
    return jnp.stack([log_mass(v, part) for part in mixture.by_family()], axis=-2)
