"""Pictures with more bits than eight, or of another colour profile than sRGB."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from gllmm_jax.picture import picture
from gllmm_jax.picture.picture import PictureError
from tests.codec.profiles import BLUE, DESCRIPTION, GREEN, P3, RED, described, srgb_curve

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_another_colour_profile_needs_the_option(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(RGB).save(path, icc_profile=described("RGB "))
    with pytest.raises(
        PictureError, match=f"has the colour profile '{DESCRIPTION}'; to turn it into sRGB: convert=True"
    ):
        picture.read(path)
    turned = picture.read(path, convert=True).astype(int)
    assert np.abs(turned - RGB[..., ::-1]).max() <= 10  # sRGB's curve is nearly a gamma of 2.2


def test_profiles_that_change_nothing(tmp_path):
    pillows = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ours = described("RGB ", "Another name", (RED, GREEN, BLUE), srgb_curve())
    for profile in (pillows, ours, b"not a profile at all", b""):
        Image.fromarray(RGB).save(tmp_path / "p.png", icc_profile=profile)
        assert np.array_equal(picture.read(tmp_path / "p.png"), RGB)
    Image.fromarray(RGB[..., 0]).save(tmp_path / "g.png", icc_profile=described("GRAY"))
    assert np.array_equal(picture.read(tmp_path / "g.png"), RGB[..., :1])


@pytest.mark.parametrize(("primaries", "curve"), [(P3, srgb_curve()), ((RED, GREEN, BLUE), [563])])
def test_a_profile_is_not_known_by_its_name(tmp_path, primaries, curve):
    Image.fromarray(RGB).save(tmp_path / "p.png", icc_profile=described("RGB ", "not sRGB", primaries, curve))
    with pytest.raises(PictureError, match="has the colour profile 'not sRGB'"):
        picture.read(tmp_path / "p.png")


def test_a_profile_on_transparency(tmp_path):
    clear = Image.fromarray(np.dstack([RGB, np.zeros((20, 30), np.uint8)]))
    clear.save(tmp_path / "a.png", icc_profile=described("RGB "))
    assert (picture.read(tmp_path / "a.png", convert=True) >= 254).all()


def test_a_profile_is_kept_where_it_is_that_of_the_pixels(tmp_path):
    ours, gray = described("RGB ", "Another name", (RED, GREEN, BLUE), srgb_curve()), described("GRAY")
    for image, icc, kept in (
        (Image.fromarray(RGB), ours, ours),
        (Image.fromarray(RGB[..., 0]), gray, gray),
        (Image.fromarray(RGB[..., 0]), ours, b""),
        (Image.fromarray(RGB), gray, b""),
        (Image.fromarray(RGB), b"not a profile at all", b""),
        (Image.fromarray(RGB), described("RGB "), b""),  # turned into sRGB
        (Image.fromarray(RGB).convert("CMYK"), described("CMYK"), b""),
    ):
        image.save(tmp_path / "p.tiff", icc_profile=icc)
        assert picture.load(tmp_path / "p.tiff", convert=True).icc == kept


def tiff(samples: list[int], bits: int, kind: int = 1) -> bytes:
    """A gray TIFF of one row: little-endian, uncompressed, of the sample format `kind`. Two of 12 bits are 3 bytes."""
    if bits == 12:
        body = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in zip(samples[::2], samples[1::2], strict=True))
    else:
        body = np.array(samples).astype(f"<i{bits // 8}").tobytes()
    tags = {256: len(samples), 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(body), 339: kind}
    body += bytes(len(body) % 2)
    entries = b"".join(struct.pack("<HHIHxx", tag, 3, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff([0, 300], 32), "32-bit integer"),
        (tiff([-1, 70000], 32, 2), "32-bit integer"),
        (tiff([0, 300], 16, 2), "signed integer"),
    ],
)
@pytest.mark.parametrize("convert", [False, True])
def test_samples_of_unknown_range_are_refused(tmp_path, data, words, convert):
    (tmp_path / "i.tiff").write_bytes(data)
    with pytest.raises(PictureError, match=f"holds {words} samples: save it with 8 bits first"):
        picture.read(tmp_path / "i.tiff", convert=convert)


@pytest.mark.parametrize(
    ("data", "gray"),
    [
        (tiff([0, 2056, 4095, 16], 12), [0, 128, 255, 1]),
        (tiff([0, 257, 65535], 16), [0, 1, 255]),
        (b"P5\n2 1\n1023\n" + struct.pack(">2H", 0, 1023), [0, 255]),
    ],
)
def test_deep_gray_is_scaled_by_its_depth(tmp_path, data, gray):
    (tmp_path / "deep").write_bytes(data)
    assert picture.read(tmp_path / "deep", convert=True).ravel().tolist() == gray


def png(bits: int, colour: int, row: bytes, width: int, clear: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)) + chunk(b"tRNS", clear)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (png(16, 0, struct.pack(">3H", 257, 25700, 25701), 3, b"\x64\x64"), [1, 255, 100]),
        (png(4, 0, b"\x0f\x36", 4, b"\0\3"), [0, 255, 255, 102]),
        (png(2, 0, b"\x1b", 4, b"\0\2"), [0, 85, 255, 255]),
        (
            png(16, 2, bytes.fromhex("03e807d0ea60 111122223333"), 2, bytes.fromhex("03e807d0ea60")),
            [255] * 3 + [17, 34, 51],
        ),
    ],
)
def test_the_transparent_level_becomes_white(tmp_path, data, pixels):
    (tmp_path / "t.png").write_bytes(data)
    with pytest.raises(picture.PictureError, match=r"transparent|more than 8 bits"):
        picture.read(tmp_path / "t.png")
    assert picture.read(tmp_path / "t.png", convert=True).ravel().tolist() == pixels


@pytest.mark.parametrize("plain", [True, False])
def test_deep_jpeg_2000_is_noticed(tmp_path, plain):
    """A file of 8 bits whose header is made to announce 16: Pillow itself writes no deep RGB."""
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG2000", no_jp2=plain)
    path, data = tmp_path / "d.jp2", buffer.getvalue()
    path.write_bytes(data)
    assert np.array_equal(picture.read(path), RGB)
    sizes = b"\x07\x01\x01" * 3
    assert data.count(sizes) == 1
    path.write_bytes(data.replace(sizes, b"\x0f\x01\x01" * 3))
    with pytest.raises(PictureError, match=r"more than 8 bits a sample.*convert=True"):
        picture.read(path)


@pytest.mark.parametrize(("bits", "flags"), [(10, 0x40), (12, 0x60)])
def test_deep_avif_is_noticed(tmp_path, bits, flags):
    """A file of 8 bits whose header is made to announce more: Pillow itself writes no deep AVIF."""
    path = tmp_path / "d.avif"
    Image.fromarray(RGB).save(path)
    assert picture.read(path).shape == RGB.shape
    data = bytearray(path.read_bytes())
    data[data.index(b"av1C") + 6] |= flags
    path.write_bytes(data.replace(b"\x03\x08\x08\x08", bytes([3, bits, bits, bits])))  # of the box pixi
    with pytest.raises(PictureError, match=r"more than 8 bits a sample.*convert=True"):
        picture.read(path)
    if os.path.exists("/dev/fd"):  # a pipe, which cannot be opened twice
        end, start = os.pipe()
        os.write(start, path.read_bytes())
        os.close(start)
        with pytest.raises(PictureError, match="more than 8 bits a sample"):
            picture.read(f"/dev/fd/{end}")
        os.close(end)


def test_deep_sgi_is_noticed(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "d.sgi", bpc=2)
    with pytest.raises(PictureError, match="more than 8 bits"):
        picture.read(tmp_path / "d.sgi")
    Image.fromarray(RGB).save(tmp_path / "d.sgi")
    assert np.array_equal(picture.read(tmp_path / "d.sgi"), RGB)


def test_sixteen_bits_a_pixel_are_not_deep(tmp_path):
    size = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + struct.pack("<3I", 0xF800, 0x07E0, 0x001F)
    (tmp_path / "p.bmp").write_bytes(
        struct.pack("<2sIxxxxI", b"BM", 70, 66) + size + struct.pack("<2H", 0xFFFF, 0xF800)
    )
    assert picture.read(tmp_path / "p.bmp").tolist() == [[[255, 255, 255], [255, 0, 0]]]
