"""What a picture carries beside its pixels: EXIF, XMP, a colour profile and transparency, in images and in chunks.

Chunks are optional ones of a `.gllm` file: whoever does not know them reads on.

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

ALONE = threading.RLock()
"""Held while Pillow's limit or Python's warnings are changed, which are the whole process's."""

MOST = 1 << 22
"""Bytes of EXIF, of XMP and of a profile that are kept: a small file may deflate to any size."""

NAMES = {"exif": "EXIF", "xmp": "XMP", "icc": "colour profile"}
"""For people, by the field of `Picture`."""

_CHUNKS = {"exif": "exif", "xmp": "xmpx", "icc": "iccp"}
ALPHA = "alph"

_PREFIX = b"Exif\0\0"
"""What JPEG has before EXIF's own header."""

_TIFF_TAGS = (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Orientation,
    ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
"""Of a TIFF, what tells of the picture and not of the file. Source: EXIF 2.32, 4.6.4."""

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[2-8]')

Warn = Callable[[str], object]
"""Told what is left out, in a sentence."""


class Picture(NamedTuple):
    """Pixels, upright and in sRGB, and what comes with them."""

    pixels: np.ndarray  # uint8 [height, width, 3 or 1]
    alpha: np.ndarray | None = None  # uint8 [height, width], 255 is opaque
    exif: bytes = b""  # from its TIFF header on
    xmp: bytes = b""
    icc: bytes = b""  # where the pixels are RGB, of sRGB by whatever name
    mode: str = ""  # Pillow's, of the file that was read: P and 1 are drawings of few colours


def upright(image: Image.Image) -> tuple[Image.Image, bytes, bytes]:
    """A loaded image turned as its orientation says, its EXIF and its XMP, which say from then on
    that it stands upright."""
    raw = image.info.get("exif")
    try:
        exif = image.getexif()
    except Exception:  # as parsers do: the picture is whole
        image.info.pop("exif", None)
        exif = Image.Exif()
    turned = exif.get(ExifTags.Base.Orientation) in range(2, 9)
    if raw is None and hasattr(image, "tag_v2"):
        raw = of_the_picture(exif)
    elif raw is None and "Raw profile type exif" in image.info:  # of an old PNG
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
    """Without Pillow's limit of pixels. To be used while `ALONE` is held."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def of_the_picture(exif: Image.Exif) -> bytes:
    """EXIF of what tells of the picture, without what a TIFF says of its own layout."""
    kept = Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if ifd in exif:
            kept[ifd] = exif.get_ifd(ifd)
    return kept.tobytes() if len(kept) else b""


def with_prefix(exif: bytes) -> bytes:
    """EXIF as Pillow takes it for every format."""
    return _PREFIX + exif


def to_chunks(picture: Picture, *, strip: bool = False, warn: Warn) -> dict[str, bytes]:
    """Chunks of a file by name; with `strip` transparency alone.

    Raises `PictureError` on transparency that is not uint8 of the picture's size.
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
    """Raises `PictureError` on transparency that is not uint8 of the picture's size."""
    alpha = picture.alpha
    if alpha is not None and (alpha.shape != picture.pixels.shape[:2] or alpha.dtype != np.uint8):
        size = picture.pixels.shape[:2]
        raise PictureError(f"alpha is {alpha.dtype} of the shape {alpha.shape}, and has to be uint8 of {size}")


def from_chunks(
    pixels: np.ndarray, chunks: Mapping[str, bytes], *, size: tuple[int, int] | None = None, warn: Warn
) -> Picture:
    """Inverse of `to_chunks`, for decoded pixels. Raises `BitstreamError` on transparency that cannot be read.

    Transparency is of the whole picture's `size`, height and width, that of the pixels unless given. What else is
    damaged, or larger than `MOST` once it is inflated, is left out.
    """
    alpha = _alpha(chunks[ALPHA], size or pixels.shape[:2]) if ALPHA in chunks else None
    return Picture(pixels, alpha)._replace(**beside(chunks, warn=warn))


def beside(chunks: Mapping[str, bytes], *, warn: Warn) -> dict[str, bytes]:
    """EXIF, XMP and profile of chunks, by the fields of `Picture`."""
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
    # not all of Pillow's writers take damaged EXIF, and programs that read their files may trust it
    if len(data) > MOST:
        raise ValueError(f"it has more than {MOST:,} bytes")
    if field != "exif":
        return
    try:
        with ALONE, warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="Metadata Warning")  # more numbers than a tag has
            exif = Image.Exif()
            exif.load(data)
            for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                dict(exif.get_ifd(ifd))
            dict(exif)
    except Exception as error:  # as parsers do
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
