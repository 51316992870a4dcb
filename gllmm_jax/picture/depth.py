"""Pictures of more than 8 bits a sample: this file tells them from others, and cuts them to the upper 8 bits."""

import os
import re

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from gllmm_jax.errors import PictureError

_SIZ = b"\xff\x4f\xff\x51"  # JPEG 2000: start of codestream, then the marker of the sizes
_SIZ_COMPONENTS = 42  # bytes from the codestream's start to its components, whose number is in the two bytes before
_SIZ_BYTES = 3  # for each component: its bits less one with the sign on top, and two steps

_AV1C = re.compile(rb"av1C\x81.(.)", re.DOTALL)  # AVIF: marker and version, profile and level, then flags
_HIGH_BITDEPTH = 0x40


def sample_bits(image: ImageFile.ImageFile, path: str | os.PathLike[str]) -> int:
    """Bits a sample of an image that is not loaded yet. It is at most 8, or the bits that Pillow's gray numbers have.

    Of deep RGB Pillow keeps 8 bits, and only its decoder knows. Raises `PictureError` for samples whose upper 8 bits
    are unknown: floats, signed numbers and numbers of more than 16 bits.
    """
    bits, kind = _bits(image), None
    if image.mode == "F":
        kind = "floating-point"
    elif bits > 16:
        kind = f"{bits}-bit integer"
    elif image.format == "TIFF" and image.mode == "I":  # unsigned gray is I;16
        kind = "signed integer"
    if kind:
        raise PictureError(f"{path} holds {kind} samples: save it with 8 bits first")
    return bits


def mend_transparency(image: ImageFile.ImageFile) -> None:
    """Scale the transparent level or colour of a PNG, which Pillow leaves as in the file, to the pixels' levels."""
    clear = image.info.get("transparency")
    unit = {"L;2": 85, "L;4": 17}.get(str(image.tile[0][3]) if image.format == "PNG" and image.tile else "", 1)
    if isinstance(clear, int):
        image.info["transparency"] = clear * unit
    elif isinstance(clear, tuple) and max(clear) > 255:  # of RGB with 16 bits Pillow keeps the upper 8
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def upper_bits(image: Image.Image, bits: int) -> Image.Image:
    """An image of `bits` a sample, at 8 bits a sample. Of RGB Pillow keeps only 8 bits; gray comes whole.

    The one transparent level that a gray PNG may name becomes white, as transparency does.
    """
    if not image.mode.startswith("I"):
        return image
    plane, top = np.asarray(image).astype(np.int64), 2**bits - 1
    gray = ((plane * 255 + top // 2) // top).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray[plane == clear] = 255
    return Image.fromarray(gray)


def _bits(image: ImageFile.ImageFile) -> int:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    if image.format == "JPEG2000":
        return 16 if _jpeg2000_bits(_content(image)) > 8 else 8  # Pillow fills gray up to 16
    if image.format == "AVIF":
        flags = b"".join(_AV1C.findall(_content(image)))
        return 16 if any(flag & _HIGH_BITDEPTH for flag in flags) else 8
    if image.mode == "I":
        return 16 if image.format == "PPM" else 32
    named = re.search(r"(?<!BGR);16|SGI16", str(image.tile))  # "BGR;16" is 16 bits a pixel, 5 or 6 a sample
    scaled = image.format == "PPM" and any(isinstance(args := tile[3], tuple) and args[1] > 255 for tile in image.tile)
    return 16 if image.mode.startswith("I") or named or scaled else 8


def _content(image: ImageFile.ImageFile) -> bytes:
    # reads the open file, because the file of a pipe cannot be opened again
    assert image.fp is not None
    place = image.fp.tell()
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(place)
    return data


def _jpeg2000_bits(data: bytes) -> int:
    """Most bits a sample in the codestream's header. Source: ITU-T T.800, A.5.1."""
    found = data.find(_SIZ)
    start = found + _SIZ_COMPONENTS
    count = int.from_bytes(data[start - 2 : start], "big")
    sizes = data[start : start + _SIZ_BYTES * count : _SIZ_BYTES]
    return max((size & 127) + 1 for size in sizes) if found >= 0 and sizes else 8
