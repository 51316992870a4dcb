"""Pictures on disk and as arrays: uint8 [height, width, 3] (RGB) or [height, width, 1] (gray).

Whatever can become such an array without losing anything does so silently; the rest needs `convert=True`.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from gllmm_jax import files
from gllmm_jax.errors import PictureError
from gllmm_jax.picture import depth, profile

_COMPRESSED = b"\x8aGLM"  # how `container` begins

_CONVERT = "convert=True"

_FORMATS = frozenset({"PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000"})
"""What is written: formats that hold 24 bits a pixel. Pillow would cut colours or sizes in silence for others."""

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
"""Where a format may lose something, lose little: the picture has been through one codec already."""


def read(path: str | os.PathLike[str], *, convert: bool = False, file: BinaryIO | None = None) -> np.ndarray:
    """The picture in a file, upright -> uint8 [height, width, 3 or 1]. With `file`, that is read and `path` its name.

    Palettes without transparency, bilevel and YCbCr pictures, and alpha that is opaque everywhere are converted, since
    nothing is lost. With `convert` also transparency (laid on white), 9 to 16 bits a sample (the upper 8), CMYK, RGB of
    another colour profile than sRGB, and the first frame of an animation. Raises `PictureError`.
    """
    with _opened(path, file) as opened:
        moving = getattr(opened, "is_animated", False) and opened.format != "MPO"  # MPO: a photograph with extras
        if moving and not convert:
            raise PictureError(f"{path} has several frames; to keep only the first: {_CONVERT}")
        bits, icc = depth.sample_bits(opened, path), opened.info.get("icc_profile")
        depth.mend_transparency(opened)
        opened.load()
        image: Image.Image = ImageOps.exif_transpose(opened)
        if bits > 8:
            if not convert:
                raise PictureError(f"{path} has more than 8 bits a sample; to keep the upper 8: {_CONVERT}")
            image = depth.upper_bits(image, bits)
        image = _flatten(image, path, convert)
        name = profile.foreign(icc) if icc and image.mode == "RGB" else None
        if icc and name is not None:
            if not convert:
                raise PictureError(f"{path} has the colour profile '{name}'; to turn it into sRGB: {_CONVERT}")
            image = profile.to_srgb(image, icc, path)
        pixels = np.array(image, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def write(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write uint8 [height, width, 3 or 1], whole or not at all, in the format of the suffix: PNG where there is none.

    Raises `PictureError` on a suffix that `format_of` refuses, `files.WriteError` where the disk refuses.
    """
    data = encode(pixels, format_of(path))
    files.write(path, data)


def encode(pixels: np.ndarray, kind: str) -> bytes:
    """uint8 [height, width, 3 or 1] -> a file of the format that `format_of` names. Raises `PictureError`."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=kind, **_SAVE_OPTIONS.get(kind, {}))
    except (ValueError, KeyError, OSError) as error:
        raise PictureError(f"{kind} does not take this picture ({error})") from error
    return buffer.getvalue()


def format_of(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format a suffix stands for. Raises `PictureError` on one not written here."""
    suffix = Path(path).suffix.lower()
    known = Image.registered_extensions()  # the first call also fills Image.SAVE
    kind = known.get(suffix, "") if suffix else "PNG"
    if kind not in _FORMATS or kind not in Image.SAVE:
        raise PictureError(f"cannot write {path}: '{suffix}' is not a picture format written here; .png always is")
    return kind


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file has a suffix of the formats that are read from folders: those written here, GIF, TGA and MPO."""
    return Image.registered_extensions().get(Path(path).suffix.lower(), "") in _FORMATS | {"GIF", "TGA", "MPO"}


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str], file: BinaryIO | None) -> Iterator[ImageFile.ImageFile]:
    """Pillow's many ways to fail, as one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes it is still willing to open, and odd metadata
            if file is None and os.path.isfile(path) and _starts_compressed(path):  # a pipe can be read only once
                raise PictureError(f"{path} is compressed already")
            with Image.open(path if file is None else file) as image:
                yield image
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder, not a picture") from error
    except UnidentifiedImageError as error:
        empty = file is None and not os.path.getsize(path)
        raise PictureError(f"{path} is {'empty' if empty else 'not a picture that can be read here'}") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} announces more pixels than Pillow is willing to read") from error
    except MemoryError as error:
        raise PictureError(f"{path} does not fit into memory") from error
    except Exception as error:  # a broken file may raise nearly anything from the format's parser
        if isinstance(error, OSError) and error.strerror:  # of the system
            raise PictureError(f"cannot read {path}: {error.strerror.lower()}") from error
        raise PictureError(f"{path} is a damaged or incomplete picture ({error})") from error


def _starts_compressed(path: str | os.PathLike[str]) -> bool:
    # asked before Pillow, which may have learned to open such files
    with open(path, "rb") as file:
        return file.read(len(_COMPRESSED)) == _COMPRESSED


def _flatten(image: Image.Image, path: str | os.PathLike[str], convert: bool) -> Image.Image:
    """RGB or L."""
    if image.mode in ("CMYK", "LAB", "HSV") and not convert:
        raise PictureError(f"{path} is in {image.mode} colours; to turn them into RGB approximately: {_CONVERT}")
    if image.has_transparency_data:
        image = _drop_alpha(image, path, convert)
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _drop_alpha(image: Image.Image, path: str | os.PathLike[str], convert: bool) -> Image.Image:
    gray = image.mode in ("L", "LA", "La", "1")
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() != (255, 255):
        if not convert:
            raise PictureError(f"{path} is partly transparent; to lay it on white: {_CONVERT}")
        full = Image.alpha_composite(Image.new("RGBA", full.size, "white"), full)
    return full.convert("RGB").getchannel(0) if gray else full.convert("RGB")
