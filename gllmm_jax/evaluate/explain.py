"""What a codec's model says of every latent of one picture, as arrays: for research, and for a map of bits.

The float model, as in training; nothing of it decides what a file holds.

    >>> import numpy as np
    >>> import gllmm_jax
    >>> from gllmm_jax.evaluate.explain import explain
    >>> found = explain(gllmm_jax.load(), np.zeros((64, 48, 3), np.uint8))
    >>> found.y_hat.shape, found.bits.shape, found.means.shape, found.families
    ((4, 3, 320), (4, 3, 320), (4, 3, 3, 320), ('gaussian', 'laplace', 'logistic'))
    >>> bool(np.allclose(found.responsibilities.sum(axis=2), 1, atol=1e-3))
    True
"""

import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax import files
from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.evaluate import mixture
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.progressive import subsampled

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec


class Explanation(NamedTuple):
    """Of one picture: h x w positions of M latents, F `families` of the mixture with K components each, C = F K.

    `y_hat` [h, w, M] and `z_hat` [ceil(h/4), ceil(w/4), N] are whole numbers, `bits` and `z_bits` what each costs.
    `weights`, `means` and `scales` [h, w, C, M] are the mixture of each latent, one family after the other, the last
    two in quantisation steps. `responsibilities` [h, w, F, M] is the share of each family in the probability of the
    latent that occurred. Where the prior codes a latent instead (`config.coarsest`, or all of a factorised model), the
    mixture is NaN; without one F and C are 0, and without hyperprior N is.
    """

    y_hat: np.ndarray
    z_hat: np.ndarray
    bits: np.ndarray
    z_bits: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    scales: np.ndarray
    responsibilities: np.ndarray
    families: tuple[str, ...]

    def bits_by_position(self) -> np.ndarray:
        """Bits of each position [h, w], its share of the hyper-latents' among them; their sum is that of all."""
        total = self.bits.sum(axis=-1)
        for i, j in np.ndindex(self.z_bits.shape[:2]):
            rows, columns = (slice(HYPER_STRIDE * at, HYPER_STRIDE * (at + 1)) for at in (i, j))
            block = total[rows, columns]
            block += self.z_bits[i, j].sum() / block.size
        return total


def explain(codec: "Codec", image: np.ndarray) -> Explanation:
    """Of uint8 [height, width, 3 or 1], at the codec's quality.

    The arrays of the mixture take 12 C M bytes a position: 0.32 GB for 12 megapixels of `light`. Raises `ValueError` on
    other arrays.
    """
    y_hat, z_hat = codec.analyse(image)
    bits, z_bits = map(np.array, _bits(codec.config, codec.params, y_hat, z_hat))
    if not codec.config.has_hyperprior:  # what the prior codes are latents of y
        at = subsampled(codec.config.coarsest)
        bits[at, at], z_bits = z_bits, np.zeros(z_hat.shape, np.float32)
    if codec.config.entropy_model == "factorized":
        none = np.zeros((*y_hat.shape[:2], 0, y_hat.shape[2]), np.float32)
        return Explanation(y_hat, z_hat, bits, z_bits, none, none, none, none, ())
    fit = mixture.fit_of(codec, y_hat, z_hat)
    shares = jax.nn.softmax(mixture.log_masses(fit), axis=-2)
    arrays = jnp.exp(fit.mixture.log_weight), fit.mixture.mean, fit.mixture.scale, shares
    weights, means, scales, shares = (np.where(fit.mixed[..., None] > 0, array, np.nan) for array in arrays)
    return Explanation(y_hat, z_hat, bits, z_bits, weights, means, scales, shares, fit.families)


def save(path: str | os.PathLike[str], found: Explanation) -> None:
    """All arrays as a NumPy archive, by their names, whole or not at all. Raises `files.WriteError`."""
    with files.replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **found._asdict())


def summary(found: Explanation) -> dict[str, Any]:
    """Plain numbers, as for JSON: `bits` of all and of its `parts`, y and z, and the share of each of the `families`.

    Shares are weighted by bits, where there is a mixture.
    """
    parts = {"latents": float(found.bits.sum()), "hyper-latents": float(found.z_bits.sum())}
    mixed = np.isfinite(found.responsibilities).all(axis=2, keepdims=True)
    weighted = np.where(mixed, np.nan_to_num(found.responsibilities) * found.bits[:, :, None], 0).sum(axis=(0, 1, 3))
    shares = weighted / max(float(weighted.sum()), 1e-9)
    families = {name: float(share) for name, share in zip(found.families, shares, strict=True)}
    return {"bits": sum(parts.values()), "parts": parts, "families": families}


@functools.partial(jax.jit, static_argnums=0)
def _bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> tuple[jax.Array, jax.Array]:
    latents = y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32)
    bits, z_bits = apply(config, params, *latents, method=Model.element_bits)
    return bits[0], z_bits[0]
