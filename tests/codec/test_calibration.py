"""The twin's calibration: channels get the precision they need, and biases make up for rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.nn.model import Model
from gllmm_jax.prob import tables
from gllmm_jax.twin import equalise, exact, observe
from gllmm_jax.twin.calibrate import float_layers, make_twin
from gllmm_jax.twin.precision import drift
from gllmm_jax.twin.wiring import specs
from tests.codec.twins import CHENG, ELIC, FAST, JOINT, MEAN, MU, SEEDS, carried, draw, tree, twin
from tests.compiled import apply

synthesis = jax.jit(exact.hyper_synthesis, static_argnums=0)


def given(config):
    return [observe.Latents(*draw(config, 8, 12, seed)) for seed in range(100, 104)]


@pytest.mark.parametrize("config", [MU, MEAN, CHENG, ELIC, FAST, SEEDS], ids=lambda c: c.preset)
def test_equalised_layers_are_the_same_function_and_have_the_ranges_told(config):
    layers = float_layers(config, tree(config))
    before = observe.activations(config, layers, given(config))
    scaled, (told,) = equalise.equalise(specs(config), layers, [before])
    after, changed = observe.activations(config, scaled, given(config)), 0
    for name, seen in after.items():
        for found, wanted in zip(seen, told[name], strict=True):
            assert np.allclose(found, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
        changed += not np.allclose(seen.peak, before[name].peak, rtol=1e-2)
    assert changed >= 2
    last = next(reversed(specs(config)))
    x = before[last].mean, after[last].mean
    outputs = [observe.affine(a, (k.sum(0), b)) for a, (k, b) in zip(x, (layers[last], scaled[last]), strict=True)]
    assert np.allclose(*outputs, rtol=1e-3, atol=1e-4)


def uneven(params):
    """The same function, with factors between the channels of the hyper-synthesis that are far apart."""
    key, h_s = np.random.default_rng(1), params["h_s"]
    for maker, reader in (("up0", "up1"), ("up1", "conv2")):
        factor = np.exp2(key.uniform(-3, 3, len(h_s[maker]["bias"]))).astype(np.float32)
        made = {name: array * factor for name, array in h_s[maker].items()}
        read = h_s[reader] | {"kernel": h_s[reader]["kernel"] / factor[:, None]}
        h_s = h_s | {maker: made, reader: read}
    return params | {"h_s": h_s}


def test_factors_between_channels_cost_no_precision():
    """Without `equalise` the error is 2.7 times as large."""
    errors, (_, z) = [], carried(MEAN, 8, 12, 100)
    for params in (tree(MEAN), uneven(tree(MEAN))):
        layers = make_twin(MEAN, params, given(MEAN)).nets.layers
        phi = np.asarray(synthesis(MEAN, layers, jnp.asarray(z), z.shape[:2])) / 2.0**tables.FRACTION
        wanted = apply(MEAN, params, z[None].astype(np.float32), method=Model.hyper_synthesis)[0]
        errors.append(np.sqrt(np.square(phi - wanted)[..., : MEAN.latents].mean()))
    assert errors[1] < 1.5 * errors[0]


def test_each_place_of_a_block_makes_up_for_its_own_rounding():
    key, exponent = np.random.default_rng(5), 3
    kernel, x = key.normal(size=(4, 20, 6)), observe.leaky(key.normal(size=(2000, 20)) + 0.3)
    weight = np.rint(kernel * 16) / 16
    seen = observe.Range(np.abs(x).max(0), np.square(x).mean(0), x.mean(0), (x < 0).mean(0))
    rounded = np.where(x < 0, np.floor(x * 2**exponent), np.rint(x * 2**exponent)) / 2**exponent
    error = np.stack([rounded @ weight[i] - x @ kernel[i] for i in range(4)]).mean(1)
    left = error - drift("place", kernel, weight, exponent, seen)
    assert np.abs(left).max() < 0.15 * np.abs(error).max()


@pytest.mark.parametrize("config", [MU, MEAN, JOINT, CHENG], ids=lambda c: c.preset)
def test_rounding_adds_nothing_to_a_channel_on_average(config):
    """The mean error of a channel of phi is a small part of its spread. It is 0.6 to 0.8 of it without `drift`."""
    found, wanted = [], []
    for seed in range(100, 104):  # as in calibration
        _, z = carried(config, 8, 12, seed)
        phi = np.asarray(synthesis(config, twin(config).nets.layers, jnp.asarray(z), z.shape[:2]), np.float64)
        ours = apply(config, tree(config), z[None].astype(np.float32), method=Model.hyper_synthesis)
        found.append(phi.reshape(-1, phi.shape[-1]))
        wanted.append(np.asarray(ours).reshape(-1, phi.shape[-1]))
    phi, ours = np.concatenate(found), np.concatenate(wanted)
    error = phi * (phi * ours).sum(0) / np.square(phi).sum(0) - ours  # each channel has a factor of its own
    assert (np.abs(error.mean(0)) < 0.4 * error.std(0)).all()
