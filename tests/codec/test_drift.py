"""Biases of the twin make up for what rounding adds to outputs on average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.nn.model import Model
from gllmm_jax.twin import exact, observe
from gllmm_jax.twin.precision import drift
from tests.codec.twins import CHENG, JOINT, MEAN, MU, carried, tree, twin
from tests.compiled import apply

synthesis = jax.jit(exact.hyper_synthesis, static_argnums=0)


@pytest.mark.parametrize("config", [MU, MEAN, JOINT, CHENG], ids=lambda c: c.preset)
def test_rounding_adds_nothing_to_a_channel_on_average(config):
    """The mean error of a channel of phi is a small part of its spread. It is 0.6 to 0.8 of it without `drift`."""
    found, given = [], [carried(config, 8, 12, seed) for seed in range(100, 104)]  # as in calibration
    for _, z in given:
        phi = np.asarray(synthesis(config, twin(config).nets.layers, jnp.asarray(z), z.shape[:2]), np.float64)
        wanted = np.asarray(apply(config, tree(config), z[None].astype(np.float32), method=Model.hyper_synthesis))[0]
        scale = 2.0 ** np.rint(np.log2((phi * wanted).sum() / (wanted * wanted).sum()))
        found.append((phi / scale - wanted).reshape(-1, phi.shape[-1]))
    error = np.concatenate(found)
    assert (np.abs(error.mean(0)) < 0.4 * error.std(0)).all()


def test_each_place_of_a_block_makes_up_for_its_own_rounding():
    key, exponent = np.random.default_rng(5), 3
    kernel, x = key.normal(size=(4, 20, 6)), key.normal(size=(2000, 20)) + 0.3
    x, weight = observe.leaky(x), np.rint(kernel * 16) / 16
    seen = observe.Range(np.abs(x).max(0), np.square(x).mean(0), x.mean(0), (x < 0).mean(0))
    rounded = np.where(x < 0, np.floor(x * 2**exponent), np.rint(x * 2**exponent)) / 2**exponent
    error = np.stack([rounded @ weight[i] - x @ kernel[i] for i in range(4)]).mean(1)
    left = error - drift("place", kernel, weight, exponent, seen)
    assert np.abs(left).max() < 0.15 * np.abs(error).max()
