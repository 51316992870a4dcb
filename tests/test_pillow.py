"""The Pillow plugin: open, look, load, save."""

import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import gllmm_jax.pillow
from gllmm_jax import BitstreamError


@pytest.fixture(autouse=True)
def known(mu_codec, monkeypatch):
    monkeypatch.setattr(gllmm_jax.pillow, "_codecs", {})
    return gllmm_jax.pillow.use(mu_codec)


@pytest.mark.parametrize("channels", [1, 3])
def test_there_and_back(mu_codec, photograph, tmp_path, channels):
    pixels = photograph(20, 33, channels)
    picture = Image.fromarray(pixels.squeeze())
    picture.save(tmp_path / "x.gllm", model=mu_codec)
    assert (tmp_path / "x.gllm").read_bytes() == mu_codec.compress(pixels)
    with Image.open(tmp_path / "x.gllm") as opened:
        assert (opened.format, opened.size, opened.mode) == ("GLLM", (33, 20), picture.mode)
        assert opened.info == {"model": "mu-random", "coder": "rans", "quality": None}
        assert opened.get_format_mimetype() == "image/x-gllm"
        again = np.asarray(opened).reshape(pixels.shape)
        assert np.array_equal(again, mu_codec.decompress(mu_codec.compress(pixels)))
        assert opened.resize((5, 5)).size == (5, 5) and opened.copy().tobytes() == opened.tobytes()


def test_from_memory_and_by_name(mu_codec, mu_file, photograph, monkeypatch):
    monkeypatch.setattr(gllmm_jax.pillow, "_codecs", {})
    picture, buffer = Image.fromarray(photograph(20, 20)), io.BytesIO()
    picture.save(buffer, format="GLLM", model=mu_file)
    buffer.seek(0)
    opened = Image.open(buffer)
    assert opened.convert("L").size == (20, 20) and not buffer.closed
    monkeypatch.setattr(gllmm_jax.pillow, "_codecs", {})
    with pytest.raises(BitstreamError, match="needs the weights 'mu-random'"):
        Image.open(buffer).load()


def test_damage(mu_codec, photograph, tmp_path):
    data = mu_codec.compress(photograph(20, 20))
    (tmp_path / "cut.gllm").write_bytes(data[:-5])
    (tmp_path / "other.gllm").write_bytes(b"GIF8" + data)
    with pytest.raises(BitstreamError, match="cut short"):
        Image.open(tmp_path / "cut.gllm")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "other.gllm")


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(OSError, match="cannot write mode RGBA as GLLM"):
        Image.new("RGBA", (4, 4)).save(tmp_path / "x.gllm")
    assert not (tmp_path / "x.gllm").exists()
