"""Integer distributions of many latents at once, as an entropy model gives them to the walk."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32

from gllmm_jax.prob import tables


class Distributions(Protocol):
    """The distributions of P x X latents: X channels at each of P positions.

    Symbols are whole numbers. Cumulative frequencies are int32 in 1/65536. All methods use integer arithmetic, so that
    encoder and decoder find the same numbers. Any class with these three methods will do.

    The decoder cuts single steps of L symbols out of a group. The arrays of a step have no axis P: they are [C, L], and
    the methods take and return [L]. So methods count axes from the end, as in `[..., 0, :]`.
    """

    def support(self) -> tuple[Int32[Array, "*P X"], Int32[Array, "*P X"]]:
        """The smallest and the largest symbol of each latent, int32 [P, X] each."""
        ...

    def cdf(self, k: Int32[Array, "*P X"]) -> Int32[Array, "*P X"]:
        """Cumulative frequency below symbol `k`, int32 [P, X] both: 0 at the smallest, 2^16 beyond the largest.

        It grows by at least 1 from each symbol of the support to the next.
        """
        ...

    def each(self, change: Callable[[jax.Array], jax.Array]) -> "Distributions":
        """The same distributions with `change` applied to each array [P, C, X]; the walk cuts or rearranges them so.

        It leaves arrays that belong to no single latent, such as a common table, as they are. An array with one number
        for each latent has C = 1.
        """
        ...


class Mixtures(NamedTuple):
    """Integer mixtures as `Distributions`. The codec's own entropy models give these."""

    mix: tables.IntegerMixture  # fields [P, C, X]
    families: Int32[Array, "T"]  # `tables.family_table`, flattened

    def support(self) -> tuple[Int32[Array, "*P X"], Int32[Array, "*P X"]]:
        """See `Distributions`."""
        radius = self.mix.radius[..., 0, :]
        return -radius, radius

    def cdf(self, k: Int32[Array, "*P X"]) -> Int32[Array, "*P X"]:
        """See `Distributions`."""
        return tables.mixture_cdf(self.families, self.mix, k)

    def each(self, change: Callable[[jax.Array], jax.Array]) -> "Mixtures":
        """See `Distributions`."""
        return Mixtures(jax.tree.map(change, self.mix), self.families)


class Tables(NamedTuple):
    """Any distributions of symbols 0 ... S - 1, as tables of their cumulative frequencies."""

    table: Int32[Array, "*P S+1 X"]  # from 0 to 2^16, strictly increasing along the second axis

    def support(self) -> tuple[Int32[Array, "*P X"], Int32[Array, "*P X"]]:
        """See `Distributions`."""
        lowest = jnp.zeros_like(self.table[..., 0, :])
        return lowest, lowest + (self.table.shape[-2] - 2)

    def cdf(self, k: Int32[Array, "*P X"]) -> Int32[Array, "*P X"]:
        """See `Distributions`."""
        at = jnp.clip(k, 0, self.table.shape[-2] - 1)[..., None, :]
        return jnp.take_along_axis(self.table, at, axis=-2)[..., 0, :]

    def each(self, change: Callable[[jax.Array], jax.Array]) -> "Tables":
        """See `Distributions`."""
        return Tables(change(self.table))
