"""JPEG, JPEG 2000, WebP and AVIF by Pillow, and JPEG XL by its plugin."""

import functools
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, features

from gllmm_jax.peers.peer import Peer, Shape

_ALWAYS = "JPEG"
_JPEG = {"optimize": True, "progressive": True}
_JPEG2000 = {"irreversible": True, "mct": 1}  # Pillow leaves RGB as it is unless it is told to turn it into YCbCr
_JPEG_CURVE = 5, 8, 12, 18, 25, 35, 50, 65, 75, 85, 92, 96
_AVIF_CURVE = tuple(range(10, 91, 8))
_JXL_CURVE = 10, 20, 30, 40, 50, 60, 70, 78, 85, 90, 94
_JPEG2000_CURVE = 300, 200, 130, 90, 64, 44, 32, 23, 17, 13, 10, 7


def peers() -> dict[str, Peer]:
    """The codecs by name. JPEG 2000's number says how many times smaller than its pixels a file is to be."""
    return {
        "jpeg-4:2:0": _peer("JPEG", "jpg", range(1, 97), _JPEG_CURVE, _JPEG | {"subsampling": 2}),
        "jpeg-4:4:4": _peer("JPEG", "jpg", range(1, 97), _JPEG_CURVE, _JPEG | {"subsampling": 0}),
        "jpeg2000": _peer("JPEG2000", "jp2", range(400, 0, -1), _JPEG2000_CURVE, _JPEG2000),
        "webp": _peer("WEBP", "webp", range(101), (1, 5, 10, 20, 35, 50, 65, 75, 83, 90, 95, 98), {"method": 6}),
        "avif-4:2:0": _peer("AVIF", "avif", range(101), _AVIF_CURVE, {"speed": 3, "subsampling": "4:2:0"}),
        "avif-4:4:4": _peer("AVIF", "avif", range(101), _AVIF_CURVE, {"speed": 3, "subsampling": "4:4:4"}),
        "jxl-e7": _peer("JXL", "jxl", range(1, 100), _JXL_CURVE, {"effort": 7}),
    }


def encode(kind: str, options: Mapping[str, Any], image: np.ndarray, quality: int) -> bytes:
    """A file of Pillow's format `kind`."""
    _plug_in(kind)
    buffer = io.BytesIO()
    plane = image[..., 0] if image.shape[-1] == 1 else image
    asked = {"quality_layers": [quality]} if kind == "JPEG2000" else {"quality": quality}
    Image.fromarray(plane).save(buffer, kind, **asked, **options)
    return buffer.getvalue()


def decode(kind: str, data: bytes, shape: Shape) -> np.ndarray:
    """The picture in such a file."""
    _plug_in(kind)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB" if shape[-1] == 3 else "L"))
    return pixels.reshape(shape)


def missing(kind: str) -> str | None:
    """What to install for a format."""
    if kind == "JXL":
        try:
            _plug_in(kind)
        except ImportError as error:
            return str(error)
        return None
    if kind == _ALWAYS or features.check("jpg_2000" if kind == "JPEG2000" else kind.lower()):
        return None
    return f"this Pillow was built without {kind}: pip install --upgrade pillow"


def _peer(kind: str, suffix: str, qualities: Sequence[int], curve: tuple[int, ...], options: Mapping[str, Any]) -> Peer:
    to_bytes, to_pixels = functools.partial(encode, kind, options), functools.partial(decode, kind)
    library = "pillow-jxl-plugin" if kind == "JXL" else "Pillow"
    return Peer(library, suffix, functools.partial(missing, kind), to_bytes, to_pixels, qualities, curve)


def _plug_in(kind: str) -> None:
    if kind == "JXL":
        try:
            import pillow_jxl  # noqa: F401 (Pillow knows the format from here on)
        except ImportError as error:
            raise ImportError("it needs pillow-jxl-plugin: pip install 'gllmm-jax[peers]'") from error
