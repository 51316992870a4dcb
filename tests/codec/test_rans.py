"""The coder alone, on intervals that no model made."""

import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.entropy import rans
from gllmm_jax.errors import BitstreamError
from gllmm_jax.prob import tables


def random_intervals(steps, lanes, seed=0):
    key = np.random.default_rng(seed)
    spread = 2.0 ** key.uniform(0, 16, (steps, lanes))
    frequency = np.clip(spread, 1, 65536).astype(np.int32)
    return (key.random((steps, lanes)) * (65537 - frequency)).astype(np.int32), frequency


def decode(data, lanes, low, frequency):
    """Pop the known intervals, checking that each slot lies in its own."""
    states, found = rans.unpack(data, lanes)
    source, state = rans.source(found), rans.Lanes(jnp.asarray(states), jnp.int32(0))
    for a, f in zip(low, frequency, strict=True):
        slot = np.asarray(rans.slots(state))
        assert ((a <= slot) & (slot < a + f)).all()
        state = rans.advance(state, source, jnp.asarray(a), jnp.asarray(f))
    rans.check_finished(state, source)


def encode(low, frequency):
    states, out, emitted = rans.encode(rans.start(low.shape[1]), jnp.asarray(low), jnp.asarray(frequency))
    return rans.pack_states(np.asarray(states)) + np.asarray(out)[np.asarray(emitted)].tobytes()


@pytest.mark.parametrize("lanes", [1, 2, 8, 64])
def test_round_trip_and_size(lanes):
    low, frequency = random_intervals(64, lanes)
    data = encode(low, frequency)
    decode(data, lanes, low, frequency)
    ideal = (16 - np.log2(frequency)).sum() / 8
    assert ideal - 1 < len(data) < 1.0005 * ideal + 4 * lanes + 1


def test_the_whole_interval_is_free():
    low, frequency = random_intervals(40, 4)
    idle = np.zeros((100, 4), np.int32), np.full((100, 4), tables.TOTAL, np.int32)
    more = (np.concatenate([i, a, i]) for i, a in zip(idle, (low, frequency), strict=True))
    assert encode(*more) == encode(low, frequency)


def test_search_finds_every_slot():
    cdf = jnp.asarray(tables.cumulative(np.linspace(0, 1, 12)))
    slot = jnp.arange(0, tables.TOTAL, 37, dtype=jnp.int32)
    k, low, frequency = rans.search(lambda k: cdf[jnp.minimum(k, 11)], slot, jnp.zeros_like(slot), jnp.int32(8))
    assert ((cdf[k] <= slot) & (slot < cdf[k + 1])).all()
    assert (low == cdf[k]).all() and (low + frequency == cdf[k + 1]).all()


def test_states_are_packed_to_the_bit():
    states = np.array([1 << 24, (1 << 32) - 1, 1 << 31, 123456789], np.uint32)
    data = rans.pack_states(states)
    assert len(data) == -(-(27 + 34 + 34 + 29) // 8)
    assert (rans.unpack(data, 4)[0] == states).all()
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            rans.unpack(data[:n], 4)


def test_lane_count_divides_the_channels_and_grows_with_the_picture():
    assert rans.lane_count(128, 128) == 1
    assert rans.lane_count(10**9, 128) == rans.MAX_LANES
    assert rans.lane_count(10**9, 24) == 8
    assert rans.lane_count(10**9, 9) == 1
