"""Windows cover a plane once, and nothing that is kept comes near a cut."""

import numpy as np
import pytest

from gllmm_jax.order.windows import scaled, windows


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (20, 7), (21, 22), (35, 1), (50, 61)])
@pytest.mark.parametrize("reach", [2, 9])
def test_windows_cover_a_plane_and_keep_away_from_cuts(size, reach):
    seen = np.zeros(size, int)
    for where, kept, to in windows(size, 20, reach):
        for w, k, t, length in zip(where, kept, to, size, strict=True):
            assert (w.start + k.start, w.start + k.stop) == (t.start, t.stop)
            assert 0 <= w.start <= t.start < t.stop <= w.stop <= length
            assert w.stop - w.start == min(20, length)
            assert w.start == 0 or t.start - w.start >= reach
            assert w.stop == length or w.stop - t.stop >= reach
        seen[to] += 1
    assert (seen == 1).all()


def test_scaled():
    assert scaled((slice(1, 3), slice(0, 2)), 16) == (slice(16, 48), slice(0, 32))
