"""Pictures of more than 8 bits a sample: told from others, and cut to the upper 8."""

import os

import numpy as np
from PIL import Image

from gllmm_jax.codec.errors import PictureError

_SIZ = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, then the marker of the sizes
_SIZ_COMPONENTS = 42  # from the start of the codestream to its components, whose number precedes them in two bytes
_SIZ_BYTES = 3  # for each component: its bits less one with the sign on top, and two steps


def is_deep(image: Image.Image, path: str | os.PathLike[str]) -> bool:
    """More than 8 bits a sample, in an image not loaded yet. Of such RGB, Pillow keeps 8 and tells only its decoder."""
    if image.mode.startswith(("I", "F")):
        return True
    if image.format == "JPEG2000":
        with open(path, "rb") as file:
            return _jpeg2000_bits(file.read()) > 8
    arguments = [tile[3] for tile in getattr(image, "tile", [])]
    largest = [a[1] for a in arguments if isinstance(a, tuple) and len(a) == 2 and image.format == "PPM"]
    # "BGR;16" is 16 bits a pixel, 5 or 6 a sample
    return ";16" in str(arguments).replace("BGR;16", "") or any(value > 255 for value in largest)


def check_whole(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """Raises `PictureError` on samples whose upper 8 bits are not known: floats, and whole numbers beyond 16 bits."""
    kind = "floating-point" if image.mode == "F" else None
    if image.mode.startswith("I"):
        plane = np.asarray(image)
        kind = "32-bit integer" if plane.min() < 0 or plane.max() > 65535 else None
    if kind:
        raise PictureError(f"{path} holds {kind} samples: save it with 8 bits first")


def upper_bits(image: Image.Image) -> Image.Image:
    """8 bits a sample, of an image that `check_whole` lets pass: of RGB Pillow keeps only those, gray comes whole.

    The one transparent level a gray PNG may name becomes white, as transparency does.
    """
    if not image.mode.startswith("I"):
        return image
    plane = np.asarray(image).astype(np.int64)
    gray = ((plane + 128) // 257).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray[plane == clear] = 255
    return Image.fromarray(gray)


def _jpeg2000_bits(data: bytes) -> int:
    """Most bits a sample that the codestream announces. Source: ITU-T T.800, A.5.1."""
    found = data.find(_SIZ)
    start = found + _SIZ_COMPONENTS
    count = int.from_bytes(data[start - 2 : start], "big")
    sizes = data[start : start + _SIZ_BYTES * count : _SIZ_BYTES]
    return max((size & 127) + 1 for size in sizes) if found >= 0 and sizes else 8
