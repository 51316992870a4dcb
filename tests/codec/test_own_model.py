"""An entropy model of one's own under the public loops: the example of `walk.loops`, and other tables and schedules."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.entropy import rans
from gllmm_jax.order.schedule import Schedule
from gllmm_jax.prob.distributions import Tables
from gllmm_jax.walk import loops


def test_the_example_runs():
    """Copied, so without what the module itself imports."""
    assert doctest.testmod(loops, globs={}).attempted > 5
    assert doctest.testmod(loops, globs={}).failed == 0


def distribute(plane, rows):
    """Four symbols, of which the one that the row above holds in the same channel is the likely one."""
    above = plane[jnp.maximum(rows - 1, 0)] * (rows > 0)[:, None]
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
        steps = [_steps(a, schedule.counts, lanes, certain) for a, certain in zip(coded[:2], (0, 65536), strict=True)]
        states, out, emitted = rans.encode(rans.start(lanes), *steps)
        keep = emitted.reshape(-1)
        to = jnp.where(keep, jnp.cumsum(keep) - 1, keep.size)
        data = jnp.zeros(keep.size + 2, jnp.uint32).at[to].set(out.reshape(-1).astype(jnp.uint32), mode="drop")
        source = rans.Source(data << 8 | jnp.roll(data, -1), None)
        excess = jnp.zeros_like(plane)
        for group, over in zip(schedule.rows, coded.excess, strict=True):
            excess = loops.settle(excess, group, over)
        plane, left = loops.decode(distribute, excess, schedule, source, rans.Lanes(states, jnp.int32(0)))
        return plane, jnp.all(left.state == rans.LOWEST) & (left.pointer == keep.sum())

    found, whole = there_and_back(planes)
    assert np.array_equal(found, planes) and whole.all()


def _steps(a, counts, lanes, certain):
    width = a.shape[2]
    groups = [a[g, :count].reshape(-1) for g, count in enumerate(counts)]
    filled = [jnp.pad(g, (0, -count * width % lanes), constant_values=certain)
              for g, count in zip(groups, counts, strict=True)]  # fmt: skip
    return jnp.concatenate(filled).reshape(-1, lanes)
