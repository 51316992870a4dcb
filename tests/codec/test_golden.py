"""Files of the past: they decode to the latents they were made from, and those latents still give the same bytes.

A failure here means that files which are out in the world no longer decode. See `experiments.make_golden`.
"""

import json
from pathlib import Path

import jax
import pytest

from gllmm_jax import zoo
from gllmm_jax.codec import container, latents
from gllmm_jax.codec.codec import Codec, latents_crc32

FOLDER = Path(__file__).parent.parent / "golden"
FACTS = json.loads((FOLDER / "facts.json").read_text())


@pytest.fixture(scope="module")
def codec():
    return Codec(zoo.read(FOLDER / "mu-golden.npz"))


def test_the_folder_is_whole():
    assert sorted(path.stem for path in FOLDER.glob("*.gllm")) == sorted(FACTS)
    assert {tuple(fact["shape"]) for fact in FACTS.values()} == {(40, 56, 3), (17, 9, 1), (1, 1, 3)}


@pytest.mark.parametrize("name", FACTS)
def test_a_file_of_the_past(codec, name):
    data, fact = (FOLDER / f"{name}.gllm").read_bytes(), FACTS[name]
    assert len(data) == fact["bytes"]
    header, stream = container.unpack(data)
    height, width, channels = fact["shape"]
    assert (header.height, header.width, header.colour) == (height, width, "gray" if channels == 1 else "rgb")
    y_hat, z_hat = latents.decode_latents(codec.twin, stream, (-(-height // 16), -(-width // 16)))
    assert y_hat.any() and latents_crc32(y_hat, z_hat) == header.latents_crc32 == fact["latents_crc32"]
    assert latents.encode_latents(codec.twin, y_hat, z_hat) == stream
    assert container.pack(header, stream) == data
    assert codec.decompress(data).shape == (height, width, channels)


def test_sixty_four_bits_change_nothing(codec):
    """What JAX_ENABLE_X64 makes of sums and constants must not reach the exact path."""
    data = (FOLDER / "rgb-40x56.gllm").read_bytes()
    jax.config.update("jax_enable_x64", True)
    try:
        header, y_hat, z_hat = codec.unpack(data)
        assert codec.pack(y_hat, z_hat, (header.height, header.width, 3)) == data
        again = codec.decompress(codec.compress(codec.decompress(data)))
    finally:
        jax.config.update("jax_enable_x64", False)
    assert again.shape == (40, 56, 3)
