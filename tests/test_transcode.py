"""`gllmm_jax.read` and `gllmm_jax.write`: picture files and `.gllm` files by the same two calls."""

import numpy as np
import pytest
from PIL import Image

import gllmm_jax
from gllmm_jax.errors import BitstreamError, PictureError
from gllmm_jax.files import WriteError
from gllmm_jax.picture import picture


@pytest.fixture(autouse=True)
def known(mu_codec):
    """`mu_codec` has been used."""
    return gllmm_jax.transcode.use(mu_codec)


def test_there_and_back(mu_codec, photograph, tmp_path):
    exif, pixels, alpha = Image.Exif(), photograph(20, 33), photograph(20, 33, 1)
    exif[0x010F], exif[0x0112] = "Maker", 6
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "a.png", exif=exif)
    found = gllmm_jax.read(tmp_path / "a.png")
    assert np.array_equal(found.pixels, np.rot90(pixels, -1)) and (found.alpha == np.rot90(alpha[..., 0], -1)).all()
    gllmm_jax.write(tmp_path / "a.gllm", found, model=mu_codec)
    back = gllmm_jax.read(tmp_path / "a.gllm")
    assert (back.exif, (back.alpha == found.alpha).all()) == (found.exif, True)
    assert np.array_equal(back.pixels, mu_codec.decompress(mu_codec.compress(found.pixels)))
    gllmm_jax.write(tmp_path / "b.png", back, strip=True)
    whole = gllmm_jax.read(tmp_path / "b.png")
    assert np.array_equal(whole.pixels, back.pixels) and whole.exif == b"" and whole.alpha is not None


def test_arrays_are_pictures(mu_codec, photograph, tmp_path):
    for channels in (1, 3):
        pixels = photograph(20, 20, channels)
        gllmm_jax.write(tmp_path / "a.gllm", pixels.squeeze(), model=mu_codec, force=True)
        assert (tmp_path / "a.gllm").read_bytes() == mu_codec.compress(pixels)
        gllmm_jax.write(tmp_path / "a.png", pixels.squeeze(), force=True)
        assert np.array_equal(gllmm_jax.read(tmp_path / "a.png").pixels, pixels)
    gllmm_jax.write(tmp_path / "a.jpg", pixels, quality=30)
    gllmm_jax.write(tmp_path / "b.jpg", pixels)
    assert (tmp_path / "a.jpg").stat().st_size < (tmp_path / "b.jpg").stat().st_size


def test_what_is_refused(mu_codec, photo, photograph, tmp_path):
    old = photo.read_bytes()
    with pytest.raises(WriteError, match=r"photo\.png is there already: force=True replaces it"):
        gllmm_jax.write(photo, photograph(20, 20))
    assert photo.read_bytes() == old
    with pytest.raises(ValueError, match=r"max_bytes is for \.gllm files, and .*x\.png is none"):
        gllmm_jax.write(tmp_path / "x.png", photograph(20, 20), max_bytes=300)
    for quality in (0, 101, 50.5):
        with pytest.raises(PictureError, match="JPEG has a quality from 1 to 100, and a whole one, not "):
            gllmm_jax.write(tmp_path / "x.jpg", photograph(20, 20), quality=quality)
    for shape in ((20,), (4, 4, 4), (0, 4, 3)):
        for name in ("x.png", "x.gllm"):
            with pytest.raises(ValueError, match="a picture is a uint8 array"):
                gllmm_jax.write(tmp_path / name, np.zeros(shape, np.uint8))
    with pytest.raises(PictureError, match="more than the limit of 399"):
        gllmm_jax.read(photo, max_pixels=399)
    gllmm_jax.write(tmp_path / "a.gllm", photograph(20, 20), model=mu_codec)
    with pytest.raises(BitstreamError, match="more than the limit of 399"):
        gllmm_jax.read(tmp_path / "a.gllm", max_pixels=399)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gllm", "photo.png"]


def test_a_file_that_the_system_does_not_give(mu_codec, photo, monkeypatch):
    """Here root reads everything, so the system is told to refuse."""

    def refused(path, *rest):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(picture, "open", refused, raising=False)
    with pytest.raises(PictureError, match=r"^cannot read .*photo\.png: permission denied$"):
        gllmm_jax.read(photo)


@pytest.mark.parametrize("suffix", ["gllm", "png"])
def test_parts_of_two_pictures_are_refused(mu_codec, photograph, tmp_path, suffix):
    whole = gllmm_jax.transcode.Picture(photograph(20, 20), photograph(40, 20, 1)[..., 0])
    with pytest.raises(PictureError, match=r"has to be uint8 of \(20, 20\)"):
        gllmm_jax.write(tmp_path / f"a.{suffix}", whole, model=mu_codec)
    with pytest.raises(ValueError, match="uint8"):
        gllmm_jax.write(tmp_path / f"a.{suffix}", whole._replace(pixels=photograph(40, 20) / 255), model=mu_codec)
    assert not list(tmp_path.iterdir())
