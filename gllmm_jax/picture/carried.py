"""Metadata of a picture (EXIF, XMP, colour profile) and its transparency, in images and in chunks.

The chunks are optional chunks of a `.gllm` file: a reader that does not know them reads on.

| chunk | holds |
| --- | --- |
| `exif` | EXIF from its TIFF header on, deflated |
| `xmpx` | an XMP packet, deflated |
| `iccp` | an ICC profile of the pixels, deflated |
| `alph` | alpha, 255 is opaque, as a gray PNG of the picture's size |
"""

import contextlib
import io
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gllmm_jax.errors import BitstreamError, PictureError
from gllmm_jax.picture import tags

ALONE = threading.RLock()
"""Lock for changes of Pillow's limit or of Python's warnings, which belong to the whole process."""

MOST = 1 << 22
"""Most bytes of EXIF, of XMP and of a profile that are kept: a small file may inflate to any size."""

NAMES = {"exif": "EXIF", "xmp": "XMP", "icc": "colour profile"}
"""Names for people, by the field of `Picture`."""

_CHUNKS = {"exif": "exif", "xmp": "xmpx", "icc": "iccp"}
ALPHA = "alph"

_PREFIX = b"Exif\0\0"
"""JPEG's prefix of EXIF's own header."""

_TIFF_TAGS = (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Orientation,
    ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
"""TIFF tags that describe the picture and not the file. Source: EXIF 2.32, 4.6.4."""

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[2-8]')

Warn = Callable[[str], object]
"""Takes a sentence about what is left out."""


class Picture(NamedTuple):
    """Upright sRGB pixels, with metadata and transparency."""

    pixels: np.ndarray  # uint8 [height, width, 3 or 1]
    alpha: np.ndarray | None = None  # uint8 [height, width], 255 is opaque
    exif: bytes = b""  # from its TIFF header on
    xmp: bytes = b""
    icc: bytes = b""  # profile of sRGB, by any name, if the pixels are RGB
    mode: str = ""  # Pillow's mode of the file that was read; P and 1 are drawings of few colours


def upright(image: Image.Image) -> tuple[Image.Image, bytes, bytes]:
    """A loaded image, turned as its orientation says, with its EXIF and XMP, which then say that
    the image stands upright."""
    raw = image.info.get("exif")
    try:
        if raw:
            tags.check(raw.removeprefix(_PREFIX))
        exif = image.getexif()
    except Exception:  # parsers raise errors of many types, and the picture is whole
        image.info.pop("exif", None)
        exif = Image.Exif()
    turned = exif.get(ExifTags.Base.Orientation) in range(2, 9)
    if raw is None and hasattr(image, "tag_v2"):
        raw = of_the_picture(exif)
    elif raw is None and "Raw profile type exif" in image.info:  # from an old PNG
        raw = exif.tobytes()
    image = ImageOps.exif_transpose(image)
    if turned and raw:
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = 1
        raw = exif.tobytes()
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return image, (raw or b"").removeprefix(_PREFIX), _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


@contextlib.contextmanager
def no_limit() -> Iterator[None]:
    """A context without Pillow's limit of pixels. Hold `ALONE` for its duration."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def of_the_picture(exif: Image.Exif) -> bytes:
    """The EXIF that describes the picture, without what a TIFF says about its own layout."""
    kept = Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if ifd in exif:
            kept[ifd] = exif.get_ifd(ifd)
    return kept.tobytes() if len(kept) else b""


def with_prefix(exif: bytes) -> bytes:
    """EXIF in the form that Pillow takes for every format."""
    return _PREFIX + exif


def to_chunks(picture: Picture, *, strip: bool = False, warn: Warn) -> dict[str, bytes]:
    """Chunks of a file by name. With `strip`, only transparency.

    Raises `PictureError` if transparency is not uint8 of the picture's size.
    """
    check_alpha(picture)
    chunks = {}
    for field, name in _CHUNKS.items():
        data = getattr(picture, field)
        if data and not strip:
            try:
                _check(field, data)
                chunks[name] = zlib.compress(data, 9)
            except ValueError as error:
                warn(f"its {NAMES[field]} is left out: {error}")
    if picture.alpha is not None:
        buffer = io.BytesIO()
        Image.fromarray(picture.alpha).save(buffer, "PNG", optimize=True)
        chunks[ALPHA] = buffer.getvalue()
    return chunks


def check_alpha(picture: Picture) -> None:
    """Raises `PictureError` if transparency is not uint8 of the picture's size."""
    alpha = picture.alpha
    if alpha is not None and (alpha.shape != picture.pixels.shape[:2] or alpha.dtype != np.uint8):
        size = picture.pixels.shape[:2]
        raise PictureError(f"alpha is {alpha.dtype} of the shape {alpha.shape}, and has to be uint8 of {size}")


def from_chunks(
    pixels: np.ndarray, chunks: Mapping[str, bytes], *, size: tuple[int, int] | None = None, warn: Warn
) -> Picture:
    """Inverse of `to_chunks`, for decoded pixels. Raises `BitstreamError` if transparency cannot be read.

    Transparency has the whole picture's `size`, height and width. The default is the size of the pixels. Other chunks
    are left out if they are damaged, or larger than `MOST` after inflation.
    """
    alpha = _alpha(chunks[ALPHA], size or pixels.shape[:2]) if ALPHA in chunks else None
    return Picture(pixels, alpha)._replace(**beside(chunks, warn=warn))


def beside(chunks: Mapping[str, bytes], *, warn: Warn) -> dict[str, bytes]:
    """EXIF, XMP and profile from chunks, by the fields of `Picture`."""
    fields = {}
    for field, name in _CHUNKS.items():
        if name in chunks:
            try:
                data = _inflated(chunks[name])
                _check(field, data)
                fields[field] = data
            except ValueError as error:
                warn(f"its {NAMES[field]} is left out: {error}")
    return fields


def _check(field: str, data: bytes) -> None:
    # some of Pillow's writers refuse damaged EXIF, and programs that read their files may trust it
    if len(data) > MOST:
        raise ValueError(f"it has more than {MOST:,} bytes")
    if field != "exif":
        return
    tags.check(data)
    try:
        with ALONE, warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="Metadata Warning")  # more numbers than a tag has
            exif = Image.Exif()
            exif.load(data)
            for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                dict(exif.get_ifd(ifd))
            dict(exif)
    except Exception as error:  # parsers raise errors of many types
        raise ValueError("it is damaged") from error


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(data, MOST + 1)
    except zlib.error as error:
        raise ValueError("it is damaged") from error
    if len(found) <= MOST and not inflate.eof:
        raise ValueError("it is damaged")
    return found


def _alpha(data: bytes, size: tuple[int, ...]) -> np.ndarray:
    try:
        with ALONE, no_limit(), Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if (image.mode, image.size) == ("L", (size[1], size[0])):  # no larger than its picture
                return np.array(image)
    except Exception as error:  # a broken file may raise nearly anything from the format's parser
        raise BitstreamError("the file is damaged: its transparency cannot be read") from error
    raise BitstreamError("the file is damaged: its transparency is not of the picture's size")
