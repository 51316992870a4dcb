"""Pictures in windows: the same as in one piece, and no program larger than a window."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.codec import transforms
from gllmm_jax.codec.codec import Codec
from gllmm_jax.config import HYPER_STRIDE
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.nn import model
from gllmm_jax.nn.model import Model
from gllmm_jax.order.windows import HYPER_REACH
from gllmm_jax.presets import PRESETS
from gllmm_jax.walk import latents as walk
from tests.codec.twins import ELIC, carried, tree
from tests.compiled import apply

NARROW = {"widths": (4, 4, 4), "latents": 4}


@pytest.mark.parametrize(
    ("preset", "change"),
    [
        ("mu", {}),
        ("mu", {"block": "crm3", "attention": False}),
        ("light", {}),
        ("light", NARROW | {"block": "crm3"}),
        ("light", NARROW | {"block": "plain", "analysis_depth": 2}),
        ("msp-fast", {}),
        ("mbt2018-mean-192", NARROW | {"widths": (4,)}),
        ("cheng2020-attn-128", NARROW | {"widths": (4,)}),
        ("elic2022-320", NARROW | {"widths": (4,), "splits": ()}),
    ],
)
def test_transforms_see_as_far_as_is_said(preset, change, random_params):
    """What one latent, or the pixels under one, that is no number makes of the others."""
    config = dataclasses.replace(PRESETS[preset], **change)
    reach = transforms.reach(config)
    params, middle, side = random_params(config), reach + 2, 2 * reach + 5
    y = np.zeros((1, side, side, config.latents), np.float32)
    y[0, middle, middle] = np.nan
    x = np.asarray(apply(config, params, y, method=Model.synthesis))[0].sum(-1)
    shown = np.abs(np.argwhere(np.isnan(x)) // config.stride - middle).max()
    pixels, first = np.zeros((1, config.stride * side, config.stride * side, 3), np.float32), config.stride * middle
    pixels[0, first : first + config.stride, first : first + config.stride] = np.nan
    latents = np.asarray(apply(config, params, pixels, method=Model.analysis))[0].sum(-1)
    assert max(shown, np.abs(np.argwhere(np.isnan(latents)) - middle).max()) == reach


@pytest.mark.parametrize("preset", ["mu", "mbt2018-192", "cheng2020-anchor-128", "elic2022-320"])
def test_no_hyper_network_sees_farther_than_is_said(preset, random_params):
    """The same of h_a, and of the bits of a latent, which h_s and the context lead to.

    Operation by operation: in one program, what is no number may be lost where bits are kept above zero.
    """
    change = {} if preset == "mu" else {"latents": 4, "hyper": 4, "hidden": (8, 8), "widths": (4,)}
    change |= {"splits": (1,)} if PRESETS[preset].splits else {}
    config = dataclasses.replace(PRESETS[preset], **change)
    params, middle, side = jax.tree.map(jnp.asarray, random_params(config)), HYPER_REACH + 1, 2 * HYPER_REACH + 3
    y = jnp.zeros((1, HYPER_STRIDE * side, HYPER_STRIDE * side, config.latents), np.float32)
    z = jnp.zeros((1, side, side, config.hyper), np.float32)
    bits, _ = model.apply(config, params, y, with_nan(z, middle), method=Model.element_bits)
    far = np.argwhere(np.isnan(np.asarray(bits)[0].sum(-1))) // HYPER_STRIDE - middle
    assert 0 < np.abs(far).max() <= HYPER_REACH
    corner = with_nan(y, HYPER_STRIDE * middle)
    bits, _ = model.apply(config, params, corner, z, method=Model.element_bits)
    far = np.argwhere(np.isnan(np.asarray(bits)[0].sum(-1))) // HYPER_STRIDE - middle
    assert np.abs(far).max() <= HYPER_REACH
    far = np.argwhere(np.isnan(np.asarray(model.apply(config, params, corner, method=Model.hyper_analysis))[0].sum(-1)))
    assert 0 < np.abs(far - middle).max() <= HYPER_REACH


def with_nan(plane, place):
    return plane.at[0, place, place].set(np.nan)


@pytest.mark.parametrize("preset", ["mu", "light", "msp-fast"])
def test_a_program_with_room_gives_what_the_plane_gives(preset, random_params, photograph, monkeypatch):
    """To the last rounding: nothing of the room reaches the plane."""
    config = PRESETS[preset]
    params, image, found = random_params(config), photograph(16 * 9 - 5, 16 * 17), []
    for sides in (transforms.SIDES, tuple(range(129))):  # the second has a program for every size
        monkeypatch.setattr(transforms, "SIDES", sides)
        y = transforms.ungained(config, params, image)
        y_hat, z_hat = transforms.quantise(config, params, y)
        bits = transforms.float_bits(config, params, y_hat, z_hat)
        found.append((y, z_hat, transforms.synthesise(config, params, y_hat, False), bits))
    (y, z, shown, bits), (y_alone, z_alone, shown_alone, bits_alone) = found
    assert np.abs(y - y_alone).max() <= 1e-4 * np.abs(y_alone).max()
    assert (z != z_alone).sum() <= 1e-3 * z.size and bits == pytest.approx(bits_alone, rel=1e-5)
    assert np.abs(shown.astype(int) - shown_alone).max() <= 1 and (shown != shown_alone).mean() < 1e-3


def test_few_programs_serve_all_sizes():
    sizes = [(height, width) for height in range(1, 200, 3) for width in range(1, 200, 3)]
    rooms = {transforms.room(size) for size in sizes}
    assert len(rooms) == 33 and len([room for room in rooms if max(room) <= 48]) == 6
    assert all(min(n, transforms.SIDE) <= m for size in sizes for n, m in zip(size, transforms.room(size), strict=True))


def test_what_is_refused_is_not_compiled(mu_weights, photograph, monkeypatch):
    """The synthesis is compiled beside the walk, but not before part of y has decoded."""
    rooms = []
    monkeypatch.setattr(transforms, "compile_synthesis", lambda config, params, room: rooms.append(room))
    codec = Codec(mu_weights)  # which has compiled for no size yet
    data = codec.compress(photograph(16 * 70, 16 * 12))
    header = container.unpack(data)[0]
    stream = walk.encode_latents(codec.twin, *codec.unpack(data)[1:])
    cut = container.pack(header, stream[: len(stream) // 50])
    with pytest.raises(BitstreamError, match="cut short"):
        codec.decompress(cut)
    assert rooms == []
    for _ in range(2):
        codec.decompress(data)
    assert rooms == [(96, 16)]


def test_bits_of_groups_of_channels_end_with_the_picture():
    """Their networks have several layers, and the program's plane is larger than the latents."""
    y, z = carried(ELIC, 13, 9)
    expected = model.apply(ELIC, tree(ELIC), *(a[None].astype(np.float32) for a in (y, z)), method=Model.bits)
    assert transforms.float_bits(ELIC, tree(ELIC), y, z) == pytest.approx(
        sum(bits.item() for bits in expected), rel=1e-5
    )


WIDE, STRIP = ((16 * 50 - 3, 16 * 75), 8), ((16 * 9, 16 * 75 - 7), 4)


@pytest.mark.parametrize(
    ("size", "parts", "gray"),
    [
        (*WIDE, False),
        (*STRIP, True),
        *(pytest.param(*rest, marks=pytest.mark.slow) for rest in ((*WIDE, True), (*STRIP, False))),
    ],
)
def test_windows_give_what_the_whole_gives(mu_codec, photograph, monkeypatch, size, parts, gray):
    image = photograph(*size)[..., : 1 if gray else 3]
    params, seen = (mu_codec.config, mu_codec.params), []
    y_whole, z_whole = mu_codec.analyse(image)
    pixels_whole = transforms.synthesise(*params, y_whole, gray)
    bits_whole = transforms.float_bits(*params, y_whole, z_whole)
    monkeypatch.setattr(transforms, "SIDE", 40)
    monkeypatch.setattr(transforms, "HYPER_SIDE", 10)
    y, z = mu_codec.analyse(image, progress=lambda *now: seen.append(now))
    assert transforms.float_bits(*params, y_whole, z_whole) == pytest.approx(bits_whole, rel=1e-5)
    assert (y != y_whole).mean() < 1e-3 and (z != z_whole).mean() < 1e-3  # a half may be rounded either way
    pixels = transforms.synthesise(*params, y_whole, gray, lambda *now: seen.append(("synthesis", *now)))
    assert np.abs(pixels.astype(int) - pixels_whole).max() <= 1 and (pixels != pixels_whole).mean() < 1e-3
    assert np.array_equal(mu_codec.unpack(mu_codec.compress(image))[1], y)
    counts = range(parts + 1)
    assert seen == [(name, i, parts) for name in ("analysis", "synthesis") for i in counts]
