"""The schedule against its definition, by brute force."""

import numpy as np
import pytest

from gllmm_jax.config import TAPS
from gllmm_jax.order.schedule import bucket, checkerboard, regrouped, segments, wavefront

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (7, 3), (5, 11), (16, 24), (13, 40)]


def in_parts(height, width):
    return checkerboard(height, width, most=7)


@pytest.mark.parametrize("make", [wavefront, checkerboard, in_parts])
@pytest.mark.parametrize("size", SIZES)
def test_every_position_once_and_after_all_it_sees(size, make):
    h, w = size
    schedule, taps = make(h, w), TAPS["raster" if make is wavefront else "checkerboard"]
    when = np.full((h, w), -1)
    for g, (sites, count) in enumerate(zip(schedule.rows, schedule.counts, strict=True)):
        assert count >= 1 and (sites[:count] >= 0).all() and (sites[count:] == -1).all()
        for site in sites[:count]:
            assert when[divmod(site, w)] == -1
            when[divmod(site, w)] = g
    assert (when >= 0).all()
    for i, j in np.ndindex(h, w):
        for dy, dx in taps if make is wavefront or (i + j) % 2 else ():
            if 0 <= i + dy < h and 0 <= j + dx < w:
                assert when[i + dy, j + dx] < when[i, j]


def test_number_of_groups():
    assert wavefront(32, 48).rows.shape == (141, 16)
    assert wavefront(76, 76).rows.shape[0] == 301
    assert checkerboard(32, 48).rows.shape == (2, 768)
    assert checkerboard(1, 1).rows.shape == (1, 1)
    assert wavefront(40, 1).rows.shape == (40, 1)  # empty groups are dropped


@pytest.mark.parametrize("size", SIZES)
def test_regrouping_and_padding_keep_the_order(size):
    schedule = wavefront(*size)
    for other in (
        regrouped(schedule.order(), 16),
        *segments(schedule, 1000),
        *segments(regrouped(schedule.order(), 4), 1000),
    ):
        assert (other.order() == schedule.order()).all()
        assert other.counts.sum() == size[0] * size[1]
        assert ((other.rows >= 0).sum(1) == other.counts).all()


@pytest.mark.parametrize("size", SIZES)
def test_segments_are_the_same_groups_in_runs_of_one_shape(size):
    schedule = wavefront(*size)
    parts = segments(schedule, 16)
    assert {part.rows.shape for part in parts} == {(16, bucket(schedule.rows.shape[1]))}
    assert np.array_equal(np.concatenate([part.order() for part in parts]), schedule.order())
    counts = np.concatenate([part.counts for part in parts])
    assert np.array_equal(counts[: len(schedule.counts)], schedule.counts) and not counts[len(schedule.counts) :].any()


@pytest.mark.parametrize(("fine", "waste", "many"), [(False, 1.5, 25), (True, 1.25, 50)])
def test_bucket_wastes_at_most_a_half_or_a_quarter(fine, waste, many):
    for n in range(1, 3000):
        assert n <= bucket(n, least=1, fine=fine) <= waste * n + 1
    assert bucket(3, fine=fine) == 16
    assert len({bucket(n, least=1, fine=fine) for n in range(1, 3000)}) < many
