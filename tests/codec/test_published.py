"""Models that others published, of which one rounds y less a mean that z gives: what is special about their files."""

import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.codec import transforms
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.lof import Overfit
from gllmm_jax.nn.model import Model
from gllmm_jax.walk import latents
from tests.codec.twins import BALLE, MEAN
from tests.compiled import apply


@pytest.fixture(scope="module")
def codec(random_params, photograph) -> Codec:
    """Of the mean and scale hyperprior."""
    pictures, params = [photograph(96, 96, seed=seed) for seed in range(2)], random_params(MEAN)
    params["h_s"]["conv2"]["bias"][MEAN.latents :] += 1  # scales that the latents fit
    return Codec(make_weights("mean", MEAN, params, pictures, {"lmbda": 0.013}))


def test_rounded_about_means_that_integers_give(codec, photograph):
    image = photograph(70, 90)
    y, (y_hat, z_hat) = transforms.ungained(MEAN, codec.params, image), codec.analyse(image)
    shown = codec.shown(y_hat, z_hat)
    means = shown - y_hat
    assert np.abs(means).max() > 0.2 and np.array_equal(means * 256, np.rint(means * 256))
    assert np.abs(shown - y).max() <= 0.5
    floats = apply(MEAN, codec.params, jnp.asarray(z_hat[None], jnp.float32), method=Model.means)[0]
    assert np.abs(floats[: y.shape[0], : y.shape[1]] - means).mean() < 0.02
    decoded = codec.decode(codec.compress(image)).image
    assert np.array_equal(decoded, transforms.synthesise(MEAN, codec.params, shown, False)[:70, :90])


def test_rates_of_integers_are_those_of_floats(codec, photograph):
    image = photograph(70, 90)
    found = latents.estimated_bits(codec.twin, *codec.analyse(image))
    assert found.y + found.z == pytest.approx(codec.encode(image).report.bits_estimated, rel=0.01)


def test_small_pictures_decode_together(codec, photograph):
    files = [codec.compress(photograph(20, 33, seed=seed)) for seed in range(2)]
    for picture, data in zip(codec.decompress_many(files, batch=2), files, strict=True):
        assert np.abs(picture.astype(int) - codec.decompress(data)).max() <= 1


def test_latents_about_means_are_not_refined(codec, photograph):
    with pytest.raises(ValueError, match="'mean' rounds y about means that z gives"):
        codec.encode(photograph(20, 33), refine=Overfit(steps=1))


def test_an_offset_is_not_seen_beyond_the_edges(random_params, photograph):
    """In a program with room the picture is that of the latents alone."""
    params = random_params(BALLE)
    params["g_s"]["offset"]["offset"] += 2
    y_hat = np.random.default_rng(0).integers(-3, 4, (9, 10, BALLE.latents))
    alone = apply(BALLE, params, jnp.asarray(y_hat[None], jnp.float32), method=Model.synthesis)[0]
    alone = np.rint(np.clip(np.asarray(alone), 0, 1) * 255)
    assert np.abs(transforms.synthesise(BALLE, params, y_hat.astype(np.int32), False) - alone).max() <= 1
