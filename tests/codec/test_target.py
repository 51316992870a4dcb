"""Looking for a quality: few probes, never above a limit, and out of reach said as such."""

import math

import pytest

from gllmm_jax.codec import target


def curves():
    """Values that grow with the index: like log sizes, like PSNRs, bent both ways, in steps, level."""
    yield lambda i: 8.0 + 0.0095 * i
    yield lambda i: 8.0 + 0.004 * i
    yield lambda i: 7.0 + 2.4 * (i / 255) ** 0.6
    yield lambda i: 7.0 + 2.4 * (i / 255) ** 1.6
    yield lambda i: 8.0 + 0.0095 * (i // 3 * 3)
    yield lambda i: 11.1 + 1.8 * (1 - math.exp(-i / 40))  # the PSNR of noise


@pytest.mark.parametrize("curve", curves())
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.77, 0.99])
def test_found_in_a_few_probes(curve, share):
    wanted, probes = curve(0) + share * (curve(255) - curve(0)), []

    def value(index):
        probes.append(index)
        return curve(index)

    for goal in (target.about(math.exp(wanted)), target.at_most(round(math.exp(wanted)))):
        probes.clear()
        index = target.find(value, goal, 127)
        assert index is not None
        assert len(probes) <= 6 and len(set(probes)) == len(probes)
        # as near as any index comes, but for what is near enough
        errors = [curve(i) - goal.wanted for i in range(256)]
        best = min(-e for e in errors if e <= 0) if goal.below else min(map(abs, errors))
        assert abs(errors[index]) <= best + goal.tolerance
        assert not goal.below or errors[index] <= 0


def test_out_of_reach():
    def curve(index):
        return 8.0 + 0.0095 * index

    least, most = math.exp(curve(0)), math.exp(curve(255))
    assert target.find(curve, target.at_most(int(least) - 30), 127) is None
    assert target.find(curve, target.about(least * 0.9), 127) is None
    assert target.find(curve, target.about(most * 1.1), 127) is None
    assert target.find(curve, target.at_most(int(most) * 2), 127) == 255
    assert target.find(lambda index: 27 + 0.035 * index, target.decibels(50.0), 127) is None


def test_level_and_falling_values_are_out_of_reach_too():
    """The sizes of a single pixel are all alike, and its PSNR need not grow."""
    assert target.find(lambda _: math.log(47), target.about(1.0), 127) is None
    assert target.find(lambda _: math.log(47), target.about(99.0), 127) is None
    assert target.find(lambda _: math.log(47), target.about(47.0), 127) == 127
    assert target.find(lambda index: 35 - 0.01 * index, target.decibels(40.0), 127) is None
