"""Colour profiles of pictures. Arrays hold sRGB; other profiles are recognised and turned into sRGB."""

import io

import numpy as np
from PIL import Image, ImageCms

from gllmm_jax.errors import PictureError

_SPACE = slice(16, 20)
"""Place of the colour space's name in a profile. Source: ICC.1, profile header."""

_TOLERANCE = 3
"""Levels of 255 that a profile may differ: makers round sRGB's curve and primaries in many ways."""

_COLOURS = np.stack(np.meshgrid(*[np.linspace(0, 255, 16, dtype=np.uint8)] * 3), axis=-1).reshape(64, 64, 3)

_UNREADABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)

_MODES = {b"RGB ": "RGB", b"GRAY": "L"}


def fits(icc: bytes, mode: str) -> bool:
    """Whether a profile can be read and is for images of that mode."""
    try:
        _parsed(icc)
    except _UNREADABLE:
        return False
    return _MODES.get(icc[_SPACE]) == mode


def foreign(icc: bytes) -> str | None:
    """Name of an RGB profile other than sRGB. None for sRGB by any name, and for a profile that cannot be read."""
    try:
        name = " ".join(ImageCms.getProfileDescription(_parsed(icc)).split())
    except _UNREADABLE:
        return None
    if icc[_SPACE] != b"RGB " or _is_srgb(icc):
        return None
    return name or "without a name"


def _is_srgb(icc: bytes) -> bool:
    try:
        turned = _turn(Image.fromarray(_COLOURS), icc, ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except ImageCms.PyCMSError:
        return False
    return int(np.abs(np.asarray(turned, np.int16) - _COLOURS).max()) <= _TOLERANCE


def to_srgb(image: Image.Image, icc: bytes, name: object) -> Image.Image:
    """RGB or L of the profile `icc` -> RGB in sRGB. Raises `PictureError` if the profile does not allow it."""
    try:
        return _turn(image, icc, ImageCms.Intent.PERCEPTUAL)
    except _UNREADABLE as error:
        raise PictureError(f"{name} has a colour profile that cannot be turned into sRGB ({error})") from error


def _turn(image: Image.Image, icc: bytes, intent: ImageCms.Intent) -> Image.Image:
    turned = ImageCms.profileToProfile(image, _parsed(icc), ImageCms.createProfile("sRGB"), intent, "RGB")
    assert turned is not None  # it is None only if the image is turned in place
    return turned


def _parsed(icc: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))
