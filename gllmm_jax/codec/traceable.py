"""`codec.latents` as pure functions of arrays, for a program of your own: under `jax.jit`, `jax.vmap`, `jax.lax.map`.

Sizes are those of the arrays, so each size is a program of its own, where the codec's own programs serve many. The
numbers are the same: `pack` gives the stream that `latents.encode_latents` gives with the coder `rans`.

    encode = jax.jit(jax.vmap(functools.partial(traceable.encode_latents, codec.twin)))
    streams = encode(y_hat, z_hat)  # of a batch
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.codec import context, context_walk, interleaved, latents, rans
from gllmm_jax.codec.coder import Outliers
from gllmm_jax.codec.integer import Twin, z_support
from gllmm_jax.codec.schedule import chunks
from gllmm_jax.config import CONTEXT_RADIUS, HYPER_STRIDE
from gllmm_jax.prob import tables


class Stream(NamedTuple):
    """What an encoder makes of one picture's latents y_hat [h, w, M]."""

    states: jax.Array  # uint32 [L], of the lanes
    data: jax.Array  # uint8 [capacity], the bytes; zeros after the first `length`
    length: jax.Array  # int32
    excess: jax.Array  # int32 [h, w, M], what latents exceed their windows by; nearly all 0


def encode_latents(twin: Twin, y_hat: jax.Array, z_hat: jax.Array) -> Stream:
    """Stream of y_hat int32 [h, w, M] and z_hat int32 [ceil(h/4), ceil(w/4), N].

    They are taken to be what `latents.clamp_latents` leaves: nothing is checked under a trace. Of models with a
    context: raises `ValueError` for a progressive one.
    """
    if twin.config.msp is not None:
        raise ValueError("progressive models have no traceable form: use codec.latents")
    h, w, m = y_hat.shape
    static, low_z = context.static(twin, (h, w)), z_support(twin)[0]
    lanes, order = rans.lane_count(y_hat.size, m), context.schedule(twin.config, (h, w)).order()
    sites = chunks(order, min(context.CHUNK, len(order))).sites
    around = _around(twin, (h, w), z_hat)
    found = context_walk.intervals(twin.config, _nets(twin), _plane(y_hat), around, sites)
    low, frequency, excess = (a.reshape(-1, m)[: len(order)] for a in found)
    symbols = (z_hat - low_z).reshape(-1)
    first, last = (jnp.asarray(static.table)[static.rows, symbols + i] for i in (0, 1))
    steps = _steps(lanes, 0, first, low), _steps(lanes, tables.TOTAL, last - first, frequency)
    states, out, emitted = rans.encode(rans.start(lanes), *steps)
    keep = emitted.reshape(-1)
    to = jnp.where(keep, jnp.cumsum(keep, dtype=jnp.int32) - 1, keep.size)
    data = jnp.zeros(keep.shape, jnp.uint8).at[to].set(out.reshape(-1), mode="drop")
    excess = jnp.zeros_like(excess).at[order].set(excess).reshape(y_hat.shape)
    return Stream(states, data, jnp.sum(keep, dtype=jnp.int32), excess)


def decode_latents(twin: Twin, stream: Stream) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Inverse of `encode_latents`: y_hat int32 [h, w, M], z_hat int32, and whether the stream was whole (bool)."""
    h, w, m = stream.excess.shape
    static, low_z = context.static(twin, (h, w)), z_support(twin)[0]
    following = jnp.concatenate([stream.data[1:], jnp.zeros(2, jnp.uint8)]).astype(jnp.uint32)
    pairs = jnp.append(stream.data, jnp.uint8(0)).astype(jnp.uint32) << 8 | following
    # without an end: under vmap a walk that may stop would copy its planes at every group
    source, lanes = rans.Source(pairs, None), rans.Lanes(stream.states, jnp.int32(0))
    rows = _steps(len(stream.states), len(static.table), static.rows, np.zeros(0, np.int32))
    table = interleaved.with_certain(static.table)
    symbols, lanes = context_walk.decode_static(table, rows, np.int32(len(rows)), source, lanes)
    z_hat = symbols.reshape(-1)[: len(static.rows)].reshape(*context.hyper_size((h, w)), -1) + low_z
    around, plane = _around(twin, (h, w), z_hat), _plane(stream.excess)
    schedule = context.schedule(twin.config, (h, w))
    plane, lanes = context_walk.decode(twin.config, _nets(twin), plane, around, schedule, source, lanes)
    whole = (lanes.pointer == stream.length) & jnp.all(lanes.state == rans.LOWEST)
    r = CONTEXT_RADIUS
    return plane.reshape(h + 2 * r, w + 2 * r, m)[r:-r, r:-r], z_hat, whole


def pack(stream: Stream) -> bytes:
    """The bytes that `latents.encode_latents` gives, of one concrete stream."""
    states, data, length, excess = jax.device_get(stream)
    places = np.flatnonzero(excess)
    head = latents.pack_outliers(Outliers(places, excess.reshape(-1)[places]))
    return head + rans.pack_states(states) + data[:length].tobytes()


def _nets(twin):
    with jax.ensure_compile_time_eval():  # kept with the twin: no tracer may get there
        return twin.nets


def _plane(values):
    h, w, m = values.shape
    r = CONTEXT_RADIUS
    plane = lax.pad(values, np.int32(0), [(r, r, 0), (r, r, 0), (0, 0, 0)])
    return plane.reshape((h + 2 * r) * (w + 2 * r), m)


def _around(twin, size, z_hat):
    hz, wz = (np.int32(n) for n in context.hyper_size(size))
    phi = context_walk.phi(_nets(twin), z_hat, hz, wz)
    return context_walk.Surroundings(phi.reshape(-1, phi.shape[-1]), jnp.int32(HYPER_STRIDE * wz), jnp.int32(size[1]))


def _steps(lanes, certain, static, latents):
    # as in `interleaved`: what is certain fills up the last static step
    fill = jnp.full(-len(static) % lanes, certain, jnp.int32)
    return jnp.concatenate([static, fill, latents.reshape(-1)]).reshape(-1, lanes)
