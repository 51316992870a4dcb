"""The compiled programs of the progressive walk: one serves all calls of as many channels on planes of one bucket."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import exact, rans
from gllmm_jax.codec.rans import Lanes, Source
from gllmm_jax.config import ModelConfig
from gllmm_jax.prob import tables
from gllmm_jax.prob.tables import IntegerMixture


class Fixed(NamedTuple):
    """What does not change while a scale is coded."""

    guess: jax.Array  # int32 [rows, columns, places, M], bucketed
    inside: jax.Array  # bool [rows, columns, places, 1]
    size: tuple[jax.Array, jax.Array]  # rows and columns that are the picture's


class Arguments(NamedTuple):
    """What sets one call apart from others of its program."""

    known: jax.Array  # bool [places, M]
    step: jax.Array  # int32, the number of its bias
    place: jax.Array  # int32, in the order of the block
    spot: jax.Array  # int32, in a folded plane
    first: jax.Array  # int32, its first channel
    sites: jax.Array  # int32 [chunks, P], its blocks in the bucketed plane; -1 for none


@functools.partial(jax.jit, static_argnums=0)
def features(config: ModelConfig, net: exact.Nets, truth: jax.Array, fixed: Fixed, call: Arguments) -> jax.Array:
    """What the network makes of all blocks of the bucketed plane, before one call: [blocks, F]."""
    mixed = jnp.where(call.known & fixed.inside, truth, fixed.guess)
    x = exact.features(config, net, mixed.reshape(*mixed.shape[:2], -1), fixed.size, call.step)
    return x.reshape(-1, x.shape[-1])


@functools.partial(jax.jit, static_argnums=(0, 1))
def mixtures(config, width, net, x, call: Arguments, sites) -> IntegerMixture:
    """Distributions at `sites` [P] of a call, fields [P, C, width]; one symbol, for free, where there is no site.

    Args:
      width: channels of the call.
      x: of `features`.
    """
    x = x.at[jnp.maximum(sites, 0)].get(mode="promise_in_bounds")
    mix = exact.numbers(config, net, x, call.place, call.first, width)
    return mix._replace(radius=jnp.where(sites[:, None, None] >= 0, mix.radius, 0))


@functools.partial(jax.jit, static_argnums=(0, 1))
def intervals(config: ModelConfig, width: int, net: exact.Nets, truth: jax.Array, fixed: Fixed, call: Arguments):
    """Low and frequency of what is coded, and what latents exceed it by: int32 [chunks, P, width] each."""
    x, flat = features(config, net, truth, fixed, call), truth.reshape(-1, *truth.shape[2:])

    def chunk(sites):
        mix = mixtures(config, width, net, x, call, sites)
        value = lax.dynamic_slice_in_dim(flat[jnp.maximum(sites, 0), call.spot], call.first, width, axis=1)
        reach = mix.radius[:, 0]
        k = jnp.clip(value, -reach, reach)
        low = tables.mixture_cdf(net.families, mix, k)
        return low, tables.mixture_cdf(net.families, mix, k + 1) - low, value - k

    return lax.map(chunk, call.sites)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def decode(
    config: ModelConfig,
    width: int,
    net: exact.Nets,
    truth: jax.Array,
    fixed: Fixed,
    call: Arguments,
    source: Source,
    lanes: Lanes,
):
    """The symbols of one call, in whole steps: the plane with them, and the lanes."""
    x = features(config, net, truth, fixed, call)
    chunks = jnp.sum(call.sites[:, 0] >= 0, dtype=jnp.int32)

    def more(carry):
        chunk, _truth, lanes = carry
        return (chunk < chunks) & rans.within(lanes, source)

    def chunk(carry):
        chunk, truth, lanes = carry
        sites = call.sites[chunk]
        symbols, lanes = _decoded(net, mixtures(config, width, net, x, call, sites), sites, source, lanes)
        return chunk + 1, _put(truth, call, sites, symbols), lanes

    _, truth, lanes = lax.while_loop(more, chunk, (np.int32(0), truth, lanes))
    return truth, lanes


def _decoded(net: exact.Nets, mix: IntegerMixture, sites: jax.Array, source: Source, lanes: Lanes):
    # the symbols [P, width] of distributions [P, C, width], the real ones first, and the lanes
    places, _, width = mix.radius.shape
    n = lanes.state.shape[0]
    steps = -(-places * width // n)

    def in_steps(a: jax.Array) -> jax.Array:
        # [P, C, width] -> [steps, C, L], what is added having one symbol
        flat = a.transpose(0, 2, 1).reshape(places * width, -1)
        flat = jnp.pad(flat, ((0, steps * n - len(flat)), (0, 0)))
        return flat.reshape(steps, n, -1).transpose(0, 2, 1)

    mix = jax.tree.map(in_steps, mix)
    widest = jnp.max(mix.radius, axis=(1, 2))
    widths = jnp.where(widest > 0, widest + 1, 0)
    count = jnp.sum(sites >= 0, dtype=jnp.int32) * width
    real = lax.div(count + np.int32(n - 1), np.int32(n))

    def more(carry):
        s, _symbols, lanes = carry
        return (s < real) & rans.within(lanes, source)

    def step(carry):
        s, symbols, lanes = carry
        part = jax.tree.map(lambda a: a[s], mix)
        k, low, frequency = rans.search(
            lambda k: tables.mixture_cdf(net.families, part, k), rans.slots(lanes), -part.radius[0], widths[s]
        )
        return s + 1, symbols.at[s].set(k), rans.advance(lanes, source, low, frequency)

    _, symbols, lanes = lax.while_loop(more, step, (np.int32(0), jnp.zeros((steps, n), jnp.int32), lanes))
    return symbols.reshape(-1)[: places * width].reshape(places, width), lanes


def _put(truth: jax.Array, call: Arguments, sites: jax.Array, values: jax.Array) -> jax.Array:
    # symbols [P, width] of `sites`, added to what is there
    flat = truth.reshape(-1, *truth.shape[2:])
    site = jnp.where(sites >= 0, sites, len(flat))[:, None]
    channels = call.first + jnp.arange(values.shape[1])
    return flat.at[site, call.spot, channels].add(values, mode="drop").reshape(truth.shape)


settle = jax.jit(_put, donate_argnums=0)
