"""The Gaussian-Laplacian-Logistic mixture of one latent, in floats: what training minimises.

There are M channels of latents. Every latent has C = families x components components. Arrays of a mixture are
[..., C, M], with the components of one family after those of the other. Rates are in bits.
"""

import dataclasses
from collections.abc import Sequence
from typing import no_type_check

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gllmm_jax.prob.families import CDF, DRAW, LOG_MASS, check_families
from gllmm_jax.prob.quantize import lower_bound

SCALE_MIN = 0.01
"""Floor of every scale, in quantisation steps: it guards the division, and is too small to change the model."""

SCALE_BOUND = 0.11
"""The floor of scales with `bounded`. Source: Balle et al. 2018, as in CompressAI."""

PROBABILITY_MIN = 1e-6
"""Floor of a bin's probability: no latent costs more than 19.93 bits. Source: the authors' code."""


@no_type_check  # JAX makes trees of it that hold other things than arrays
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture:
    """Logarithms of the weights (natural, normalised over C), means and scales (in quantisation steps).

    The first C / F components are of the first of the F `families`, the next C / F of the second, and so on. For
    `jax.tree.map`, `jax.jit` and `jax.vmap` a mixture is a tree of three arrays, and the families belong to its
    structure. Raises `ValueError` if there is no such family.
    """

    log_weight: Float[Array, "*batch C M"]
    mean: Float[Array, "*batch C M"]
    scale: Float[Array, "*batch C M"]
    families: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def __post_init__(self) -> None:
        check_families(self.families)

    def by_family(self) -> list["Mixture"]:
        """One mixture [..., C / F, M] for each family. Weights are unchanged, so they do not add up to one."""
        k = self.mean.shape[-2] // len(self.families)
        parts = [jax.tree.map(lambda a, i=i: a[..., i * k : (i + 1) * k, :], self) for i in range(len(self.families))]
        return [dataclasses.replace(part, families=(name,)) for part, name in zip(parts, self.families, strict=True)]


def at_least_single(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The array in float32 if it had fewer bits, else unchanged. Rates, differences of CDFs near one, need it."""
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def numbers_per_latent(families: Sequence[str], components: int) -> int:
    """How many network outputs describe one latent: 30 for three families of three components.

    A softmax over a single family or component needs no logit. Raises `ValueError` if there is no such family.
    """
    check_families(families)
    per_component = 3 if components > 1 else 2
    return len(families) * components * per_component + (len(families) if len(families) > 1 else 0)


def split(
    raw: Float[Array, "*batch PM"], families: Sequence[str], components: int, *, bounded: bool = False
) -> Mixture:
    """Network outputs [..., P * M] as a mixture of M channels, P = `numbers_per_latent`, in float32 at least.

    The outputs are P groups of M channels. First come, for each family and each of its components, the weight logit (if
    components > 1), the mean and the raw scale. Then come the logits of the families (if there are several). The weight
    of a component is the product of two softmaxes: over the components of its family and over the families. The scale
    is the absolute value of the raw scale; with `bounded` it is the raw scale, but at least 0.11.

    Raises `ValueError` if there is no such family, or the last axis holds another count of numbers. Source: GLLMM, the
    authors' code; the floor of the scale is ours.
    """
    groups = numbers_per_latent(families, components)
    if raw.shape[-1] % groups:
        raise ValueError(f"the last axis must be a multiple of {groups}, the numbers of a latent, not {raw.shape[-1]}")
    raw = at_least_single(raw).reshape(*raw.shape[:-1], groups, raw.shape[-1] // groups)
    f, k, m = len(families), components, raw.shape[-1]
    per_component = 3 if k > 1 else 2
    body = raw[..., : f * k * per_component, :].reshape(*raw.shape[:-2], f, k, per_component, m)
    mean, scale = body[..., -2, :], body[..., -1, :]
    scale = lower_bound(scale, SCALE_BOUND) if bounded else lower_bound(jnp.abs(scale), SCALE_MIN)
    log_weight = jnp.zeros_like(mean)
    if k > 1:
        log_weight += jax.nn.log_softmax(body[..., 0, :], axis=-2)
    if f > 1:
        log_weight += jax.nn.log_softmax(raw[..., -f:, :], axis=-2)[..., None, :]
    merge = (*raw.shape[:-2], f * k, m)
    return Mixture(log_weight.reshape(merge), mean.reshape(merge), scale.reshape(merge), tuple(families))


def _in_equal_ranks(v: jax.Array, mixture: Mixture) -> tuple[jax.Array, Mixture]:
    # v as [..., 1, M]; whichever has fewer batch axes gets more, of length one; both in float32 at least
    v = v[..., None, :]
    rank = max(v.ndim, mixture.mean.ndim)
    return jax.tree.map(lambda a: jnp.expand_dims(at_least_single(a), tuple(range(rank - a.ndim))), (v, mixture))


def log_mass(v: Float[Array, "*batch M"], mixture: Mixture) -> Float[Array, "..."]:
    """Natural log of the probability of the unit bin around `v`, without a floor, in float32 at least.

    Batch axes broadcast as in NumPy, and a mixture of one channel broadcasts to all channels of `v`. So y [B, h, w, M]
    goes with a mixture [h, w, C, M].

    Source: GLLMM; the form that is safe in the tails is ours.
    """
    v, mixture = _in_equal_ranks(v, mixture)
    parts = [LOG_MASS[part.families[0]](jnp.abs(v - part.mean), part.scale) for part in mixture.by_family()]
    return jax.nn.logsumexp(jnp.concatenate(parts, axis=-2) + mixture.log_weight, axis=-2)


def cdf(v: Float[Array, "*batch M"], mixture: Mixture) -> Float[Array, "..."]:
    """The probability below `v`; shapes broadcast as in `log_mass`.

    It is for plots and checks. In the tails its differences are zero, where `log_mass` is exact. Files are coded with
    `tables.mixture_cdf`.
    """
    v, mixture = _in_equal_ranks(v, mixture)
    below = [CDF[part.families[0]]((v - part.mean) / part.scale) for part in mixture.by_family()]
    return jnp.sum(jnp.exp(mixture.log_weight) * jnp.concatenate(below, axis=-2), axis=-2)


def sample(key: jax.Array, mixture: Mixture, *, shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
    """Independent random numbers from a mixture [..., C, M] -> [*shape, ..., M].

    Rounded to whole numbers they are latents, with the probabilities that `bin_bits` counts.
    """
    of_component, *of_families = jax.random.split(key, 1 + len(mixture.families))
    c, out = mixture.mean.shape[-2], (*shape, *mixture.mean.shape[:-2], mixture.mean.shape[-1])
    which = jax.random.categorical(of_component, mixture.log_weight, axis=-2, shape=out)[..., None, :]
    draws = [DRAW[name](k, out, mixture.mean.dtype) for name, k in zip(mixture.families, of_families, strict=True)]

    def chosen(numbers: jax.Array, index: jax.Array) -> jax.Array:
        wide = jnp.broadcast_to(numbers, (*out[:-1], numbers.shape[-2], out[-1]))
        return jnp.take_along_axis(wide, index, axis=-2)[..., 0, :]

    drawn = chosen(jnp.stack(draws, axis=-2), which // (c // len(mixture.families)))
    return chosen(mixture.mean, which) + chosen(mixture.scale, which) * drawn


def bin_bits(v: Float[Array, "*batch M"], mixture: Mixture, *, least: float = PROBABILITY_MIN) -> Float[Array, "..."]:
    """Information content of the unit bin around every `v`, in bits, from 0 to -log2(least): 19.93 without a `least`.

    Shapes broadcast as in `log_mass`. `v` need not be an integer: in training it carries uniform noise. `least` is the
    floor of the probability. Below the floor the gradient still passes where it would raise the probability.
    """
    floored = lower_bound(log_mass(v, mixture), jnp.log(least))
    return jnp.maximum(-floored / jnp.log(2.0), 0.0)
