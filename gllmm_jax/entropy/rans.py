"""Interleaved rANS: L lanes, 32-bit states, bytes, frequencies that sum to 2^16. JAX can trace all of it.

Step t codes L symbols, one in each lane. The decoder pops a step's symbols. Then it refills the lanes whose states are
below 2^24 with the next bytes, lane by lane. The encoder takes the steps backwards and does the opposite. A symbol of
frequency 2^16 changes nothing and costs nothing, so such symbols serve as padding. (With 16-bit words there would be
half as many refills. Every symbol would cost 0.003 bits more, because the states would be too short for 2^16.)

This example decodes with probabilities of its own inside a jitted function:

    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from gllmm_jax.entropy import rans
    >>> from gllmm_jax.prob import cumulative
    >>> cdf = jnp.asarray(cumulative(np.array([0.0, 0.5, 0.8, 0.95, 1.0])))  # of the symbols 0 ... 3, in 1/65536
    >>> symbols = jnp.array([[0, 1], [3, 0], [0, 0], [2, 0]])  # 4 steps of 2 lanes
    >>> encoded = rans.encode(rans.start(2), cdf[symbols], cdf[symbols + 1] - cdf[symbols])
    >>> @jax.jit
    ... def decode(states, data):
    ...     def step(lanes, _):
    ...         slots, lowest, width = rans.slots(lanes), jnp.zeros(2, jnp.int32), rans.half(jnp.int32(0), jnp.int32(3))
    ...         k, low, frequency = rans.search(lambda k: cdf[jnp.minimum(k, 4)], slots, lowest, width)
    ...         return rans.advance(lanes, rans.traced_source(data), low, frequency), k
    ...     return jax.lax.scan(step, rans.Lanes(states, jnp.int32(0)), length=4)[1]
    >>> data, length = rans.compact(*encoded[1:])
    >>> bool((decode(encoded[0], data) == symbols).all())
    True

If the probabilities depend on decoded symbols, use the loop of `walk.loops`.

Source: Duda 2013, "Asymmetric numeral systems"; Giesen 2014, "Interleaved entropy coders".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gllmm_jax.errors import BitstreamError
from gllmm_jax.programs import latest

LOWEST = 1 << 24  # states stay in [2^24, 2^32)
SLOTS = 1 << 16
MAX_LANES = 64
SYMBOLS_PER_LANE = 24576
LEAST_ROOM = 1 << 16  # the least size of a decoder's source, in bytes
PROGRAMS = 32  # compiled programs of each kind that are kept


class Lanes(NamedTuple):
    """State of the coder."""

    state: jax.Array  # uint32 [L]
    pointer: jax.Array  # int32, bytes consumed


class Source(NamedTuple):
    """The bytes of a stream after its states."""

    pairs: jax.Array  # uint32 [bucketed], at each byte's index that byte and the next; zero past the end
    end: jax.Array | None  # int32, the number of bytes; with None decoding never stops at the end


def lane_count(symbols: int, channels: int) -> int:
    """The number of lanes of a stream, a power of two that divides `channels`.

    Each lane costs about 3.5 bytes. More lanes save time.
    """
    lanes = 1
    while lanes < MAX_LANES and channels % (2 * lanes) == 0 and symbols > lanes * SYMBOLS_PER_LANE:
        lanes *= 2
    return lanes


def within(lanes: Lanes, source: Source) -> jax.Array | bool:
    """Whether the decoder has read no byte past the end."""
    return source.end is None or lanes.pointer <= source.end


def slots(lanes: Lanes) -> jax.Array:
    """For each lane a number in [0, 2^16) that lies in the interval of its next symbol, int32 [L]."""
    return (lanes.state & (SLOTS - 1)).astype(jnp.int32)


def search(cdf: Callable, slot: jax.Array, low: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Find the symbols k with cdf(k) <= slot < cdf(k + 1), bit by bit.

    Args:
      cdf: maps int32 [L] to int32 [L]; 0 at `low`, increasing, 2^16 beyond the last symbol.
      slot, low: int32 [L].
      width: int32 power of two, or 0 for a single symbol; symbols lie in low ... low + 2 * width - 1.

    Returns: (k, cdf(k), cdf(k + 1) - cdf(k)), int32 [L] each.
    """

    def halve(c):
        k, width = c
        return jnp.where(cdf(k + width) <= slot, k + width, k), width >> 1

    # decoding waits for this loop, in which each kernel costs: it carries little, and CDFs come after it
    k, _ = lax.while_loop(lambda c: c[1] > 0, halve, (low, width))
    below = cdf(k)
    return k, below, cdf(k + 1) - below


def half(lowest: jax.Array, highest: jax.Array) -> jax.Array:
    """The `width` of a `search` among symbols lowest ... highest, int32."""
    return jnp.int32(1) << (32 - lax.clz(highest - lowest)) >> 1


def source(data: np.ndarray) -> Source:
    """The source that `advance` reads, from uint8 [bytes]."""
    room = LEAST_ROOM
    while room <= len(data):
        room *= 4  # few programs serve streams of all lengths
    padded = np.zeros(room, np.uint32)
    padded[: len(data)] = data
    padded[:-1] = padded[:-1] << 8 | padded[1:]
    return Source(*jax.device_put((padded, np.int32(len(data)))))


def traced_source(data: jax.Array, length: jax.Array | None = None) -> Source:
    """`source` for a traced uint8 [bytes] whose first `length` (int32) are in use. Without a length it has no end.

    Under `jax.vmap` a loop that may stop at an end copies everything it carries in each iteration. Leave the length out
    there, and check afterwards that `Lanes.pointer` is the length.
    """
    after = jnp.concatenate([data[1:], jnp.zeros(2, jnp.uint8)]).astype(jnp.uint32)
    return Source(jnp.append(data, jnp.uint8(0)).astype(jnp.uint32) << 8 | after, length)


def compact(out: jax.Array, emitted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The bytes that `encode` emitted, uint8 [2 T L] with zeros at the end, and their number, int32."""
    keep = emitted.reshape(-1)
    to = jnp.where(keep, jnp.cumsum(keep, dtype=jnp.int32) - 1, keep.size)
    data = jnp.zeros(keep.shape, jnp.uint8).at[to].set(out.reshape(-1), mode="drop")
    return data, jnp.sum(keep, dtype=jnp.int32)


def advance(lanes: Lanes, source: Source, low: jax.Array, frequency: jax.Array) -> Lanes:
    """Pop the symbols of one step, whose intervals are given, and refill each lane with 0, 1 or 2 bytes."""
    x = lanes.state
    x = frequency.astype(jnp.uint32) * (x >> 16) + (x & (SLOTS - 1)) - low.astype(jnp.uint32)
    need = (x < LOWEST).astype(jnp.int32) + (x < SLOTS).astype(jnp.int32)
    n = x.shape[0]
    # the index at which each lane reads, and at the end that of the next step
    before = lax.broadcasted_iota(jnp.int32, (n + 1, n), 1) < lax.broadcasted_iota(jnp.int32, (n + 1, n), 0)
    index = lanes.pointer + jnp.sum(jnp.where(before, need[None, :], 0), axis=1, dtype=jnp.int32)
    # past the end of a damaged stream every byte is zero
    pair = source.pairs.at[jnp.minimum(index[:n], len(source.pairs) - 1)].get(mode="promise_in_bounds")
    shift = (8 * need).astype(jnp.uint32)
    return Lanes((x << shift) | (pair >> (16 - shift)), index[n])


@latest(PROGRAMS)
def encode(states: jax.Array, low: jax.Array, frequency: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Encode intervals int32 [T, L], which are in decoding order. The symbols that led to `states` are decoded later.

    Returns: states uint32 [L]; bytes uint8 [T, L, 2], and which of them were emitted, bool [T, L, 2].
    """

    def push(x, interval):
        low, f = (a.astype(jnp.uint32) for a in interval)
        one, two = (x >> 16) >= f, (x >> 24) >= f
        out = jnp.stack([x >> 8, x], axis=-1).astype(jnp.uint8)
        x = x >> (8 * (one.astype(jnp.uint32) + two.astype(jnp.uint32)))
        whole = lax.div(x, f)
        # a frequency of 2^16 brings no overflow: x // f < 2^16
        return (whole << 16) + (x - whole * f) + low, (out, jnp.stack([two, one], axis=-1))

    x, (out, emitted) = lax.scan(push, states, (low, frequency), reverse=True)
    return x, out, emitted


@latest(PROGRAMS)
def decode_static(table: jax.Array, rows: jax.Array, steps: jax.Array, source: Source, lanes: Lanes):
    """Decode symbols of known distributions. Stops early at the end of the source.

    Args:
      table: int32 [tables, symbols + 1], CDFs, 2^16 past the last symbol.
      rows: int32 [T, L], the table of each symbol.
      steps: int32, how many of the T steps to take.
      lanes: the state of the coder.

    Returns: symbols int32 [T, L] and the lanes.
    """

    last = table.shape[1] - 1
    width = jnp.int32(1 << last.bit_length() - 1)

    def more(carry):
        t, _symbols, lanes = carry
        return (t < steps) & within(lanes, source)

    def step(carry):
        t, symbols, lanes = carry
        row = rows[t]

        def cdf(k):
            return table.at[row, jnp.minimum(k, last)].get(mode="promise_in_bounds")

        k, low, frequency = search(cdf, slots(lanes), jnp.zeros_like(row), width)
        return t + 1, symbols.at[t].set(k), advance(lanes, source, low, frequency)

    _, symbols, lanes = lax.while_loop(more, step, (np.int32(0), jnp.zeros_like(rows), lanes))
    return symbols, lanes


def start(lanes: int) -> np.ndarray:
    """The states with which an encoder begins and a decoder ends."""
    return np.full(lanes, LOWEST, np.uint32)


def pack_states(states: np.ndarray) -> bytes:
    """Write states uint32 [L]: for each state 3 bits for its length (25 to 32), then its bits but the leading one."""
    value = size = 0
    for x in states.tolist():
        length = x.bit_length()
        value |= ((length - 25) | (x - (1 << (length - 1))) << 3) << size
        size += 2 + length
    return value.to_bytes((size + 7) // 8, "little")


def unpack(data: bytes, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """The states uint32 [lanes] at the start of a stream, and the bytes uint8 after them. Raises `BitstreamError`."""
    value, size, states = int.from_bytes(data[: 5 * lanes], "little"), 0, []
    for _ in range(lanes):
        length = ((value >> size) & 7) + 25
        states.append((1 << (length - 1)) | ((value >> (size + 3)) & ((1 << (length - 1)) - 1)))
        size += 2 + length
    head = (size + 7) // 8
    if head > len(data):
        raise BitstreamError("the latent stream is truncated")
    return np.array(states, np.uint32), np.frombuffer(data[head:], np.uint8)


def check_within(lanes: Lanes, source: Source) -> None:
    """Raise `BitstreamError` if the decoder has read past its bytes."""
    pointer, end = jax.device_get((lanes.pointer, source.end))  # compared on the host, where nothing is compiled
    if pointer > end:
        raise BitstreamError("the latent stream is truncated")


def check_finished(lanes: Lanes, source: Source) -> None:
    """Raise `BitstreamError` unless all bytes are used and all states are those with which the encoder began."""
    pointer, end, state = jax.device_get((lanes.pointer, source.end, lanes.state))
    if pointer != end or (state != LOWEST).any():
        raise BitstreamError("the latent stream is damaged, or was made with other weights")
