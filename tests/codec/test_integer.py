"""The integer twin against a NumPy int64 reference, against the float model, and against itself in other clothes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import TAPS
from gllmm_jax.nn.model import Model
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.order import hyper
from gllmm_jax.order.models import entropy_model
from gllmm_jax.prob import tables
from gllmm_jax.twin import exact, observe
from gllmm_jax.twin.calibrate import float_layers, output_format
from gllmm_jax.twin.integer import fingerprint, twin_from_arrays, z_support
from gllmm_jax.twin.prior import prior_cdf
from gllmm_jax.twin.wiring import EACH
from gllmm_jax.twin.wiring import HYPER as HYPERS
from gllmm_jax.walk.latents import clamp_latents
from tests.codec.twins import (
    BOARD,
    CHENG,
    ELIC,
    JOINT,
    MEAN,
    MEDIANS,
    MU,
    PARTED,
    PLAIN,
    SCALE,
    carried,
    draw,
    tree,
    twin,
)
from tests.compiled import apply

HYPER = HYPERS["gllmm"]

run = jax.jit(exact.parameters, static_argnums=0)
synthesis = jax.jit(exact.hyper_synthesis, static_argnums=0)


LEAKS = {"gllmm": (205, 10), "balle": (0, 0), "minnen": (164, 14), "cheng": (164, 14)}
"""Slopes by design: this over two to the power of that."""


def reference(arrays, name, x, *, leaky, design="gllmm"):
    """One layer in int64: x [n, taps * in] -> [n, out]."""
    kernel, bias, shift, limit = (arrays[f"{name}.{k}"].astype(np.int64) for k in ("kernel", "bias", "shift", "limit"))
    total = x.astype(np.int64) @ kernel.reshape(-1, kernel.shape[-1]) + bias
    assert np.abs(total).max() < 1 << 24
    a = np.where(shift >= 0, total >> np.maximum(shift, 0), total << np.maximum(-shift, 0))
    if leaky:
        a = np.clip(a, -(1 << 16), 1 << 16)
        number, bits = LEAKS[design]
        a = np.where(a < 0, (a * number) >> bits, a)
    return np.clip(a, -limit, limit)


def reference_hyper(config, arrays, z):
    x, names = z.astype(np.int64), HYPERS[config.design]
    if config.design != "gllmm":  # the offset's channel
        x = np.pad(x, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    for name in names:
        (h, w, _), side = x.shape, math.isqrt(len(arrays[f"{name}.kernel"]))
        reach = side // 2
        if name.startswith("up"):  # dilate, then an ordinary convolution with padding (reach, reach + 1)
            dilated = np.zeros((2 * h + 2 * reach, 2 * w + 2 * reach, x.shape[2]), np.int64)
            dilated[reach : 2 * h + reach : 2, reach : 2 * w + reach : 2] = x
            x, h, w = dilated, 2 * h, 2 * w
        else:
            x = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
        windows = np.concatenate([x[i : i + h, j : j + w] for i in range(side) for j in range(side)], axis=-1)
        x = reference(arrays, name, windows.reshape(h * w, -1), leaky=name != names[-1], design=config.design)
        x = x.reshape(h, w, -1)
        if name.startswith("sub"):
            x = x.reshape(h, w, 2, 2, -1).transpose(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, -1)
    return x


@pytest.mark.parametrize("config", [MU, PLAIN, SCALE, MEAN, CHENG], ids=lambda c: c.preset)
def test_hyper_synthesis_equals_int64_whatever_the_padding(config):
    size = (1, 1) if config is PLAIN else (3, 5)
    net, (_, z) = twin(config).nets, draw(config, 4 * size[0], 4 * size[1])
    z = np.clip(z, *z_support(twin(config)))
    expected = reference_hyper(config, twin(config).arrays, z)
    wide = jnp.asarray(np.pad(z, ((0, 2), (0, 1), (0, 0))))
    phi = np.asarray(synthesis(config, net.layers, wide, size))
    assert np.array_equal(phi[: 4 * size[0], : 4 * size[1]], expected)
    assert not phi[4 * size[0] :].any() and not phi[:, 4 * size[1] :].any()


def entropy_inputs(config, n=40):
    key = np.random.default_rng(3)
    taps = np.rint(key.laplace(size=(n, 12, config.latents)) * 6).astype(np.int32)
    limit = twin(config).arrays["conv4.limit"]
    return taps, key.integers(-limit, limit + 1, (n, 2 * config.latents))


@pytest.mark.parametrize("config", [MU, PLAIN], ids=lambda c: c.preset)
def test_entropy_net_equals_int64(config):
    arrays, (taps, phi) = twin(config).arrays, entropy_inputs(config)
    x = np.clip(taps, -arrays["y.limit"], arrays["y.limit"]).reshape(len(taps), -1)
    x = np.concatenate([reference(arrays, "context", x, leaky=False), phi], axis=1)
    for name in ("dense0", "dense1", "dense2"):
        x = reference(arrays, name, x, leaky=name != "dense2")
    c = len(config.families) * config.components
    raw = x.reshape(len(taps), -1, config.latents)
    mix = run(config, twin(config).nets, jnp.asarray(taps), jnp.asarray(phi, jnp.float32))
    assert np.array_equal(mix.mean, raw[:, :c])
    assert np.array_equal(mix.span, 13 * np.clip(np.abs(raw[:, c : 2 * c]), tables.SCALE_LOW, tables.SCALE_HIGH))
    assert (np.asarray(mix.weight).sum(1) == 1 << tables.WEIGHT_BITS).all()


def test_parameters_do_not_depend_on_batch_or_jit():
    taps, phi = entropy_inputs(MU)
    whole = run(MU, twin().nets, jnp.asarray(taps), jnp.asarray(phi, jnp.float32))
    with jax.disable_jit():
        eager = exact.parameters(MU, twin().nets, jnp.asarray(taps), jnp.asarray(phi, jnp.float32))
    for rows in (slice(0, 1), slice(7, 20)):
        part = run(MU, twin().nets, jnp.asarray(taps[rows]), jnp.asarray(phi[rows], jnp.float32))
        for a, b, c in zip(whole, part, eager, strict=True):
            assert np.array_equal(a[rows], b) and np.array_equal(a, c)


def taps_at_every_site(config, y):
    """The neighbours of every latent of y [h, w, M] and who sees them, as `exact.parameters` takes them."""
    (h, w, m), sites = y.shape, np.arange(y.shape[0] * y.shape[1])
    plane = np.pad(y, ((2, 2), (2, 2), (0, 0))).reshape(-1, m)
    rows = (sites // w + 2) * (w + 4) + sites % w + 2
    sees = (sites // w + sites % w) % 2 == 1 if config.order == "checkerboard" else np.ones(h * w, bool)
    return h * w, sees, plane[rows[:, None] + np.array([dy * (w + 4) + dx for dy, dx in TAPS[config.order]])]


def test_the_twin_is_close_to_the_float_model():
    params, calibration = tree(MU), [draw(MU, 8, 12, s) for s in range(100, 104)]
    layers = float_layers(MU, params)
    y, z = (np.clip(a, -5, 5) for a in calibration[0])
    x = z.astype(np.float32)
    for name in HYPER:
        x = (observe.upsample if name.startswith("up") else observe.conv)(x, layers[name])
        x = x if name == "conv4" else observe.leaky(x)
    taken = observe.entropy_inputs(MU, layers, y, x.reshape(96, -1), np.arange(96))
    wanted = observe.affine(taken["dense2"], layers["dense2"])
    phi = synthesis(MU, twin().nets.layers, jnp.asarray(z), z.shape[:2]).reshape(96, -1)
    _, _, taps = taps_at_every_site(MU, y)
    mean = np.asarray(run(MU, twin().nets, jnp.asarray(taps), phi).mean)
    exponent, _ = output_format(MU)
    wanted = wanted[:, : 9 * MU.latents] * 2.0 ** exponent[0]
    error = mean.reshape(96, -1) - wanted
    assert error.std() < 0.02 * wanted.std() + 1


@pytest.mark.parametrize("config", [MU, MEDIANS, BOARD, JOINT, CHENG], ids=lambda c: c.preset)
def test_every_component_is_that_of_the_float_model(config):
    """Weights in their order and to the right base. They differ by 0.001 on average, means and scales by 0.008."""
    y, z = carried(config, 8, 12, seed=100)
    sites, sees, taps = taps_at_every_site(config, y)
    phi = synthesis(config, twin(config).nets.layers, jnp.asarray(z), z.shape[:2]).reshape(sites, -1)
    close(config, tree(config), y, z, run(config, twin(config).nets, jnp.asarray(taps), phi, sees))


@pytest.mark.parametrize("config", [ELIC, PARTED], ids=lambda c: c.preset)
def test_every_group_of_channels_is_that_of_the_float_model(config):
    """As the walk asks for it, in a plane that is larger than the picture. Five layers more make the error larger."""
    chosen, params, seed = twin(config), tree(config), 100
    if config.rate is not None:
        chosen, params, seed = chosen.at(200), at_quality(params, 200), 100 + 200 // EACH
    y, z = draw(config, 8, 12, seed)  # of calibration, so nothing is clipped
    y, z = clamp_latents(chosen, y[:7, :10], z)
    (stage,) = entropy_model(chosen, y.shape[:2]).stages(z)
    plane, known, found = stage.plane(y), stage.known(y), []
    rows = jnp.asarray(np.flatnonzero(stage.raster >= 0), jnp.int32)
    assert np.array_equal(stage.raster[rows], np.arange(70)) and len(plane) > 11 * 14
    for part in stage.parts:
        prepared = jax.jit(part.program.prepare)(known, part.known, plane)
        found.append(jax.jit(part.program.distribute)(prepared, plane, rows).mix)
    ours = jax.tree.map(lambda *groups: jnp.concatenate(groups, axis=-1), *found)
    close(config, params, y, z, ours, most=0.03)


def close(config, params, y, z, ours, most=0.02):
    (h, w, _), sites = y.shape, y.shape[0] * y.shape[1]
    y, z = (jnp.asarray(a[None], jnp.float32) for a in (y, z))
    float_phi = apply(config, params, z, method=Model.hyper_synthesis)[:, :h, :w]
    wanted = apply(config, params, y, float_phi, method=Model.mixture)
    log_weight, mean, scale = (np.asarray(a).reshape(sites, -1, config.latents) for a in jax.tree.leaves(wanted))

    def error(ours, wanted):
        return np.abs(np.asarray(ours) - wanted).mean(axis=(0, 2))  # by component

    assert (error(ours.weight / (1 << tables.WEIGHT_BITS), np.exp(log_weight)) < 0.003).all()
    assert (error(ours.mean / (1 << tables.FRACTION), mean) < most).all()
    span = (tables.REACH + 1) << tables.FRACTION
    assert (error(ours.span / span, np.maximum(scale, tables.SCALE_LOW / (1 << tables.FRACTION))) < most).all()


@pytest.mark.parametrize("config", [SCALE, MEAN], ids=lambda c: c.preset)
def test_means_and_scales_that_come_of_z_alone(config):
    """As those of the float model; and no mean is left in what is coded."""
    _, z = carried(config, 8, 12, seed=100)
    phi = synthesis(config, twin(config).nets.layers, jnp.asarray(z), z.shape[:2])
    ours = run(config, twin(config).nets, None, phi.reshape(96, -1))
    wanted = np.asarray(apply(config, tree(config), z[None].astype(np.float32), method=Model.hyper_synthesis))
    wanted = wanted.reshape(96, -1, config.latents)
    scales = np.asarray(ours.span)[:, 0] / ((tables.REACH + 1) << tables.FRACTION)
    assert np.abs(scales - np.maximum(wanted[:, -1], 0.11)).mean() < 0.02
    assert not np.asarray(ours.mean).any()
    if config.centred:
        means = hyper.means(twin(config), z, (8, 11))
        assert means.shape == (8, 11, config.latents)
        assert np.abs(means.reshape(88, -1) - wanted.reshape(8, 12, 2, -1)[:, :11, 0].reshape(88, -1)).mean() < 0.02
        assert np.array_equal(means * 256, np.rint(means * 256))


def test_stored_and_read_again():
    arrays = dict(twin().arrays)
    assert all(a.dtype.kind == "i" for a in arrays.values())
    assert fingerprint(twin_from_arrays(MU, arrays)) == fingerprint(twin())
    assert len(fingerprint(twin())) == 8 and fingerprint(twin(seed=1)) != fingerprint(twin())
    other = dict(arrays, powers=arrays["powers"] * 1)
    other["powers"][5] += 1
    assert fingerprint(twin_from_arrays(MU, other)) != fingerprint(twin())


def test_prior_table_follows_the_float_prior():
    params = tree(MU)
    low, high = z_support(twin())
    cdf = twin().arrays["prior.cdf"]
    for n in range(0, MU.hyper, 5):
        edges = np.arange(low[n], high[n] + 2) - 0.5
        wanted = np.diff(prior_cdf(params["prior"], np.broadcast_to(edges, (MU.hyper, len(edges))))[n])
        ours = np.diff(cdf[n, : len(edges)]) / tables.TOTAL
        np.testing.assert_allclose(ours, wanted, atol=0.002)
        assert cdf[n, len(edges) - 1] == tables.TOTAL
