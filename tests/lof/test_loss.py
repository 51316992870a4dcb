"""What latents cost, and what a step would save, whatever room their planes have."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.config import ModelConfig
from gllmm_jax.lof import loss
from gllmm_jax.lof.loss import Latents, Picture
from gllmm_jax.lof.relaxed import unrounded
from gllmm_jax.nn.model import Model
from gllmm_jax.presets import PRESETS
from tests.compiled import apply

CONFIG = dataclasses.replace(
    PRESETS["light"], widths=(8, 8, 8), latents=8, hyper=8, hidden=(16, 16), block="plain", components=1
)
SIZE = 3, 6  # of latents: no whole hyper-latents
HYPER = 1, 2  # the hyper-latents around them
SHOWN = 45, 90  # of pixels: no whole latents


def placed(config: ModelConfig, photograph, room: tuple[int, int]) -> tuple[Picture, Latents]:
    """A picture and whole latents of SIZE in a room; there is more beyond the picture, which nobody should look at."""
    s, rng = config.stride, np.random.default_rng(0)
    pixels = np.full((s * room[0], s * room[1], 3), 200, np.float32)
    pixels[: s * SIZE[0], : s * SIZE[1]] = photograph(s * SIZE[0], s * SIZE[1])
    y, z = (np.zeros((*side, 8), np.float32) for side in (room, (room[0] // 4, room[1] // 4)))
    y[: SIZE[0], : SIZE[1]] = rng.integers(-2, 3, (*SIZE, 8))
    z[: HYPER[0], : HYPER[1]] = rng.integers(-2, 3, (*HYPER, 8))
    facts = tuple(map(jnp.int32, SHOWN)), jnp.array(SIZE, jnp.int32), jnp.array(False), jnp.float32(0.01)
    return Picture(jnp.asarray(pixels), *facts), Latents(*map(jnp.asarray, (y, z)))


def planes(config: ModelConfig, params, picture: Picture, latents: Latents) -> dict[str, np.ndarray]:
    """Everything a search asks for: [rows, columns, ...] each, of latents or of hyper-latents."""
    twice = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), latents)
    rate, distortion = (jnp.moveaxis(a, 0, -1) for a in loss.maps(config, params, picture, twice))
    slope = jax.grad(lambda a: loss.loss(config, params, picture, a))(latents)
    first = unrounded(config, params, picture)
    of_y = {"rate": rate, "distortion": distortion, "slope of y": slope.y, "y": first.y}
    return {name: np.array(a) for name, a in (of_y | {"slope of z": slope.z, "z": first.z}).items()}


@pytest.mark.slow
def test_room_changes_nothing(photograph, random_params):
    sides, params = {4: SIZE, 8: SIZE, 1: HYPER, 2: HYPER}, random_params(CONFIG)
    exact, roomy = (planes(CONFIG, params, *placed(CONFIG, photograph, room)) for room in ((4, 8), (8, 16)))
    for name, found in roomy.items():
        assert np.abs(exact[name]).max() > 0
        rows, columns = exact[name].shape[:2]
        np.testing.assert_allclose(
            found[:rows, :columns], exact[name], rtol=2e-3, atol=1e-6 * np.abs(exact[name]).max(), err_msg=name
        )
        own = sides[rows]
        found[: own[0], : own[1]] = 0
        assert not found.any(), f"{name} where the picture has no latents"


def test_what_moves_would_save_is_the_same_in_any_room(photograph, random_params):
    params, found = random_params(CONFIG), []
    for room in ((4, 8), (8, 16)):
        picture, latents = placed(CONFIG, photograph, room)
        moves = loss.moves(CONFIG, params, picture, latents, jnp.ones_like(latents.y))
        found.append(
            [np.asarray(part.gain)[: own[0], : own[1]] for part, own in zip(moves, (SIZE, HYPER), strict=True)]
        )
    for exact, roomy in zip(*found, strict=True):
        np.testing.assert_allclose(roomy, exact, rtol=2e-3, atol=1e-5 * np.abs(exact).max())


def test_the_rate_of_groups_of_channels_ends_with_the_picture(photograph, random_params):
    config = dataclasses.replace(CONFIG, order="checkerboard", splits=(3,))
    params, (picture, latents) = random_params(config), placed(config, photograph, (8, 16))
    rate, _ = loss.maps(config, params, picture, jax.tree.map(lambda a: a[None], latents))
    own = latents.y[None, : SIZE[0], : SIZE[1]], latents.z[None, : HYPER[0], : HYPER[1]]
    expected = sum(bits.item() for bits in apply(config, params, *own, method=Model.bits))
    assert float(rate.sum()) * SHOWN[0] * SHOWN[1] == pytest.approx(expected, rel=1e-4)


def test_the_curvature_is_that_of_the_distortion(photograph, random_params):
    """Gauss-Newton's, estimated: right in the mean of all latents, of channels and of positions."""
    params, (picture, latents) = random_params(CONFIG), placed(CONFIG, photograph, (8, 16))
    y = latents.y[: SIZE[0], : SIZE[1]]

    def shown(y):
        return apply(CONFIG, params, y[None], method=Model.synthesis)[0][: SHOWN[0], : SHOWN[1]]

    slopes = jax.jit(jax.jacfwd(shown))(y)
    exact = 2 * 0.01 * 255**2 / (3 * SHOWN[0] * SHOWN[1]) * np.square(slopes).sum((0, 1, 2))
    found = np.asarray(loss.curvature(CONFIG, params, picture, latents.y))
    assert not found[SIZE[0] :].any() and not found[:, SIZE[1] :].any()
    found = found[: SIZE[0], : SIZE[1]]
    assert found.mean() == pytest.approx(exact.mean(), rel=0.1)
    for axes in ((0, 1), 2):
        np.testing.assert_allclose(found.mean(axes), exact.mean(axes), rtol=0.6)
