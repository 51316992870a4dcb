"""Files of the past: they decode to the latents they were made from, and those latents still give the same bytes.

A failure here means that files which are out in the world no longer decode. See `experiments.make_golden`.
"""

import functools
import importlib.util
import json
from pathlib import Path

import jax
import pytest

from experiments.make_golden import MODELS
from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.quality import quality_of
from gllmm_jax.container import container

FOLDER = Path(__file__).parent.parent / "golden"
FACTS = json.loads((FOLDER / "facts.json").read_text())
HAS_TFC = importlib.util.find_spec("tensorflow_compression_ops") is not None


@functools.cache
def codec(model: str) -> Codec:
    return Codec(zoo.read(FOLDER / f"{model}-golden.npz"))


def test_the_folder_is_whole():
    assert sorted(path.name for path in FOLDER.glob("*.gllm")) == sorted(FACTS)
    assert {tuple(name.split(".")[::2]) for name in FACTS} == {(m, c) for m in MODELS for c in container.CODERS}
    assert {tuple(fact["shape"]) for fact in FACTS.values()} == {(40, 56, 3), (17, 9, 1), (1, 1, 3)}


@pytest.mark.parametrize("name", FACTS)
def test_a_file_of_the_past(name):
    model, _, coder, _ = name.split(".")
    if coder == "tfc" and not HAS_TFC:
        pytest.skip("runs in the environment of the extra tfc")
    data, fact = (FOLDER / name).read_bytes(), FACTS[name]
    assert len(data) == fact["bytes"]
    whole = codec(model)
    header, y_hat, z_hat = whole.unpack(data)
    chosen = whole if header.quality is None else whole.at(quality_of(header.quality))
    assert chosen.index == header.quality
    height, width, channels = fact["shape"]
    assert (header.height, header.width, header.colour) == (height, width, "gray" if channels == 1 else "rgb")
    assert y_hat.any() and header.latents_crc32 == fact["latents_crc32"]
    assert chosen.pack(y_hat, z_hat, fact["shape"], coder=coder) == data
    if model == "mu":
        assert codec(model).decompress(data).shape == (height, width, channels)


def test_sixty_four_bits_change_nothing():
    """What JAX_ENABLE_X64 makes of sums and constants must not reach the exact path."""
    data = (FOLDER / "mu.rgb-40x56.rans.gllm").read_bytes()
    jax.config.update("jax_enable_x64", True)
    try:
        header, y_hat, z_hat = codec("mu").unpack(data)
        assert codec("mu").pack(y_hat, z_hat, (header.height, header.width, 3)) == data
        again = codec("mu").decompress(codec("mu").compress(codec("mu").decompress(data)))
    finally:
        jax.config.update("jax_enable_x64", False)
    assert again.shape == (40, 56, 3)
