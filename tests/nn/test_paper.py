"""The networks of the paper, against the same written out in NumPy, and what they cost."""

import dataclasses
import functools
import itertools

import jax
import numpy as np
import pytest

from gllmm_jax.config import ModelConfig
from gllmm_jax.evaluate.cost import costs, rounds
from gllmm_jax.nn.model import Model, init_params
from gllmm_jax.presets import PRESETS
from tests.compiled import apply
from tests.nn import written_out

TINY = ModelConfig(preset="tiny", widths=(4,), latents=6, hyper=5, hidden=(7, 8))
"""Every width another."""


@pytest.mark.parametrize(
    ("method", "net", "shapes"),
    [
        (Model.analysis, "g_a", [(1, 32, 48, 3)]),
        (Model.synthesis, "g_s", [(1, 2, 3, 6)]),
        (Model.hyper_analysis, "h_a", [(2, 8, 12, 6)]),
        (Model.hyper_synthesis, "h_s", [(2, 2, 3, 5)]),
        (Model.context, "context", [(2, 5, 7, 6)]),
        (Model.parameters, "entropy", [(2, 2, 3, 12), (2, 2, 3, 12)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_written_out(method, net, shapes, any_params):
    params = any_params(functools.partial(init_params, TINY))
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape) for shape in shapes]
    out = jax.jit(lambda p, *arrays: apply(TINY, p, *arrays, method=method))(params, *map(np.float32, arrays))
    expected = getattr(written_out, net)(params[net], *arrays)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("n", "g_a", "h_a", "h_s", "context", "entropy", "g_s", "encode", "decode"),
    [
        (128, 283.9, 1.5, 2.3, 1.5, 23.7, 329.1, 313.0, 356.7),
        (192, 638.1, 3.3, 5.3, 3.5, 33.9, 737.9, 684.1, 780.6),
        (256, 1133.8, 5.9, 9.4, 6.1, 44.2, 1309.6, 1199.4, 1369.2),
    ],
)
def test_costs_of_the_paper(n, g_a, h_a, h_s, context, entropy, g_s, encode, decode):
    found = list(costs(PRESETS[f"gllmm-{n}"]).values())
    assert found == pytest.approx([g_a, h_a, h_s, context, entropy, g_s], abs=0.06)
    assert sum(found[:5]) == pytest.approx(encode, abs=0.06)
    assert sum(found[2:]) == pytest.approx(decode, abs=0.06)


def test_costs_of_a_model_without_entropy_net():
    """By hand: 5x5 kernels at half the resolution, a quarter, an eighth and a sixteenth, and GDN but at the last."""
    found = costs(PRESETS["mbt2018-mean-192"])
    assert list(found) == ["analysis", "hyper_analysis", "hyper_synthesis", "synthesis"]
    ends = 25 / 1e3 * (3 * 128 / 4 + 128**2 / 16 + 128**2 / 64 + 128 * 192 / 256)
    ends += 128**2 / 1e3 * (1 / 4 + 1 / 16 + 1 / 64)
    assert found["analysis"] == pytest.approx(ends, rel=1e-6) and found["synthesis"] == pytest.approx(ends, rel=1e-6)


def test_costs_of_groups_of_channels():
    """By hand: 12 open taps around, three 5x5 kernels on earlier channels, and widths on a straight line."""
    config = PRESETS["elic2022-320"]
    whole = 12 * 2 * (16**2 + 16**2 + 32**2 + 64**2 + 192**2)
    whole += sum(
        25 * (first * 224 + 224 * 128 + 128 * 2 * n) for first, n in ((16, 16), (32, 32), (64, 64), (128, 192))
    )
    for widths in (
        (416, 384, 384, 32),
        (448, 384, 384, 32),
        (512, 384, 384, 64),
        (640, 469, 384, 128),
        (1152, 896, 640, 384),
    ):
        whole += sum(a * b for a, b in itertools.pairwise(widths))
    assert costs(config)["mixture"] == pytest.approx(whole / 256 / 1e3, rel=1e-6)
    assert rounds(config, (512, 768)) == 10 and rounds(config, (16, 16)) == 5


def test_costs_of_variants():
    """Of section 10: leaky blocks 447, three stages 837, both ends of the codec run once."""
    for block, expected in (("leaky", 447), ("crm3", 837)):
        config = dataclasses.replace(PRESETS["gllmm-128"], block=block)
        assert sum(costs(config).values()) == pytest.approx(expected, abs=1)
