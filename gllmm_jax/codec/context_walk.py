"""The compiled programs of the context's walk: distributions of a group, then its symbols, then the next group.

Latents live in a flat plane [rows, M] with a border of zeros: 2 rows above and below, 2 columns on either side. Sizes
enter as traced numbers and trip counts are dynamic, so a program compiled for one picture serves all of its bucket.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import exact, rans
from gllmm_jax.codec.rans import Lanes, Source
from gllmm_jax.codec.schedule import Schedule, bucket
from gllmm_jax.config import CONTEXT_RADIUS as R
from gllmm_jax.config import TAPS, ModelConfig
from gllmm_jax.prob import tables


class Surroundings(NamedTuple):
    """What a latent's distribution depends on beside its neighbours."""

    phi: jax.Array  # [phi rows, F], of `phi`, row by row
    phi_width: jax.Array  # int32, positions in a row of phi
    width: jax.Array  # int32, positions in a row of latents


def empty_plane(size: tuple[int, int], channels: int) -> np.ndarray:
    """Plane of zeros for latents of `size`, int32 [rows, channels], rows bucketed."""
    return np.zeros((bucket((size[0] + 2 * R) * (size[1] + 2 * R)), channels), np.int32)


def inside(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture's part of a plane, a view [h, w, channels]."""
    h, w = size[0] + 2 * R, size[1] + 2 * R
    return plane[: h * w].reshape(h, w, -1)[R:-R, R:-R]


def distributions(
    config: ModelConfig, net: exact.Nets, plane: jax.Array, around: Surroundings, sites: jax.Array
) -> tuple[tables.IntegerMixture, jax.Array]:
    """Distributions of the latents at raster positions int32 [P], and the rows of the plane they go to; traceable."""
    i = lax.div(sites, around.width)
    j = sites - i * around.width
    pitch = around.width + 2 * R
    rows = (i + R) * pitch + j + R
    dy, dx = (np.array(steps, np.int32) for steps in zip(*TAPS[config.order], strict=True))
    taps = plane.at[rows[:, None] + (dy * pitch + dx)[None, :]].get(mode="promise_in_bounds")
    phi = around.phi.at[i * around.phi_width + j].get(mode="promise_in_bounds")
    sees = None if config.order == "raster" else (i + j) % 2 == 1
    return exact.parameters(config, net, taps, phi, sees), rows


@functools.partial(jax.jit, static_argnums=0)
def intervals(config: ModelConfig, net: exact.Nets, plane: jax.Array, around: Surroundings, sites: jax.Array):
    """Interval of every latent of a complete plane: the encoder's walk.

    Args:
      plane: int32 [rows, M], the latents.
      sites: int32 [groups, P] in coding order, -1 for none.

    Returns: int32 [groups, P, M] each: low and frequency of the symbol that is coded, the latent as far as its window
    goes, and what the latent exceeds it by. 0, 2^16 and 0 where there is no site.
    """

    def group(sites):
        mix, rows = distributions(config, net, plane, around, jnp.maximum(sites, 0))
        value, reach = plane.at[rows].get(mode="promise_in_bounds"), mix.radius[:, 0]
        k = jnp.clip(value, -reach, reach)
        low = tables.mixture_cdf(net.families, mix, k)
        frequency = tables.mixture_cdf(net.families, mix, k + 1) - low
        real = sites[:, None] >= 0
        return jnp.where(real, low, 0), jnp.where(real, frequency, tables.TOTAL), jnp.where(real, value - k, 0)

    return lax.map(group, sites)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def decode(
    config: ModelConfig,
    net: exact.Nets,
    plane: jax.Array,
    around: Surroundings,
    schedule: Schedule,
    source: Source,
    lanes: Lanes,
) -> tuple[jax.Array, Lanes]:
    """Decode the latents of a schedule: the decoder's walk, a loop over groups and, in each, over steps of L symbols.

    Args:
      plane: int32 [rows, M], the latents decoded already; elsewhere what each latent exceeds its window by.
      schedule: sites int32 [G, P] and counts [G], 0 from the first group on that is padding.
      lanes: where the coder stands.

    Returns: the plane, in place of the one given, and the lanes. Past the source's end it stops: a short stream cannot
    ask for a long walk.
    """
    sites, counts = schedule
    n, groups = lanes.state.shape[0], jnp.sum(counts > 0, dtype=jnp.int32)
    per_site, zero = config.latents // n, np.int32(0)

    def more(carry):
        g, _plane, lanes = carry
        return (g < groups) & rans.within(lanes, source)

    def group(carry):
        g, plane, lanes = carry
        mix, rows = distributions(config, net, plane, around, jnp.maximum(sites[g], 0))
        # a radius of 2^c - 1: symbols fit in 2^(c + 1) - 1 places
        widest = jnp.max(mix.radius.reshape(-1, per_site, n), axis=-1)
        widths = jnp.where(widest > 0, widest + 1, 0)

        def step(s, carry):
            plane, lanes = carry
            p = lax.div(s, np.int32(per_site))
            block = s - p * per_site
            first = block * n
            part = jax.tree.map(lambda a: lax.dynamic_slice(a, (p, zero, first), (1, a.shape[1], n))[0], mix)

            def cdf(k):
                return tables.mixture_cdf(net.families, part, k)

            k, low, frequency = rans.search(cdf, rans.slots(lanes), -part.radius[0], widths[p, block])
            at = rows[p], first
            plane = lax.dynamic_update_slice(plane, k[None, :] + lax.dynamic_slice(plane, at, (1, n)), at)
            return plane, rans.advance(lanes, source, low, frequency)

        return g + 1, *lax.fori_loop(zero, counts[g] * per_site, step, (plane, lanes))

    _, plane, lanes = lax.while_loop(more, group, (zero, plane, lanes))
    return plane, lanes


@jax.jit
def decode_static(table: jax.Array, rows: jax.Array, steps: jax.Array, source: Source, lanes: Lanes):
    """Decode symbols of known distributions, until the source's end at most as `decode` does.

    Args:
      table: int32 [tables, symbols + 1], CDFs, 2^16 past the last symbol.
      rows: int32 [T, L], the table of each symbol; steps: int32, how many of the T to take.
      lanes: where the coder stands.

    Returns: symbols int32 [T, L] and the lanes.
    """

    last = table.shape[1] - 1
    width = jnp.int32(1 << last.bit_length() - 1)

    def more(carry):
        t, _symbols, lanes = carry
        return (t < steps) & rans.within(lanes, source)

    def step(carry):
        t, symbols, lanes = carry
        row = rows[t]

        def cdf(k):
            return table.at[row, jnp.minimum(k, last)].get(mode="promise_in_bounds")

        k, low, frequency = rans.search(cdf, rans.slots(lanes), jnp.zeros_like(row), width)
        return t + 1, symbols.at[t].set(k), rans.advance(lanes, source, low, frequency)

    _, symbols, lanes = lax.while_loop(more, step, (np.int32(0), jnp.zeros_like(rows), lanes))
    return symbols, lanes


@jax.jit
def phi(net: exact.Nets, z_hat: jax.Array, height: jax.Array, width: jax.Array) -> jax.Array:
    """`exact.hyper_synthesis` of int32 [hz, wz, N], of which height x width is the picture, as a program."""
    return exact.hyper_synthesis(net.layers, z_hat, (height, width))


@functools.partial(jax.jit, static_argnums=0)
def mixtures(config: ModelConfig, net: exact.Nets, plane: jax.Array, around: Surroundings, sites: jax.Array):
    """`distributions` as a program."""
    return distributions(config, net, plane, around, sites)


@functools.partial(jax.jit, donate_argnums=0)
def settle(plane: jax.Array, rows: jax.Array, values: jax.Array, count: jax.Array) -> jax.Array:
    """The plane with symbols int32 [P, M] added to its `rows` [P], of which the first `count` are real."""
    real = jnp.arange(len(rows)) < count
    return plane.at[jnp.where(real, rows, len(plane))].add(values, mode="drop")
