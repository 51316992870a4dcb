"""Colour profiles of pictures: sRGB is what arrays hold, others are told and turned into it."""

import io
import os

from PIL import Image, ImageCms

from gllmm_jax.codec.errors import PictureError

_SPACE = slice(16, 20)
"""Where a profile names its colour space. Source: ICC.1, profile header."""


def foreign(icc: bytes) -> str | None:
    """Name of an RGB profile other than sRGB; None for sRGB, and for one that cannot be read."""
    try:
        name = " ".join(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).split())
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if icc[_SPACE] != b"RGB " or "sRGB" in name:
        return None
    return name or "without a name"


def to_srgb(image: Image.Image, icc: bytes, path: str | os.PathLike[str]) -> Image.Image:
    """An RGB image of the profile `icc` -> sRGB. Raises `PictureError` where the profile does not allow it."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except ImageCms.PyCMSError as error:
        raise PictureError(f"{path} has a colour profile that cannot be turned into sRGB ({error})") from error
    assert turned is not None  # only where it works in place
    return turned
