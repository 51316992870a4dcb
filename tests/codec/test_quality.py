"""Every quality from one set of weights: each is a model of its own, exact as any other."""

import dataclasses

import jax
import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.codec.quality import index_of, quality_of
from gllmm_jax.config import Progressive, VariableRate
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.lof import Overfit
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.quality import at_index
from gllmm_jax.twin import integer, levels
from gllmm_jax.twin.wiring import EACH, LEVELS, by_quality
from gllmm_jax.walk import latents
from tests.codec.twins import CHENG, ELIC, FAST, MEAN, MU, PARTED, draw, twin
from tests.parameters import random_params

RATE = VariableRate(0.002, 0.05, anchors=3)
MANY = dataclasses.replace(MU, rate=RATE)
MANY_FAST = dataclasses.replace(FAST, rate=RATE)
OTHERS = [dataclasses.replace(design, rate=RATE) for design in (MEAN, CHENG, ELIC)]


def test_the_mapping_is_a_promise():
    assert [index_of(quality) for quality in (0, 1, 10, 25, 50, 75, 99, 100)] == [0, 3, 26, 64, 128, 191, 252, 255]
    assert [index_of(quality_of(index)) for index in range(256)] == list(range(256))
    assert [quality_of(index_of(quality)) for quality in range(101)] == list(range(101))
    for wrong in (-0.1, 100.1, float("nan")):
        with pytest.raises(ValueError, match="the quality must be from 0 to 100"):
            index_of(wrong)


@pytest.mark.parametrize("config", [MANY, MANY_FAST, PARTED, *OTHERS], ids=lambda config: config.preset)
def test_latents_come_back_at_every_quality(config):
    streams = set()
    for index in (0, 1, 100, 254, 255):
        chosen = twin(config).at(index)
        y, z = latents.clamp_latents(chosen, *draw(config, 9, 14))
        data = latents.encode_latents(chosen, y, z)
        found = latents.decode_latents(chosen, data, (9, 14))
        assert all(map(np.array_equal, found, (y, z)))
        streams.add(data)
    # the entropy nets have biases by quality; without one the qualities of a level are alike
    assert len(streams) == (3 if config.direct else 5)


@pytest.mark.parametrize("changes", [{"hyper": 0}, {"msp": Progressive(width=8, depth=1)}], ids=["factorised", "msp"])
def test_a_model_without_hyperprior_is_estimated_at_its_quality(changes, photograph):
    config = dataclasses.replace(MANY, **changes)
    weights = make_weights("one", config, random_params(config), [photograph(96, 96)])
    one = Codec(weights)
    for index in (0, 131, 255):
        data, report = one.encode(photograph(144, 208), quality=quality_of(index))
        y, z = (part[None].astype(np.float32) for part in one.unpack(data)[1:])
        bits = apply(config, at_index(zoo.single(weights.params), index), y, z, method=Model.element_bits)
        assert report.bits_estimated == pytest.approx(sum(float(part.sum()) for part in bits), rel=1e-4)


def test_a_quality_is_a_twin_of_a_model_that_has_it_alone():
    chosen = twin(MANY).at(77)
    alone = integer.twin_from_arrays(MU, chosen.arrays)  # all its bounds hold
    y, z = latents.clamp_latents(alone, *draw(MU, 6, 7))
    assert latents.encode_latents(alone, y, z) == latents.encode_latents(chosen, y, z)


def test_every_level_is_proven_and_every_quality_of_it():
    arrays = dict(twin(MANY).arrays)

    def changed(name, place, value):
        table = arrays[name].astype(np.int32)
        table[place] = value
        return integer.twin_from_arrays(MANY, arrays | {name: table})

    for name in by_quality(MANY):
        assert arrays[f"{name}.bias"].shape[:2] == (LEVELS, EACH)
        other = changed(f"{name}.bias", (5, 3, 2), 1 << 24)
        for quality in range(5 * EACH, 6 * EACH):  # not only the one whose row it is
            with pytest.raises(ValueError, match=f"layer {name}: sums may pass"):
                other.at(quality)
        other.at(6 * EACH)
    with pytest.raises(ValueError, match=r"prior\.cdf does not rise"):
        changed("prior.cdf", (15, 2, 1), 0).at(255)
    with pytest.raises(ValueError, match=r"the table context\.down is not there for 16 levels"):
        integer.twin_from_arrays(MANY, {n: a for n, a in arrays.items() if n != "context.down"}).at(0)


def test_levels_come_back_from_the_set_of_them():
    arrays = twin(MANY).arrays
    found = [levels.split(arrays, level) for level in range(LEVELS)]
    kernels = {name.removesuffix(".kernel"): a for name, a in arrays.items() if name.endswith(".kernel")}
    down = {name.removesuffix(".down"): a for name, a in arrays.items() if name.endswith(".down")}
    again = levels.join(found, kernels, down)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert levels.rounded(np.array([[[5, -5, 7]]], np.int16), np.array([0, 1, 2])).tolist() == [[[5, -2, 2]]]


@pytest.fixture(scope="module")
def image(photograph):
    return photograph(64, 80)


def test_a_file_says_its_quality_and_any_codec_of_the_model_reads_it(vr_codec, image):
    for quality in (0, 31, 100):
        data = vr_codec.compress(image, quality=quality)
        header, y_hat, _ = vr_codec.at(62).unpack(data)
        assert header.quality == index_of(quality)
        assert np.array_equal(y_hat, vr_codec.at(quality).analyse(image)[0])
        assert np.array_equal(vr_codec.decompress(data), vr_codec.at(quality).decompress(data))
    assert vr_codec.at(31).compress(image) == vr_codec.compress(image, quality=31)
    assert vr_codec.encode(image, quality=31).report.quality == quality_of(index_of(31))


def test_a_quality_that_is_another_is_found_out(vr_codec, image):
    """The quality is a byte of the header: changed, with a true checksum, the latents are not those that were coded."""
    data = vr_codec.compress(image, quality=40)
    header, stream = container.unpack(data)
    for other in (0, 101, 103, 255):
        with pytest.raises(BitstreamError):
            vr_codec.decompress(container.pack(header._replace(quality=other), stream))
    with pytest.raises(BitstreamError, match="only one of file and model has a quality"):
        vr_codec.decompress(container.pack(header._replace(quality=None), stream))


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_latent_overfitting_has_the_lambda_of_its_quality(vr_codec, image, quality):
    report = vr_codec.encode(image, quality=quality, refine=Overfit(steps=1)).report
    rate, refined = vr_codec.config.rate, report.refined
    assert refined["lmbda"] == rate.lmbda(index_of(quality))
    assert refined["lmbda"] == pytest.approx({0: rate.lowest, 50: rate.middle, 100: rate.highest}[quality], rel=0.02)
    before, after = (refined[f"bpp_{when}"] + refined["lmbda"] * refined[f"mse_{when}"] for when in ("before", "after"))
    assert after <= before


def test_qualities_share_what_does_not_depend_on_them(vr_codec):
    here, there = (jax.tree.leaves(chosen.params) for chosen in (vr_codec, vr_codec.at(75)))
    assert sum(a is b for a, b in zip(here, there, strict=True)) > 0.8 * len(here)


def test_parameters_that_do_not_fit_are_named(vr_file):
    weights = zoo.read(vr_file)
    gain = weights.params["gain"]
    for rows, problem in (
        (np.zeros(5), r"\(5,\)"),
        (np.zeros((8, 1)), r"\(8, 1\)"),
        (np.zeros((3, 192)), r"\(3, 192\)"),
    ):
        params = {**weights.params, "gain": {**gain, "analysis": {"rows": np.float16(rows)}}}
        with pytest.raises(zoo.WeightsError, match=f"gain/analysis/rows is {problem} and not"):
            Codec(weights._replace(params=params)).compress(np.zeros((16, 16, 3), np.uint8))
