"""Parts of pictures and small ones: what the whole picture shows there."""

import dataclasses

import numpy as np
import pytest

from gllmm_jax.codec import transforms, view
from gllmm_jax.codec.view import View
from gllmm_jax.config import VariableRate
from gllmm_jax.errors import BitstreamError
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.presets import PRESETS
from gllmm_jax.progress import silent

LONG, SHORT = 16 * 36 - 3, 16 * 9 - 5
CROPS = [(0, 0, 1, 1), (LONG - 1, SHORT - 1, 1, 1), (290, 37, 31, 100), (0, 0, LONG, SHORT)]


@pytest.mark.parametrize("side", [transforms.SIDE, 32])
@pytest.mark.parametrize("upright", [False, True])
def test_a_crop_is_that_part_of_the_whole(mu_codec, photograph, monkeypatch, side, upright):
    """The latents around it are all that it needs, with windows and without."""
    monkeypatch.setattr(transforms, "SIDE", side)
    data, seen = mu_codec.compress(photograph(*((LONG, SHORT, 1) if upright else (SHORT, LONG)))), []
    whole, run = mu_codec.decompress(data), transforms.synthesise
    monkeypatch.setattr(transforms, "synthesise", lambda *given: seen.append(given[2].shape[:2]) or run(*given))
    for x, y, width, height in ((y, x, h, w) for x, y, w, h in CROPS) if upright else CROPS:
        part = mu_codec.decompress(data, crop=(x, y, width, height)).astype(int)
        part -= whole[y : y + height, x : x + width]
        assert np.abs(part).max() <= 1 and (part != 0).mean() < 1e-3
    sees = transforms.reach(mu_codec.config)
    sizes = [(9, 1 + sees), (9, 1 + sees), (9, 3 + 2 * sees), (9, 36)]
    assert seen == ([size[::-1] for size in sizes] if upright else sizes)


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
def test_small_pictures_without_a_linear_part_are_means(mu_codec, photograph, scale):
    image = photograph(40, 56)
    data = mu_codec.compress(image)
    whole = mu_codec.decompress(data).astype(float)
    small = mu_codec.decode(data, scale=scale)
    assert small.image.shape == (-(-40 // scale), -(-56 // scale), 3) == (*small.report[:2], 3)
    for i, j in ((0, 0), (40 // scale - 1, 56 // scale - 1)):
        block = whole[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
        assert np.abs(small.image[i, j] - block.mean((0, 1))).max() <= 0.5
    edge = np.full((5, 3), 200, np.uint8)
    assert (View(None, 4).shown(edge) == np.full((2, 1), 200)).all()


@pytest.mark.parametrize("scale", [8, 16])
@pytest.mark.parametrize("rate", [None, VariableRate()])
def test_small_pictures_of_a_linear_part(random_params, monkeypatch, scale, rate):
    """Where g_s adds the same everywhere, they are the means of the whole; and only what it adds is asked of it."""
    config = dataclasses.replace(PRESETS["light"], widths=(4, 4, 4), latents=6, rate=rate)
    params, rng, kept = random_params(config), np.random.default_rng(0), {}
    params = params if rate is None else at_quality(params, 90.0)
    last, linear = (params["g_s"][name] for name in ("last", "linear"))
    last |= {"kernel": np.zeros_like(last["kernel"]), "bias": np.tile(np.array([-0.05, 0.03, 0.1], np.float32), 16)}
    quarters = np.kron(rng.normal(size=(config.latents, 2, 2, 3)), np.ones((8, 8, 1))).reshape(linear["kernel"].shape)
    linear |= {"kernel": linear["kernel"] + quarters.astype(np.float32), "bias": linear["bias"] / 4}
    y_hat = rng.integers(-1, 2, (7, 5, config.latents)).astype(np.int32)
    whole = transforms.synthesise(config, params, y_hat, False)
    assert whole.min() > 0 and whole.max() < 255 and np.std(whole) > 20
    small = view.synthesise(config, params, y_hat, False, (100, 70), View(None, scale), kept, silent)
    means = whole.reshape(7 * 16 // scale, scale, 5 * 16 // scale, scale, 3).mean((1, 3))
    assert small.shape == (-(-100 // scale), -(-70 // scale), 3)
    assert np.abs(small - means[: len(small), : small.shape[1]]).max() <= 1 and np.std(small) > 15
    monkeypatch.setattr(transforms, "synthesise", None)
    gray = view.synthesise(config, params, y_hat, True, (100, 70), View(None, scale), kept, silent)
    assert np.abs(gray - small.mean(-1, keepdims=True)).max() <= 1 and np.ptp(gray, axis=-1).max() == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"crop": (0, 0, 21, 5)}, "the crop 0,0,21,5 reaches beyond the picture, which has 20 x 30 pixels"),
        ({"crop": (0, 30, 1, 1)}, "the crop 0,30,1,1 reaches beyond the picture"),
        ({"crop": (-1, 0, 5, 5)}, "a crop begins in the picture and has a pixel: -1,0,5,5 does not"),
        ({"crop": (0, 0, 0, 5)}, "has a pixel: 0,0,0,5"),
        ({"crop": (0, 0, 5)}, r"a crop is four whole numbers: left, top, width and height; not \(0, 0, 5\)"),
        ({"crop": (0, 0, 5, 5.5)}, "four whole numbers"),
        ({"scale": 3}, "the scale is one of 1, 2, 4, 8, 16, not 3"),
        ({"scale": 2, "crop": (0, 0, 5, 5)}, "a crop or a scale is taken, not both at once"),
    ],
)
def test_views_that_cannot_be(mu_codec, photograph, options, why):
    data = mu_codec.compress(photograph(30, 20))
    with pytest.raises(ValueError, match=why) as caught:
        mu_codec.decompress(data, **options)
    assert not isinstance(caught.value, BitstreamError)
