"""Pictures with more bits than eight, or of another colour profile than sRGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from gllmm_jax.codec import picture
from gllmm_jax.codec.picture import PictureError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)

_DESCRIPTION = "Swapped"


def described(space: str, name: str = _DESCRIPTION) -> bytes:
    """An ICC profile, version 2, of the text `name`: of RGB whose red and blue have changed places, or of gray."""

    def fixed(*numbers: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(number * 65536) for number in numbers))

    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    linear = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)  # a gamma of 2.2
    tags = {b"desc": description, b"wtpt": fixed(0.9642, 1.0, 0.8249), b"cprt": b"text\0\0\0\0none\0"}
    if space == "RGB ":
        tags |= {b"rXYZ": fixed(*blue), b"gXYZ": fixed(*green), b"bXYZ": fixed(*red)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), linear)
    else:
        tags |= {b"kTRC": linear}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">8xI4s4s4s", 0x02100000, b"mntr", space.encode(), b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def test_another_colour_profile_needs_the_option(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(RGB).save(path, icc_profile=described("RGB "))
    with pytest.raises(PictureError, match=f"has the colour profile '{_DESCRIPTION}'; to turn it into sRGB: --convert"):
        picture.read(path)
    turned = picture.read(path, convert=True).astype(int)
    assert np.abs(turned - RGB[..., ::-1]).max() <= 10  # sRGB's curve is nearly a gamma of 2.2


def test_profiles_that_change_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, described("RGB ", "My sRGB copy"), b"not a profile at all", b""):
        Image.fromarray(RGB).save(tmp_path / "p.png", icc_profile=profile)
        assert np.array_equal(picture.read(tmp_path / "p.png"), RGB)
    Image.fromarray(RGB[..., 0]).save(tmp_path / "g.png", icc_profile=described("GRAY"))
    assert np.array_equal(picture.read(tmp_path / "g.png"), RGB[..., :1])


def test_a_profile_on_transparency(tmp_path):
    clear = Image.fromarray(np.dstack([RGB, np.zeros((20, 30), np.uint8)]))
    clear.save(tmp_path / "a.png", icc_profile=described("RGB "))
    assert (picture.read(tmp_path / "a.png", convert=True) >= 254).all()


def test_more_than_sixteen_bits_are_refused(tmp_path):
    for samples in ([[0, 70000]], [[-1, 5]]):
        Image.fromarray(np.array(samples, np.int32)).save(tmp_path / "i.tiff")
        for convert in (False, True):
            with pytest.raises(PictureError, match="32-bit integer samples: save it with 8 bits first"):
                picture.read(tmp_path / "i.tiff", convert=convert)
    Image.fromarray(np.array([[0, 65535]], np.int32)).save(tmp_path / "i.tiff")
    assert picture.read(tmp_path / "i.tiff", convert=True).ravel().tolist() == [0, 255]


def test_the_transparent_level_of_deep_gray_becomes_white(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 0, 0, 0, 0)) + chunk(b"tRNS", struct.pack(">H", 25700))
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">3H", 257, 25700, 25701)))
    (tmp_path / "t.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))
    assert picture.read(tmp_path / "t.png", convert=True).ravel().tolist() == [1, 255, 100]


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
    with pytest.raises(PictureError, match=r"16 bits a sample.*--convert"):
        picture.read(path)
