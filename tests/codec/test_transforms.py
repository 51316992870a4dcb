"""Pictures in windows: the same as in one piece, and no program larger than a window."""

import numpy as np
import pytest

from gllmm_jax.codec import transforms
from gllmm_jax.config import PRESETS, STRIDE
from gllmm_jax.nn.model import Model, apply


@pytest.mark.parametrize("length", [1, 7, 128, 129, 130, 220, 333, 1000])
@pytest.mark.parametrize("reach", [8, 14])
def test_spans_cover_an_axis_and_keep_away_from_cuts(length, reach):
    found, window = transforms.spans(length, reach), min(length, transforms.WINDOW)
    assert [s.begin for s in found] == [0, *[s.end for s in found[:-1]]] and found[-1].end == length
    for span in found:
        assert 0 <= span.start <= span.begin < span.end <= span.start + window <= length
        assert span.start == 0 or span.begin - span.start >= reach
        assert span.start + window == length or span.start + window - span.end >= reach


@pytest.mark.parametrize("preset", ["mu", "light"])
def test_no_transform_sees_farther_than_is_said(preset, random_params):
    """What one latent, or the pixels under one, that is no number makes of the others."""
    config, reach = PRESETS[preset], transforms.REACH[PRESETS[preset].transform]
    params, middle, side = random_params(config), reach + 2, 2 * reach + 5
    y = np.zeros((1, side, side, config.latents), np.float32)
    y[0, middle, middle] = np.nan
    x = np.asarray(apply(config, params, y, method=Model.synthesis))[0].sum(-1)
    assert np.abs(np.argwhere(np.isnan(x)) // STRIDE - middle).max() == reach
    pixels = np.zeros((1, STRIDE * side, STRIDE * side, 3), np.float32)
    pixels[0, STRIDE * middle : STRIDE * (middle + 1), STRIDE * middle : STRIDE * (middle + 1)] = np.nan
    latents = np.asarray(apply(config, params, pixels, method=Model.analysis))[0].sum(-1)
    assert 0 < np.abs(np.argwhere(np.isnan(latents)) - middle).max() <= reach


def test_windows_give_what_the_whole_gives(mu_codec, photograph, monkeypatch):
    image = photograph(16 * 50 - 3, 16 * 75)
    y_whole, z_whole = mu_codec.analyse(image)
    pixels_whole = transforms.synthesise(mu_codec.config, mu_codec.params, y_whole, False)
    monkeypatch.setattr(transforms, "WINDOW", 40)
    y, z = mu_codec.analyse(image)
    assert (y != y_whole).mean() < 1e-3 and (z != z_whole).mean() < 1e-3  # a half may be rounded either way
    pixels = transforms.synthesise(mu_codec.config, mu_codec.params, y_whole, False)
    assert np.abs(pixels.astype(int) - pixels_whole).max() <= 1 and (pixels != pixels_whole).mean() < 1e-3
    assert np.array_equal(mu_codec.unpack(mu_codec.compress(image))[1], y)
