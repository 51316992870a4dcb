"""Pictures in and out: nothing lost in silence, every problem one sentence."""

import os

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.container import container
from gllmm_jax.files import WriteError
from gllmm_jax.picture import formats, picture
from gllmm_jax.picture.picture import PictureError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
GRAY = RGB[..., :1]


def saved(path, image: Image.Image, **options):
    image.save(path, **options)
    return path


def test_rgb_and_gray(tmp_path):
    assert np.array_equal(picture.read(saved(tmp_path / "a.png", Image.fromarray(RGB))), RGB)
    assert np.array_equal(picture.read(saved(tmp_path / "b.png", Image.fromarray(GRAY[..., 0]))), GRAY)


def test_palette_bilevel_and_opaque_alpha_lose_nothing(tmp_path):
    few = Image.fromarray(RGB).quantize(16)
    assert np.array_equal(picture.read(saved(tmp_path / "p.png", few)), np.asarray(few.convert("RGB")))
    bilevel = Image.fromarray(GRAY[..., 0]).convert("1")
    assert np.array_equal(picture.read(saved(tmp_path / "1.png", bilevel))[..., 0], np.asarray(bilevel) * 255)
    opaque = Image.fromarray(RGB).convert("RGBA")
    assert np.array_equal(picture.read(saved(tmp_path / "a.png", opaque)), RGB)
    gray = Image.fromarray(GRAY[..., 0]).convert("LA")
    assert np.array_equal(picture.read(saved(tmp_path / "la.png", gray)), GRAY)


def test_ycbcr(tmp_path):
    path = saved(tmp_path / "y.tiff", Image.fromarray(RGB).convert("YCbCr"))
    assert picture.read(path).shape == (20, 30, 3)


def test_transparency_needs_the_option(tmp_path):
    clear = Image.fromarray(np.dstack([RGB, np.full((20, 30), 0, np.uint8)]))
    path = saved(tmp_path / "a.png", clear)
    with pytest.raises(PictureError, match=r"partly transparent.*convert=True"):
        picture.read(path)
    assert (picture.read(path, convert=True) == 255).all()
    few = Image.fromarray(RGB).quantize(4)
    path = saved(tmp_path / "p.png", few, transparency=0)
    with pytest.raises(PictureError, match="partly transparent"):
        picture.read(path)
    path = saved(tmp_path / "la.png", Image.new("LA", (3, 2), (10, 0)))
    assert picture.read(path, convert=True).tolist() == [[[255]] * 3] * 2


def test_sixteen_bits_need_the_option(tmp_path):
    deep = Image.fromarray((GRAY[..., 0].astype(np.uint16)) * 257)
    path = saved(tmp_path / "g.png", deep)
    with pytest.raises(PictureError, match=r"more than 8 bits a sample.*convert=True"):
        picture.read(path)
    assert np.array_equal(picture.read(path, convert=True), GRAY)


def test_sixteen_bit_rgb_is_noticed(tmp_path):
    """Pillow would cut it to 8 bits in silence."""
    path = tmp_path / "deep.ppm"
    path.write_bytes(b"P6\n2 1\n65535\n" + (RGB[0, :2].astype(">u2") * 257).tobytes())
    deep_png = tmp_path / "deep.png"
    deep_png.write_bytes(deep_rgb_png(RGB))
    for deep in (path, deep_png):
        with pytest.raises(PictureError, match="more than 8 bits"):
            picture.read(deep)
    assert np.array_equal(picture.read(deep_png, convert=True), RGB)


def deep_rgb_png(pixels: np.ndarray) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2") * 257)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_cmyk_and_animations_need_the_option(tmp_path):
    cmyk = saved(tmp_path / "c.jpg", Image.fromarray(RGB).convert("CMYK"))
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    moving = saved(tmp_path / "m.png", frames[0], save_all=True, append_images=frames[1:])
    for path, words in ((cmyk, "CMYK"), (moving, "several frames")):
        with pytest.raises(PictureError, match=f"{words}.*convert=True"):
            picture.read(path)
        assert picture.read(path, convert=True).shape == (20, 30, 3)
    assert np.array_equal(picture.read(moving, convert=True), RGB)


def test_floats_are_refused(tmp_path):
    path = saved(tmp_path / "f.tiff", Image.fromarray(GRAY[..., 0].astype(np.float32)))
    with pytest.raises(PictureError, match="floating-point"):
        picture.read(path, convert=True)


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    path = saved(tmp_path / "o.png", Image.fromarray(RGB), exif=exif)
    assert np.array_equal(picture.read(path), np.rot90(RGB, -1))


def test_what_cannot_be_read(tmp_path):
    path = saved(tmp_path / "whole.png", Image.fromarray(RGB))
    cut, empty, text, ours = (tmp_path / name for name in ("cut.png", "empty.png", "text.png", "ours.png"))
    cut.write_bytes(path.read_bytes()[:200])
    empty.touch()
    text.write_text("no picture at all")
    ours.write_bytes(b"\x8aGLM\x01")
    cases = {
        cut: "is a damaged or incomplete picture",
        empty: "is empty",
        text: "is not a picture that can be read here",
        ours: "is compressed already",
        tmp_path: "is a folder, not a picture",
        tmp_path / "nowhere.png": "there is no file",
    }
    for broken, words in cases.items():
        with pytest.raises(PictureError, match=words):
            picture.read(broken)


def test_the_limit_of_pixels_is_ones_own(tmp_path, monkeypatch):
    """Whatever Pillow's is, which stays as it was."""
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for limit in (600, None):
        assert picture.read(path, max_pixels=limit).shape == RGB.shape
    with pytest.raises(PictureError, match="has 30 x 20 pixels, more than the limit of 599: max_pixels=600 lifts it"):
        picture.read(path, max_pixels=599)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert picture.MAX_PIXELS == container.MAX_PIXELS


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff", ".bmp", ".ppm", ".jp2", ""])
def test_writing_and_reading_again(tmp_path, suffix):
    for pixels in (RGB, GRAY):
        picture.write(tmp_path / f"out{suffix}", pixels)
        back = picture.read(tmp_path / f"out{suffix}")
        assert np.array_equal(back, np.broadcast_to(pixels, back.shape))
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_written(tmp_path, monkeypatch):
    for suffix in (".xyz", ".ico", ".gif", ".pdf"):
        with pytest.raises(PictureError, match=rf"'\{suffix}' is not a picture format"):
            picture.write(tmp_path / f"a{suffix}", RGB)
    with pytest.raises(WriteError, match=r"cannot write .*a\.png: there is no folder"):
        picture.write(tmp_path / "none" / "a.png", RGB)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(WriteError, match="it is a folder"):
        picture.write(tmp_path / "folder.png", RGB)
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(WriteError, match="the disk is full"):
        picture.write(tmp_path / "a.png", RGB)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def full_disk(*_, **__):
    raise OSError(28, "No space left on device")


def test_an_old_file_survives_a_failed_write(tmp_path, monkeypatch):
    picture.write(tmp_path / "a.png", RGB)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="the disk is full"):
        picture.write(tmp_path / "a.png", 255 - RGB)
    assert np.array_equal(picture.read(tmp_path / "a.png"), RGB)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_device_is_written_to_and_stays():
    formats.format_of("x.png")
    from gllmm_jax import files

    files.write(os.devnull, b"bytes")
    assert not os.path.isfile(os.devnull)
