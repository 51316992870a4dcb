"""`walk.latents` as pure functions of arrays, for a program of your own: under `jax.jit`, `jax.vmap`, `jax.lax.map`.

The arrays have the size of the picture, so each size needs a program of its own; the codec's programs serve many sizes.
The numbers are the same: `pack` gives the stream that `latents.encode_latents` gives with the coder `rans`.

    >>> import functools
    >>> import gllmm_jax, jax, jax.numpy as jnp
    >>> from gllmm_jax.walk import traceable
    >>> codec = gllmm_jax.load()
    >>> encode = jax.jit(jax.vmap(functools.partial(traceable.encode_latents, codec.twin)))
    >>> y_hat = jnp.zeros((2, 4, 4, codec.config.latents), jnp.int32)  # of a batch of two
    >>> z_hat = jnp.zeros((2, 1, 1, codec.config.hyper), jnp.int32)
    >>> streams = encode(y_hat, z_hat)
    >>> decode = jax.jit(jax.vmap(functools.partial(traceable.decode_latents, codec.twin)))
    >>> y_again, z_again, whole = decode(streams)
    >>> bool((y_again == y_hat).all() and whole.all())
    True
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.entropy import rans
from gllmm_jax.order.models import entropy_model
from gllmm_jax.order.schedule import regrouped
from gllmm_jax.twin.integer import Twin
from gllmm_jax.walk import interleaved, latents, loops, walk
from gllmm_jax.walk.coder import Outliers


class Stream(NamedTuple):
    """The stream of one picture's latents y_hat [h, w, M], in arrays of JAX or of NumPy."""

    states: Any  # uint32 [L], of the lanes
    data: Any  # uint8 [capacity], the bytes; zeros after the first `length`
    length: Any  # int32
    excess: Any  # int32 [h, w, M], excess of latents beyond their supports; nearly all 0


def encode_latents(twin: Twin, y_hat: jax.Array, z_hat: jax.Array) -> Stream:
    """The stream of y_hat int32 [h, w, M] and z_hat int32 [ceil(h/4), ceil(w/4), N]; [0, 0, 0] without a hyperprior.

    The latents must be such that `latents.clamp_latents` would not change them. Nothing checks that under a trace.
    """
    y_hat, z_hat = map(jnp.asarray, (y_hat, z_hat))
    model, n = entropy_model(twin, (y_hat.shape[0], y_hat.shape[1])), rans.lane_count(y_hat.size, y_hat.shape[2])
    static, positions = model.static(), model.positions()
    symbols, beyond = latents.inside(twin, model.symbols(y_hat, z_hat), static)
    excess = jnp.zeros_like(y_hat)
    if positions.size:
        excess = excess.reshape(-1).at[positions].set(beyond).reshape(y_hat.shape)
    first, last = (jnp.asarray(static.table)[static.rows, symbols + i] for i in (0, 1))
    every = np.arange(first.size)
    found = loops.Coded(*(a[:, None, None] for a in (first, last - first, jnp.zeros_like(first))))
    steps = [loops.steps(found, every, np.array([first.size]), n)]
    for stage in model.stages(z_hat):
        plane, of_stage = stage.plane(y_hat), stage.known(y_hat)
        over = stage.plane(excess)
        for program, known, schedule, _, channel in stage.parts:
            distribute = functools.partial(program.distribute, program.prepare(of_stage, known, plane))
            order = schedule.order()
            rows = regrouped(order, min(walk.GROUP, len(order))).rows
            found = loops.intervals(distribute, plane, rows, channel)
            steps.append(loops.steps(found, rows, schedule.counts, n))
            over = over + loops.excess(found, rows, plane, channel)
        excess = stage.written(excess, over)
    low, frequency = (jnp.concatenate(parts) for parts in zip(*steps, strict=True))
    states, out, emitted = rans.encode(rans.start(n), low, frequency)
    return Stream(states, *rans.compact(out, emitted), excess)


def decode_latents(twin: Twin, stream: Stream) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Inverse of `encode_latents`: y_hat int32 [h, w, M], z_hat int32, and whether the stream was whole (bool)."""
    (h, w, _), n = stream.excess.shape, len(stream.states)
    model = entropy_model(twin, (h, w))
    source, lanes = rans.traced_source(stream.data), rans.Lanes(stream.states, jnp.int32(0))
    static = model.static()
    arguments = interleaved.static_steps(static, n, max(-(-len(static.rows) // n), 1))
    symbols, lanes = rans.decode_static(*arguments, source, lanes)
    y_hat, z_hat = model.begin(symbols.reshape(-1)[: len(static.rows)], jnp.asarray(stream.excess))
    for stage in model.stages(z_hat):
        plane, of_stage = stage.plane(y_hat), stage.known(y_hat)
        for program, known, schedule, _, channel in stage.parts:
            distribute = functools.partial(program.distribute, program.prepare(of_stage, known, plane))
            plane, lanes = loops.decode(distribute, plane, schedule, source, lanes, channel)
        y_hat = stage.written(y_hat, plane)
    whole = (lanes.pointer == stream.length) & jnp.all(lanes.state == rans.LOWEST)
    return y_hat, z_hat, whole


def pack(stream: Stream) -> bytes:
    """The bytes of one concrete stream, as `latents.encode_latents` gives them."""
    states, data, length, excess = jax.device_get(stream)
    indices = np.flatnonzero(excess)
    head = latents.pack_outliers(Outliers(indices, excess.reshape(-1)[indices]))
    return head + rans.pack_states(states) + data[:length].tobytes()


def unpack(data: bytes, shape: tuple[int, int, int]) -> Stream:
    """Inverse of `pack` for latents of a shape [h, w, M], in NumPy arrays. Raises `BitstreamError`.

    To stack streams, pad their bytes with zeros to one length.
    """
    outliers, rest = latents.unpack_outliers(data, shape[0] * shape[1] * shape[2])
    states, found = rans.unpack(rest, rans.lane_count(shape[0] * shape[1] * shape[2], shape[2]))
    return Stream(states, found, np.int32(len(found)), outliers.plane(shape))
