"""The compiled programs that walk a schedule: distributions of a group, then its symbols, then the next group.

Latents live in a flat plane [rows, M] with a border of zeros: 2 rows above, 2 columns on either side. Sizes enter as
traced numbers and trip counts are dynamic, so a program compiled for one picture serves all of its bucket.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import exact, rans
from gllmm_jax.codec.rans import Lanes
from gllmm_jax.codec.schedule import bucket
from gllmm_jax.config import CONTEXT_RADIUS as R
from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables


def empty_plane(size: tuple[int, int], channels: int) -> np.ndarray:
    """Plane of zeros for latents of `size`, int32 [rows, channels], rows bucketed."""
    return np.zeros((bucket((size[0] + R) * (size[1] + 2 * R)), channels), np.int32)


def inside(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture's part of a plane, a view [h, w, channels]."""
    h, w = size[0] + R, size[1] + 2 * R
    return plane[: h * w].reshape(h, w, -1)[R:, R:-R]


def distributions(
    config: ModelConfig, net: exact.Nets, plane, phi, sites, width, phi_width
) -> tuple[tables.IntegerMixture, jax.Array]:
    """Distributions of the latents at raster positions int32 [P], and the rows of the plane they go to; traceable."""
    i = lax.div(sites, width)
    j = sites - i * width
    pitch = width + 2 * R
    rows = (i + R) * pitch + j + R
    offsets = jnp.array([dy for dy, _ in exact.TAPS]) * pitch + jnp.array([dx for _, dx in exact.TAPS])
    taps = plane.at[rows[:, None] + offsets[None, :]].get(mode="promise_in_bounds")
    phi = phi.at[i * phi_width + j].get(mode="promise_in_bounds")
    return exact.parameters(config, net, taps, phi), rows


@functools.partial(jax.jit, static_argnums=0)
def intervals(config: ModelConfig, net: exact.Nets, plane, phi, sites, radius, width, phi_width):
    """Interval of every latent of a complete plane: the encoder's walk.

    Args:
      plane: int32 [rows, M], the latents; phi: [phi rows, 2M].
      sites: int32 [groups, P] in coding order, -1 for none.
      radius: int32 [M], largest magnitude of each channel; width, phi_width: int32, positions in a row of each.

    Returns: low and frequency, int32 [groups, P, M]; 0 and 2^16 where there is no site.
    """

    def group(sites):
        mix, rows = distributions(config, net, plane, phi, jnp.maximum(sites, 0), width, phi_width)
        k = plane.at[rows].get(mode="promise_in_bounds")
        reach = jnp.broadcast_to(radius, k.shape)
        low = tables.mixture_cdf(net.families, mix, k, reach)
        frequency = tables.mixture_cdf(net.families, mix, k + 1, reach) - low
        real = sites[:, None] >= 0
        return jnp.where(real, low, 0), jnp.where(real, frequency, tables.TOTAL)

    return lax.map(group, sites)


@functools.partial(jax.jit, static_argnums=0)
def decode(
    config: ModelConfig, net: exact.Nets, plane, phi, sites, counts, groups, radius, width, phi_width, pairs, end, lanes
) -> tuple[jax.Array, Lanes]:
    """Decode all latents: the decoder's walk, one loop over groups and, within each, over steps of L symbols.

    Args:
      plane: int32 [rows, M] of zeros; phi: [phi rows, 2M].
      sites: int32 [G, P] with counts [G], the schedule; groups: int32, how many of the G are real.
      radius: int32 [M]; width, phi_width: int32.
      pairs: `rans.byte_pairs`; end: int32, how many bytes there are; lanes: where the coder stands.

    Returns: the filled plane and the lanes. Past `end` it stops: a short stream cannot ask for a long walk.
    """
    per_site = config.latents // lanes.state.shape[0]
    n, components = lanes.state.shape[0], len(config.families) * config.components

    # radius 2^c - 1: symbols fit in 2^(c + 1) - 1 places
    widest = jnp.max(radius.reshape(per_site, n), axis=1)
    widths = jnp.where(widest > 0, widest + 1, 0)

    def more(carry):
        g, _plane, lanes = carry
        return (g < groups) & (lanes.pointer <= end)

    def group(carry):
        g, plane, lanes = carry
        mix, rows = distributions(config, net, plane, phi, jnp.maximum(sites[g], 0), width, phi_width)

        def step(s, carry):
            plane, lanes = carry
            p, block = lax.div(s, per_site), lax.rem(s, per_site)
            first = block * n
            part = jax.tree.map(lambda a: lax.dynamic_slice(a, (p, 0, first), (1, components, n))[0], mix)
            reach = lax.dynamic_slice(radius, (first,), (n,))

            def cdf(k):
                return tables.mixture_cdf(net.families, part, k, reach)

            k, low, frequency = rans.search(cdf, rans.slots(lanes), -reach, widths[block])
            plane = lax.dynamic_update_slice(plane, k[None, :], (rows[p], first))
            return plane, rans.advance(lanes, pairs, low, frequency)

        return g + 1, *lax.fori_loop(0, counts[g] * per_site, step, (plane, lanes))

    _, plane, lanes = lax.while_loop(more, group, (jnp.int32(0), plane, lanes))
    return plane, lanes


@jax.jit
def decode_static(table: jax.Array, rows: jax.Array, steps, pairs: jax.Array, end, lanes: Lanes):
    """Decode symbols of known distributions, until `end` at most as `decode` does.

    Args:
      table: int32 [tables, symbols + 1], CDFs, 2^16 past the last symbol.
      rows: int32 [T, L], the table of each symbol; steps: int32, how many of the T to take.
      pairs, end, lanes: as of `decode`.

    Returns: symbols int32 [T, L] and the lanes.
    """

    last = table.shape[1] - 1
    width = jnp.int32(1 << last.bit_length() - 1)

    def more(carry):
        t, _symbols, lanes = carry
        return (t < steps) & (lanes.pointer <= end)

    def step(carry):
        t, symbols, lanes = carry
        row = rows[t]

        def cdf(k):
            return table.at[row, jnp.minimum(k, last)].get(mode="promise_in_bounds")

        k, low, frequency = rans.search(cdf, rans.slots(lanes), jnp.zeros_like(row), width)
        return t + 1, symbols.at[t].set(k), rans.advance(lanes, pairs, low, frequency)

    _, symbols, lanes = lax.while_loop(more, step, (jnp.int32(0), jnp.zeros_like(rows), lanes))
    return symbols, lanes


@jax.jit
def phi_rows(net: exact.Nets, z_hat: jax.Array, height: jax.Array, width: jax.Array) -> jax.Array:
    """Hyper-synthesis of int32 [hz, wz, N], of which height x width is the picture, as rows [16 hz wz, 2M]."""
    phi = exact.hyper_synthesis(net.layers, z_hat, (height, width))
    return phi.reshape(-1, phi.shape[-1])
