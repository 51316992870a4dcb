"""Latents that are chosen for one picture: never worse, within the budget, and for the same decoder."""

import dataclasses
import itertools
import subprocess
import sys
import types

import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import Progressive
from gllmm_jax.container import container
from gllmm_jax.lof import Overfit, flips, loss, overfit
from gllmm_jax.presets import PRESETS
from gllmm_jax.walk.latents import clamp_latents

SMALL = dataclasses.replace(PRESETS["light"], widths=(8, 8, 8), latents=16, hyper=8, hidden=(16, 16), block="plain")
MODELS = {"raster": SMALL, "progressive": dataclasses.replace(SMALL, msp=Progressive(scales=2, width=8, depth=1))}

SHAPE = 40, 56, 3  # of most pictures: each shape is compiled


@pytest.fixture(scope="module", params=MODELS)
def codec(request, random_params, photograph):
    config = MODELS[request.param]
    weights = make_weights(request.param, config, random_params(config), [photograph(64, 64)], {"lmbda": 0.0005})
    return Codec(weights)


@pytest.mark.parametrize(
    ("method", "shape"),
    [("greedy", SHAPE), ("greedy", (17, 9, 1)), ("straight-through", (17, 9, 1)), ("gumbel", SHAPE)],
)
def test_never_worse_and_mostly_better(codec, photograph, method, shape):
    image, seen = photograph(*shape), []
    y, z = codec.analyse(image)
    given = y.copy(), z.copy()
    found = Overfit(steps=10, method=method).search(codec, image, y, z, lambda *now: seen.append(now))
    assert np.array_equal(y, given[0]) and np.array_equal(z, given[1]), "the given latents were changed"
    assert found.before == overfit.cost(codec, image, y, z)
    assert found.after == overfit.cost(codec, image, found.y_hat, found.z_hat)
    assert found.after.loss(found.lmbda) <= found.before.loss(found.lmbda)
    if method != "straight-through":  # `gumbel` ends with single steps too
        assert found.after.loss(found.lmbda) < 0.999 * found.before.loss(found.lmbda)
    assert found.rounds == 10 and [point.rounds for point in found.curve] == [1, 2, 5, 10]
    assert found.curve[-1].loss == pytest.approx(found.after.loss(found.lmbda), rel=1e-3)
    clamped = clamp_latents(codec.twin, found.y_hat, found.z_hat)
    assert np.array_equal(clamped[0], found.y_hat) and np.array_equal(clamped[1], found.z_hat)
    losses = [point.loss for point in found.curve]
    assert losses == sorted(losses, reverse=True)
    assert seen[0][1] == 0 and seen[-1][1:] == (1000, 1000) and seen[-1][0].startswith("loss ")


def test_single_steps_go_by_the_curvature(codec, photograph, monkeypatch):
    image = photograph(*SHAPE)
    pair = codec.analyse(image)
    usual = Overfit(steps=3).search(codec, image, *pair)
    monkeypatch.setattr(flips, "curvature", lambda *given: 0 * loss.curvature(*given))
    flat = Overfit(steps=3).search(codec, image, *pair)
    assert not np.array_equal(usual.y_hat, flat.y_hat)


def test_the_loss_that_is_told_is_that_of_the_file(codec, photograph):
    """Bytes less the header and the coder's states; the search and the whole picture count alike."""
    image = photograph(*SHAPE)
    y, z = codec.analyse(image)
    found = Overfit(steps=10).search(codec, image, y, z)
    assert found.curve[-1].loss == pytest.approx(found.after.loss(found.lmbda), rel=1e-4)
    data = codec.pack(found.y_hat, found.z_hat, image.shape)
    shown = codec.decompress(data).astype(np.float64)
    assert np.mean((shown - image) ** 2) == pytest.approx(found.after.mse, rel=1e-6)
    bits = found.after.bpp * image.shape[0] * image.shape[1]
    header = len(container.pack(container.unpack(data)[0], b""))
    assert 0.98 * bits < 8 * (len(data) - header) < 1.02 * bits + 8 * 16


def test_equal_seeds_give_equal_files(codec, photograph):
    image = photograph(*SHAPE)
    first, again, other = (codec.encode(image, refine=Overfit(steps=4, seed=seed)).data for seed in (1, 1, 2))
    assert first == again != other


def test_seconds_end_it(codec, photograph, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(overfit, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    image = photograph(*SHAPE)
    assert Overfit(seconds=12).search(codec, image, *codec.analyse(image)).rounds in range(2, 12)


def test_a_search_without_success_ends_early(codec, photograph, monkeypatch):
    monkeypatch.setattr(overfit, "PATIENCE", 3)
    monkeypatch.setattr(overfit.Judge, "take", lambda self, judged: False)
    image = photograph(*SHAPE)
    found = Overfit(steps=50).search(codec, image, *codec.analyse(image))
    assert found.rounds == 3 and found.after == found.before


@pytest.mark.parametrize("codec", ["raster", pytest.param("progressive", marks=pytest.mark.slow)], indirect=True)
def test_windows_leave_each_other_alone(codec, photograph, monkeypatch):
    """A picture larger than a window: its parts are searched in turn, and together they are better."""
    seen = []

    class Watched(overfit.Judge):
        def judge(self, choices):
            found = super().judge(choices)
            seen.extend((self._first[0].copy(), self.free, each) for each in found)
            return found

    monkeypatch.setattr(overfit, "Judge", Watched)
    monkeypatch.setattr(overfit, "SIDE", 128)
    monkeypatch.setattr(overfit, "reach", lambda config: 2)
    image = photograph(200, 180)
    y, z = codec.analyse(image)
    found = Overfit(steps=5).search(codec, image, y, z)
    assert found.rounds == 5 * 2
    assert found.after.loss(found.lmbda) < found.before.loss(found.lmbda)
    changed = np.argwhere((found.y_hat != y).any(-1))
    assert (changed.min(axis=0) < 4).all() and (changed.max(axis=0) > 8).all()
    assert not all(free.all() for _, free, _ in seen)
    for first, free, judged in seen:
        np.testing.assert_array_equal(judged.y[~free], first[~free])


def test_what_is_worse_as_a_whole_is_not_kept(codec, photograph, monkeypatch):
    image = photograph(*SHAPE)
    y, z = codec.analyse(image)
    costs = iter([overfit.Cost(1.0, 1.0), overfit.Cost(2.0, 2.0)])
    monkeypatch.setattr(overfit, "cost", lambda *_: next(costs))
    found = Overfit(steps=3).search(codec, image, y, z)
    assert np.array_equal(found.y_hat, y) and np.array_equal(found.z_hat, z) and found.after == found.before


def test_a_decoder_needs_none_of_it(codec, photograph, tmp_path):
    """A process in which the room cannot be imported decodes the file to the same latents."""
    image = photograph(*SHAPE)
    data, report = codec.encode(image, refine=Overfit(steps=3))
    weights = zoo.Weights(codec.name, codec.config, codec.params, codec.twin.arrays, codec.provenance)
    zoo.save(tmp_path / "w.npz", weights)
    (tmp_path / "a.gllm").write_bytes(data)
    program = (
        "import sys; sys.modules['gllmm_jax.lof'] = None\n"
        "import gllmm_jax\n"
        "data = open(sys.argv[2], 'rb').read()\n"
        "print(gllmm_jax.load(sys.argv[1]).decode(data).report.latents_crc32)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "w.npz"), str(tmp_path / "a.gllm")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == str(report.latents_crc32), done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "as steps, as seconds, or both"),
        ({"steps": 0}, "steps must be above zero"),
        ({"seconds": float("nan")}, "seconds must be above zero"),
        ({"steps": 2.5}, "steps must be a whole number, not 2.5"),
        ({"steps": 3, "seed": -1}, "seed must be a whole number"),
        ({"steps": 3, "method": "luck"}, "greedy, straight-through, gumbel, not 'luck'"),
        ({"steps": 3, "lmbda": -1.0}, "lmbda must be above zero"),
    ],
)
def test_searches_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        Overfit(**settings)


@pytest.mark.parametrize(
    ("provenance", "words"),
    [({}, "does not say what lambda"), ({"lmbda": 8.0, "distortion": "ms-ssim"}, "was trained for MS-SSIM")],
)
def test_weights_that_say_too_little(codec, photograph, provenance, words, monkeypatch):
    monkeypatch.setattr(codec, "provenance", provenance)
    with pytest.raises(ValueError, match=words):
        codec.encode(photograph(*SHAPE), refine=Overfit(steps=1))
