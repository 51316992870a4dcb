"""The weights that come with the package: real files keep to the estimate, and the pictures are pictures."""

import numpy as np
import pytest
from skimage import data

import gllmm_jax
from gllmm_jax import zoo
from gllmm_jax.lof import Overfit
from gllmm_jax.metrics import psnr
from gllmm_jax.walk import latents


@pytest.fixture(scope="module")
def codec():
    return gllmm_jax.load()


def test_the_default_is_installed():
    assert zoo.DEFAULT in zoo.names()


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("name", ["chelsea", "rocket"])
def test_bytes_keep_to_the_float_estimate(codec, name, quality):
    image, codec = getattr(data, name)(), codec.at(quality)
    encoded = codec.encode(image)
    estimate = encoded.report.bits_estimated / 8
    assert psnr(codec.decompress(encoded.data), image, peak=255.0) > 26 + 0.06 * quality
    y_hat, z_hat = codec.analyse(image)
    integer = sum(latents.estimated_bits(codec.twin, y_hat, z_hat)) / 8
    assert 0 < len(encoded.data) - integer <= 100  # header, and the coder's 16 lanes
    assert abs(integer - estimate) <= 0.005 * estimate + 16  # a flat picture at a low quality costs 15 bytes of 2,000


def test_gray_stays_gray(codec):
    image = data.chelsea().mean(axis=2, keepdims=True).astype(np.uint8)
    decoded = codec.decompress(codec.compress(image))
    assert decoded.shape == image.shape
    assert psnr(decoded, image, peak=255.0) > 28


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == zoo.DEFAULT else pytest.mark.slow) for name in zoo.names()]
)
def test_latent_overfitting_predicts_the_bytes(name):
    image, codec = data.chelsea()[:256, :256], gllmm_jax.load(name)
    encoded = codec.encode(image, refine=Overfit(steps=2))
    assert psnr(codec.decompress(encoded.data), image, peak=255.0) > 28
    refined = encoded.report.refined
    assert refined is not None
    losses = [refined[f"bpp_{when}"] + refined["lmbda"] * refined[f"mse_{when}"] for when in ("before", "after")]
    assert losses[1] < 0.995 * losses[0]  # the better an encoder is, the less it leaves
    assert encoded.report.bytes == pytest.approx(refined["bytes_expected"], rel=0.005)
