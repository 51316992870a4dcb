"""What pictures carry beside their pixels: read, kept in chunks, given back, and bounded."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from gllmm_jax.errors import BitstreamError, PictureError
from gllmm_jax.picture import carried, formats, picture
from gllmm_jax.picture.carried import Picture, from_chunks, to_chunks
from tests.codec.profiles import described

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 256, (20, 30)).astype(np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6">\xc3\xa4</x:xmpmeta>'
DAMAGED = b"no EXIF", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\x09"
UPRIGHT_XMP = XMP.replace(b'"6"', b'"1"')
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Maker", orientation
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ISOSpeedRatings: 200}
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (1.0, 2.0, 3.0)}
    return exif


def facts(exif: bytes) -> dict[int, Any]:
    """Values of EXIF, those of its inner directories too, and without places in the file."""
    read = Image.Exif()
    read.load(exif)
    inner = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
    return {tag: read.get_ifd(tag) if tag in inner else read[tag] for tag in read}


UPRIGHT = {tag: value for tag, value in facts(exif_of(6).tobytes()).items() if tag != ExifTags.Base.Orientation}


def a_file(kind: str, exif: Image.Exif) -> io.BytesIO:
    """A picture that carries all there is, as Pillow writes it."""
    options: dict[str, Any] = {"exif": exif, "icc_profile": SRGB}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif kind == "TIFF":
        options["exif"] = Image.Exif()
        options["exif"].load(exif.tobytes())
        options["exif"][700] = XMP
    else:
        options["xmp"] = XMP
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind, **options)
    return buffer


def no_warning(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_all_of_it_is_kept_and_the_picture_stands_upright(kind):
    found = picture.load("x", file=a_file(kind, exif_of(6)))
    assert found.pixels.shape == (30, 20, 3)
    assert found.exif.startswith((b"II*", b"MM\0*"))
    assert facts(found.exif).pop(ExifTags.Base.Orientation, 1) == 1
    assert {tag: value for tag, value in facts(found.exif).items() if tag != ExifTags.Base.Orientation} == UPRIGHT
    assert found.xmp == XMP.replace(b'tiff:Orientation="6"', b"")
    assert (found.icc, found.mode) == (SRGB, "RGB")
    whole = found._replace(alpha=ALPHA.T)
    chunks = to_chunks(whole, warn=no_warning)
    assert set(chunks) == {"exif", "xmpx", "iccp", "alph"}
    kept = from_chunks(found.pixels, chunks, warn=no_warning)
    assert kept[2:5] == whole[2:5] and (kept.alpha == ALPHA.T).all()
    assert set(to_chunks(whole, strip=True, warn=no_warning)) == {"alph"}
    told: list[str] = []
    back = picture.load("x", file=io.BytesIO(formats.encode(kept, kind, warn=told.append)))
    assert (back.xmp, back.icc) == (kept.xmp, kept.icc)
    assert {tag: value for tag, value in facts(back.exif).items() if tag != ExifTags.Base.Orientation} == UPRIGHT
    assert back.pixels.shape == (30, 20, 3)  # not turned again
    if kind == "JPEG":
        assert (back.alpha, told) == (None, ["JPEG holds no transparency: the picture is laid on white"])
    elif kind == "AVIF":
        assert back.alpha is not None and told == []
    else:
        assert (back.alpha == ALPHA.T).all() and told == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_exif_of_an_upright_picture_stays_byte_by_byte(kind):
    exif = exif_of(1).tobytes() + b"an unknown maker's bytes"
    buffer = io.BytesIO()
    xmp = {"xmp": XMP} if kind in ("JPEG", "WEBP") else {}  # which contradicts the EXIF
    Image.fromarray(RGB).save(buffer, kind, exif=exif, **xmp)
    found = picture.load("x", file=buffer)
    assert found.exif == exif.removeprefix(b"Exif\0\0") or kind == "AVIF"
    assert found.xmp == (UPRIGHT_XMP if xmp else b"")
    assert {**facts(found.exif), ExifTags.Base.Orientation: 1} == {**UPRIGHT, ExifTags.Base.Orientation: 1}


def test_gray_with_alpha(tmp_path):
    Image.fromarray(np.dstack([RGB[..., 0], ALPHA]), "LA").save(tmp_path / "a.png")
    found = picture.load(tmp_path / "a.png")
    assert np.array_equal(found.pixels[..., 0], RGB[..., 0]) and (found.alpha == ALPHA).all()
    for kind in ("PNG", "TIFF", "WEBP"):
        with Image.open(io.BytesIO(formats.encode(found, kind, warn=no_warning))) as image:
            assert (np.asarray(image.getchannel("A")) == ALPHA).all()
    with Image.open(io.BytesIO(formats.encode(found, "BMP", warn=str))) as image:
        white = RGB[..., 0] + (255 - RGB[..., 0].astype(float)) * (1 - ALPHA / 255)
        assert image.mode == "L" and np.abs(np.asarray(image) - white).max() <= 1


def test_what_a_format_does_not_take_is_told():
    whole = Picture(RGB, None, exif_of(1).tobytes()[6:] + bytes(70_000), UPRIGHT_XMP, SRGB)
    told: list[str] = []
    back = picture.load("x", file=io.BytesIO(formats.encode(whole, "JPEG", warn=told.append)))
    assert (back.exif, back.xmp, back.icc, told) == (b"", UPRIGHT_XMP, SRGB, ["JPEG does not take its EXIF"])
    told.clear()
    formats.encode(whole, "BMP", warn=told.append)
    assert told == ["BMP holds no EXIF, XMP or colour profile"]
    with pytest.raises(PictureError, match="WEBP does not take this picture"):
        formats.encode(Picture(np.zeros((1, 16384, 3), np.uint8), xmp=XMP), "WEBP", warn=no_warning)


def test_output_quality():
    sizes = [len(formats.encode(Picture(RGB), kind, quality=30, warn=no_warning)) for kind in formats.LOSSY]
    fine = [len(formats.encode(Picture(RGB), kind, warn=no_warning)) for kind in formats.LOSSY]
    assert all(size < other for size, other in zip(sizes, fine, strict=True))
    with pytest.raises(PictureError, match="PNG has no quality to choose: JPEG, WebP and AVIF have"):
        formats.encode(Picture(RGB), "PNG", quality=30, warn=no_warning)


def test_hostile_chunks():
    most = zlib.compress(bytes(carried.MOST), 9)
    assert len(from_chunks(RGB, {"xmpx": most}, warn=no_warning).xmp) == carried.MOST
    for data, why in (
        (zlib.compress(bytes(carried.MOST + 1), 9), "it has more than 4,194,304 bytes"),
        (most[:-5], "it is damaged"),
        (b"plain", "it is damaged"),
        *((zlib.compress(exif), "it is damaged") for exif in DAMAGED),
    ):
        told: list[str] = []
        assert from_chunks(RGB, {"exif": data}, warn=told.append).exif == b""
        assert told == [f"its EXIF is left out: {why}"]
    told = []
    assert to_chunks(Picture(RGB, xmp=bytes(carried.MOST + 1)), warn=told.append) == {}
    assert told == ["its XMP is left out: it has more than 4,194,304 bytes"]


def shared_tags() -> bytes:
    """EXIF whose first tag says that the picture is turned, and whose 600 others share some kilobytes."""
    entries = [(ExifTags.Base.Orientation, 3, 1, 6)] + [(0x9C00 + i, 1, 4096, 8) for i in range(600)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + directory + bytes(4096)


def test_of_a_picture_with_too_many_tags_none_is_read():
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG", exif=shared_tags())
    assert np.array_equal(picture.load("x", file=buffer).pixels, RGB)  # as it lies in the file


def test_the_size_of_tags_is_counted_before_they_are_read(monkeypatch):
    """Of tags that share their values, and of a directory that points to itself."""
    looped = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, ExifTags.IFD.Exif, 4, 1, 8)
    monkeypatch.setattr(Image, "Exif", None)  # nothing reads them
    for exif in (shared_tags(), looped + bytes(4)):
        told: list[str] = []
        assert from_chunks(RGB, {"exif": zlib.compress(exif)}, warn=told.append).exif == b""
        assert told == ["its EXIF is left out: its tags have more than 65,536 bytes"]


def test_transparency_that_is_not_the_pictures():
    alpha = to_chunks(Picture(RGB.transpose(1, 0, 2), ALPHA.T), warn=no_warning)["alph"]
    with pytest.raises(BitstreamError, match="its transparency is not of the picture's size"):
        from_chunks(RGB, {"alph": alpha}, warn=no_warning)
    color, gif = io.BytesIO(), io.BytesIO()
    Image.fromarray(RGB).save(color, "PNG")
    Image.fromarray(ALPHA).save(gif, "GIF")
    for data in (alpha[:-100], b"", color.getvalue(), gif.getvalue()):
        with pytest.raises(BitstreamError, match="the file is damaged: its transparency"):
            from_chunks(RGB.transpose(1, 0, 2), {"alph": data}, warn=no_warning)


@pytest.mark.parametrize(("tag", "value"), [(256, 4000), (257, 3000), (262, 6), (284, 2), (338, 0), (339, 3)])
def test_exif_does_not_lay_out_a_tiff(tag, value):
    """A camera's own EXIF may say how large a picture was, or how its samples lay."""
    exif = exif_of(1)
    exif[tag] = value
    with Image.open(io.BytesIO(formats.encode(Picture(RGB, exif=exif.tobytes()), "TIFF", warn=no_warning))) as image:
        assert np.array_equal(np.asarray(image), RGB) and image.getexif()[ExifTags.Base.Make] == "Maker"


def test_transparency_has_the_limit_of_its_picture(monkeypatch):
    chunks = to_chunks(Picture(RGB, ALPHA), warn=no_warning)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    alpha = from_chunks(RGB, chunks, warn=no_warning).alpha
    assert alpha is not None and np.array_equal(alpha, ALPHA) and alpha.flags.writeable
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("alpha", [ALPHA[:10], ALPHA.astype(float), ALPHA > 100])
def test_transparency_of_another_picture_is_refused(alpha):
    with pytest.raises(PictureError, match=r"has to be uint8 of \(20, 30\)"):
        to_chunks(Picture(RGB, alpha), warn=no_warning)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_damaged_exif_costs_no_picture(kind, tmp_path):
    """It is left out when the picture is packed, and that is said then."""
    Image.fromarray(RGB).save(tmp_path / "a", kind, exif=b"Exif\0\0garbage!", lossless=True)
    found, said = picture.load(tmp_path / "a"), []
    assert np.array_equal(found.pixels, RGB)
    assert to_chunks(found, warn=said.append) == {}
    assert said == ["its EXIF is left out: it is damaged"]


def test_webp_without_loss_keeps_colours_that_nobody_sees():
    data = formats.encode(Picture(RGB, np.zeros_like(ALPHA)), "WEBP", warn=no_warning)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., :3], RGB)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_a_profile_of_gray_does_not_go_into_files_of_colours(kind):
    """The picture is in sRGB then, and looks as it did; what cannot be turned loses its profile."""
    ramp, told = np.arange(256, dtype=np.uint8).reshape(16, 16, 1), []
    dark = Picture(ramp, icc=described("GRAY", curve=[1024]))  # a gamma of 4
    with Image.open(io.BytesIO(formats.encode(dark, kind, warn=no_warning))) as image:
        assert image.mode == "RGB" and image.info.get("icc_profile") is None
        shown = np.asarray(image).reshape(256, 3).astype(int)
    expected = 255 * (np.arange(256) / 255) ** (4 / 2.2)
    assert np.abs(shown - expected[:, None])[64:].max() < 12 and shown[128, 1] < 100
    with Image.open(io.BytesIO(formats.encode(dark, "PNG", warn=no_warning))) as image:
        assert (image.mode, image.info["icc_profile"]) == ("L", dark.icc)
    with Image.open(io.BytesIO(formats.encode(dark._replace(icc=b"none"), kind, warn=told.append))) as image:
        assert image.info.get("icc_profile") is None and told == [f"{kind} does not take its colour profile"]
