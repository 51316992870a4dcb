"""The walk of the progressive model: as many calls for every picture, and large planes in parts."""

import dataclasses

import jax
import numpy as np
import pytest

from gllmm_jax.codec import transforms
from gllmm_jax.entropy import rans
from gllmm_jax.nn.model import Model
from gllmm_jax.nn.progressive import calls
from gllmm_jax.order import progressive
from gllmm_jax.presets import PRESETS
from gllmm_jax.twin import exact
from gllmm_jax.twin.calibrate import make_twin
from gllmm_jax.twin.observe import Latents
from gllmm_jax.walk import walk
from gllmm_jax.walk.latents import decode_latents, encode_latents, estimated_bits, prepare
from tests.codec.twins import FAST, SEEDS, STATIC, carried, tree, twin
from tests.compiled import apply


@pytest.mark.parametrize("config", [FAST, SEEDS, STATIC], ids=lambda config: config.preset)
@pytest.mark.parametrize("size", [(50, 67), (3, 130), (1, 1)])
def test_float_bits_of_windows_are_those_of_the_whole(config, size, random_params, monkeypatch):
    """And no program is larger than a window. Bits are compared with those of the model in one piece."""
    params, y = random_params(config), carried(config, *size)[0]
    whole = apply(config, params, y[None].astype(np.float32), np.zeros((1, 0, 0, 0), np.float32), method=Model.bits)
    expected, rooms = float(whole[0][0]) + float(whole[1][0]), set()
    assert transforms.float_bits(config, params, y, y[:0]) == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(transforms, "BLOCKS", 12)
    monkeypatch.setattr(transforms, "SIDE", 16)
    filled = transforms.filled

    def seen(plane, *arguments):
        found = filled(plane, *arguments)
        rooms.add(found.shape[:2])
        return found

    monkeypatch.setattr(transforms, "filled", seen)
    assert transforms.float_bits(config, params, y, y[:0]) == pytest.approx(expected, rel=1e-5)
    assert rooms and max(max(room) for room in rooms) <= 32


def test_large_planes_are_worked_on_in_parts(monkeypatch):
    """Whatever the parts, the same stream, and the same latents from either form of the walk."""
    assert SEEDS.msp is not None
    config = dataclasses.replace(SEEDS, preset="one scale", msp=dataclasses.replace(SEEDS.msp, scales=1))
    monkeypatch.setattr(rans, "lane_count", lambda symbols, channels: 4)
    y, z = carried(config, 37, 22)
    y[::5, 2, 3] = 5000  # outliers in every part
    whole = encode_latents(twin(config), y, z)
    monkeypatch.setattr(progressive, "GROUP", 16)
    assert encode_latents(twin(config), y, z) == whole
    y_again, _ = decode_latents(twin(config), whole, (37, 22))
    assert (y_again == y).all()
    content = prepare(twin(config), y, z)
    known, _ = content.model.begin(content.symbols, content.outliers.plane(y.shape))
    assert (walk.decide(Certain(), content.stages, known, y) == y).all()


@pytest.mark.parametrize("components", [1, 3], ids=["gaussian", "mixture of gaussians"])
def test_other_heads(components):
    """Beside the mixtures of three families that the other tests have."""
    config = dataclasses.replace(FAST, preset="head", families=("gaussian",), components=components)
    y, z = carried(config, 6, 7)
    data = encode_latents(twin(config), y, z)
    assert (decode_latents(twin(config), data, (6, 7))[0] == y).all()
    bits = sum(estimated_bits(twin(config), y, z))
    assert 0 < len(data) - bits / 8 < 8


class Certain:
    """A coder that takes what it is told."""

    def decide(self, numbers, answers):
        return answers


@pytest.mark.parametrize(
    ("preset", "side"),
    [
        ("msp-fast", 256),
        ("msp-normal", 256),
        ("msp-extra", 256),
        ("msp-fast", 4096),
        pytest.param("msp-normal", 4096, marks=pytest.mark.slow),
        pytest.param("msp-extra", 4096, marks=pytest.mark.slow),
    ],
)
def test_the_calls_are_as_many_for_every_picture(preset, side, monkeypatch):
    """Those of the network, counted where it runs: of the encoder and of the decoder."""
    profile = PRESETS[preset]
    assert profile.msp is not None
    small = dataclasses.replace(profile.msp, width=2, depth=1)
    config = dataclasses.replace(FAST, preset=f"few-{preset}-{side}", latents=profile.msp.seeds + 2, msp=small)
    made, features = [], exact.features

    def counted(*arguments):
        jax.debug.callback(lambda: made.append(1))
        return features(*arguments)

    monkeypatch.setattr(exact, "features", counted)
    number = len(calls(profile.msp, profile.latents))
    y = np.zeros((side // profile.stride, side // profile.stride, config.latents), np.int32)
    data = encode_latents(twin(config), y, np.zeros((0, 0, 0), int))
    jax.effects_barrier()
    assert len(made) == number
    y_again, _ = decode_latents(twin(config), data, y.shape[:2])
    jax.effects_barrier()
    assert (y_again == y).all() and len(made) == 2 * number


def test_an_input_that_is_always_zero_leaves_room_for_the_bias():
    """Untrained weights may give latents that are all zero: then nothing is seen in any layer."""
    params = tree(FAST)
    net = params["progressive"]
    biases = [layer["bias"] for name, layer in net.items() if name.startswith("block") or name == "dense"]
    for part in (net["step"], net["place_bias"], *biases):
        part[:] = 0
    net["out"] *= 0.2
    net["out_bias"][:] = 1
    made = make_twin(FAST, params, [Latents(np.zeros((8, 8, FAST.latents), np.int32), np.zeros((0, 0, 0), np.int32))])
    assert made.arrays["dense2.kernel"].any()
