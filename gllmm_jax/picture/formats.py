"""Formats for pictures that are written, and what each format keeps."""

import io
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from gllmm_jax.errors import PictureError
from gllmm_jax.picture import profile
from gllmm_jax.picture.carried import NAMES, Picture, Warn, of_the_picture, with_prefix

WRITTEN = frozenset({"PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000"})
"""Formats that hold 24 bits a pixel. For others Pillow would silently cut colours or sizes."""

LOSSY = ("JPEG", "WEBP", "AVIF")
"""Formats with a quality setting."""

_READ_ALONE = {"GIF", "TGA", "MPO"}
"""Other formats that folders are searched for."""

_TRANSPARENT = ("PNG", "WEBP", "TIFF", "AVIF", "JPEG2000")
_COLOURED = ("WEBP", "AVIF")  # gray becomes RGB
_CARRYING = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
"""Settings for formats that may lose something. They lose little: the picture has been through one codec already."""

_XMP_TAG = 700  # TIFF tag
_XMP_KEY = "XML:com.adobe.xmp"  # PNG key


def format_of(path: str | os.PathLike[str]) -> str:
    """Pillow's name for the format of a suffix. Raises `PictureError` if this package does not write the format."""
    suffix = Path(path).suffix.lower()
    known = Image.registered_extensions()  # the first call also fills Image.SAVE
    kind = known.get(suffix, "") if suffix else "PNG"
    if kind not in WRITTEN or kind not in Image.SAVE:
        raise PictureError(f"cannot write {path}: '{suffix}' is not a picture format written here; .png always is")
    return kind


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file's suffix is of a format that folders are searched for: a written format, GIF, TGA or MPO."""
    return Image.registered_extensions().get(Path(path).suffix.lower(), "") in WRITTEN | _READ_ALONE


def check_quality(kind: str, quality: float | None) -> None:
    """Raises `PictureError` if there is a quality and the format takes none."""
    if quality is not None and kind not in LOSSY:
        raise PictureError(f"{kind} has no quality to choose: JPEG, WebP and AVIF have")
    if quality is not None and quality not in range(1, 101):
        raise PictureError(f"{kind} has a quality from 1 to 100, and a whole one, not {quality}")


def encode(picture: Picture, kind: str, *, quality: float | None = None, warn: Warn) -> bytes:
    """A file of the format that `format_of` names, with the metadata that the format keeps.

    `quality` is from 1 to 100, for JPEG, WebP and AVIF. By default little or nothing is lost. Raises `PictureError` if
    the format does not take the picture or the quality.
    """
    check_quality(kind, quality)
    if kind in _COLOURED and picture.icc and picture.pixels.shape[-1] == 1:
        picture = _in_colour(picture, kind, warn)
    image = _image(picture, kind, warn)
    carried = [field for field in NAMES if getattr(picture, field)]
    if carried and kind not in _CARRYING:
        warn(f"{kind} holds no {_or(carried)}")
        carried = []
    options = dict(_SAVE_OPTIONS.get(kind, {})) if quality is None else {"quality": int(quality)}
    # leaves out what does not fit or is damaged, as little as possible
    for count in range(len(carried) + 1):
        for left_out in itertools.combinations(carried, count):
            kept = picture._replace(**dict.fromkeys({*NAMES} - ({*carried} - {*left_out}), b""))
            try:
                buffer = io.BytesIO()
                image.save(buffer, format=kind, **options, **_carrying(kept, kind))
            except Exception as error:  # parsers of any file's metadata raise errors of many types
                if count == len(carried):
                    raise PictureError(f"{kind} does not take this picture ({error})") from error
                continue
            if left_out:
                warn(f"{kind} does not take its {_or(left_out)}")
            return buffer.getvalue()
    raise AssertionError


def as_image(picture: Picture) -> Image.Image:
    """The image of L, LA, RGB or RGBA."""
    pixels = picture.pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image


def _image(picture: Picture, kind: str, warn: Warn) -> Image.Image:
    image = as_image(picture)
    if picture.alpha is None or kind in _TRANSPARENT:
        return image
    warn(f"{kind} holds no transparency: the picture is laid on white")
    return on_white(image)


def _in_colour(picture: Picture, kind: str, warn: Warn) -> Picture:
    """A gray picture with a gray profile, which would not fit the RGB of its file -> sRGB."""
    try:
        image = profile.to_srgb(Image.fromarray(picture.pixels[..., 0]), picture.icc, "the picture")
    except PictureError:
        warn(f"{kind} does not take its {NAMES['icc']}")
        return picture._replace(icc=b"")
    return picture._replace(pixels=as_array(image), icc=b"")


def on_white(image: Image.Image) -> Image.Image:
    """LA or RGBA -> L or RGB."""
    full = image.convert("RGBA")
    laid = Image.alpha_composite(Image.new("RGBA", full.size, "white"), full).convert("RGB")
    return laid.getchannel(0) if image.mode == "LA" else laid


def _carrying(picture: Picture, kind: str) -> dict[str, Any]:
    """Pillow's options for the metadata of the picture."""
    options: dict[str, Any] = {"icc_profile": picture.icc} if picture.icc else {}
    if kind == "TIFF" and (picture.exif or picture.xmp):
        found, exif = Image.Exif(), Image.Exif()
        if picture.exif:
            found.load(picture.exif)
            exif.load(of_the_picture(found))
        if picture.xmp:
            exif[_XMP_TAG] = picture.xmp
        return options | {"exif": exif}
    if picture.exif:
        options["exif"] = with_prefix(picture.exif)
    if picture.xmp and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_XMP_KEY, picture.xmp.decode())
    elif picture.xmp:
        options["xmp"] = picture.xmp
    return options


def _or(fields: Any) -> str:
    *names, last = (NAMES[field] for field in fields)
    return f"{', '.join(names)} or {last}" if names else last


def as_array(image: Image.Image) -> np.ndarray:
    """L or RGB -> uint8 [height, width, 1 or 3]."""
    return np.array(image, np.uint8).reshape(image.height, image.width, -1)
