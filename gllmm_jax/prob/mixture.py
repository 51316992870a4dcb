"""The Gaussian-Laplacian-Logistic mixture of one latent, in floats: what training minimises.

M channels of latents; every latent has C = families x components components. Arrays of a mixture are [..., C, M], one
family after the other. Rates are bits.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from gllmm_jax.config import Family
from gllmm_jax.prob.families import LOG_MASS, check_families
from gllmm_jax.prob.quantize import lower_bound

SCALE_MIN = 0.01
"""Floor of every scale, in units of the quantisation step: guards the division, far below what changes the model."""

PROBABILITY_MIN = 1e-6
"""Floor of a bin's probability: no latent costs more than 19.93 bits. Source: the authors' code."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture:
    """`log_weight` (natural, normalised over C), `mean`, `scale` (in quantisation steps), each [..., C, M].

    The first C / F of the components are of the first of the F `families`, and so on. A tree of three arrays, for
    `jax.tree.map`, `jax.jit` and `jax.vmap`; the families are part of its structure. Raises `ValueError` where there is
    no such family.
    """

    log_weight: jax.Array
    mean: jax.Array
    scale: jax.Array
    families: tuple[Family, ...] = dataclasses.field(metadata={"static": True})

    def __post_init__(self) -> None:
        check_families(self.families)

    def by_family(self) -> list["Mixture"]:
        """The components of each family as a mixture [..., C / F, M]; their weights stay and do not add up to one."""
        k = self.mean.shape[-2] // len(self.families)
        parts = [jax.tree.map(lambda a, i=i: a[..., i * k : (i + 1) * k, :], self) for i in range(len(self.families))]
        return [dataclasses.replace(part, families=(name,)) for part, name in zip(parts, self.families, strict=True)]


def numbers_per_latent(families: Sequence[Family], components: int) -> int:
    """How many network outputs describe one latent: 30 for three families of three. A softmax over one has no logit.

    Raises `ValueError` where there is no such family.
    """
    check_families(families)
    per_component = 3 if components > 1 else 2
    return len(families) * components * per_component + (len(families) if len(families) > 1 else 0)


def split(raw: jax.Array, families: Sequence[Family], components: int) -> Mixture:
    """Network outputs [..., P * M] as a mixture of M channels, P = `numbers_per_latent`.

    Order of the P groups of M channels: for each family, for each component: weight logit (where components > 1), mean,
    raw scale; then the family logits (where there are several). The weight of a component is the product of two
    softmaxes: over the components of its family and over the families. The scale is the absolute value of the raw one.
    Raises `ValueError` where there is no such family.
    Source: GLLMM, the authors' code; the floor of the scale is ours.
    """
    groups = numbers_per_latent(families, components)
    raw = raw.reshape(*raw.shape[:-1], groups, raw.shape[-1] // groups)
    f, k, m = len(families), components, raw.shape[-1]
    per_component = 3 if k > 1 else 2
    body = raw[..., : f * k * per_component, :].reshape(*raw.shape[:-2], f, k, per_component, m)
    mean, scale = body[..., -2, :], lower_bound(jnp.abs(body[..., -1, :]), SCALE_MIN)
    log_weight = jnp.zeros_like(mean)
    if k > 1:
        log_weight += jax.nn.log_softmax(body[..., 0, :], axis=-2)
    if f > 1:
        log_weight += jax.nn.log_softmax(raw[..., -f:, :], axis=-2)[..., None, :]
    merge = (*raw.shape[:-2], f * k, m)
    return Mixture(log_weight.reshape(merge), mean.reshape(merge), scale.reshape(merge), tuple(families))


def log_mass(v: jax.Array, mixture: Mixture) -> jax.Array:
    """Natural log of the probability of the unit bin around `v` [..., M], not floored.

    Source: GLLMM; the safe form is ours.
    """
    v = v[..., None, :]
    parts = [LOG_MASS[part.families[0]](jnp.abs(v - part.mean), part.scale) for part in mixture.by_family()]
    return jax.nn.logsumexp(jnp.concatenate(parts, axis=-2) + mixture.log_weight, axis=-2)


def bin_bits(v: jax.Array, mixture: Mixture) -> jax.Array:
    """Information content of the unit bin around every `v` [..., M], in bits, between 0 and 19.93.

    `v` need not be an integer: in training it carries uniform noise. The gradient stays alive beyond the floor of the
    probability.
    """
    floored = lower_bound(log_mass(v, mixture), jnp.log(PROBABILITY_MIN))
    return jnp.maximum(-floored / jnp.log(2.0), 0.0)
