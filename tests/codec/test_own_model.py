"""An entropy model of one's own under the public loops: other tables and schedules than their example has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.entropy import rans
from gllmm_jax.order.schedule import Schedule
from gllmm_jax.prob.distributions import Tables
from gllmm_jax.walk import loops


def distribute(plane, rows):
    """Four symbols, of which the one that the row above holds in the same channel is the likely one."""
    above = jnp.where(rows[:, None] > 0, plane[jnp.maximum(rows - 1, 0)], 0)
    likely = jnp.arange(4)[None, :, None] == jnp.clip(above, 0, 3)[:, None, :]
    frequency = jnp.where(likely, 65536 - 3 * 9000, 9000)
    return Tables(jnp.pad(jnp.cumsum(frequency, axis=1), ((0, 0), (1, 0), (0, 0))).astype(jnp.int32))


@pytest.mark.parametrize(("channels", "lanes"), [(4, 4), (4, 2), (3, 2), (3, 1)])
def test_coded_and_decoded_under_jit_and_vmap(channels, lanes):
    rows = np.array([[0, -1], [1, -1], [2, -1], [3, 9], [-1, -1], [4, -1]], np.int32)  # 9 sees 8: zeros
    schedule = Schedule(rows, np.array([1, 1, 1, 2, 0, 1], np.int32))
    planes = np.random.default_rng(0).integers(0, 4, (3, 10, channels)).astype(np.int32)
    planes[:, 5:9] = 0
    planes[1, 2, 0] = 70  # beyond its table

    @jax.jit
    @jax.vmap
    def there_and_back(plane):
        coded = loops.intervals(distribute, plane, schedule.rows)
        steps = loops.steps(coded, *schedule, lanes)
        assert len(steps[0]) == loops.step_counts(schedule.counts, channels, lanes).sum()
        states, out, emitted = rans.encode(rans.start(lanes), *steps)
        data, length = rans.compact(out, emitted)
        excess, begin = loops.excess(coded, schedule.rows, plane), rans.Lanes(states, jnp.int32(0))
        plane, left = loops.decode(distribute, excess, schedule, rans.traced_source(data), begin)
        return plane, jnp.all(left.state == rans.LOWEST) & (left.pointer == length)

    found, whole = there_and_back(planes)
    assert np.array_equal(found, planes) and whole.all()


def test_a_source_under_a_trace_may_have_an_end():
    """And may be cut: then the loop stops soon after it."""
    schedule = Schedule(np.arange(40, dtype=np.int32)[:, None], np.ones(40, np.int32))
    plane = np.random.default_rng(1).integers(0, 4, (40, 2)).astype(np.int32)
    coded = loops.intervals(distribute, plane, schedule.rows)
    states, out, emitted = rans.encode(rans.start(1), *loops.steps(coded, *schedule, 1))
    data, length = rans.compact(out, emitted)
    assert np.array_equal(data[:length], out[emitted]) and not data[length:].any()

    @jax.jit
    def decoded(data, length):
        source, lanes = rans.traced_source(data, length), rans.Lanes(states, jnp.int32(0))
        return loops.decode(distribute, jnp.zeros_like(plane), schedule, source, lanes)

    assert np.array_equal(decoded(data, length)[0], plane)
    found, lanes = decoded(data, length // 2)
    assert length // 2 < lanes.pointer < length and not np.array_equal(found, plane)
