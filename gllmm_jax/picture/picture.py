"""Pictures on disk, read whole or as arrays, and written.

Arrays are uint8 [height, width, 3] (RGB) or [height, width, 1] (gray). A picture that can become such an array without
loss does so silently. All others need `convert=True`.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from gllmm_jax import files
from gllmm_jax.errors import PictureError
from gllmm_jax.picture import carried, depth, formats, profile
from gllmm_jax.picture.carried import Picture

MAX_PIXELS = 200_000_000
"""Most pixels that a picture may announce unless the caller allows more."""

_COMPRESSED = b"\x8aGLM"  # how `container` begins

_CONVERT = "convert=True"


def load(
    path: str | os.PathLike[str],
    *,
    convert: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    file: BinaryIO | None = None,
) -> Picture:
    """The picture in a file, upright, with its metadata. With `file` that file is read, and `path` is its name.

    Palettes, bilevel and YCbCr pictures become RGB or gray, because nothing is lost. Alpha that is opaque everywhere is
    dropped. With `convert` also 9 to 16 bits a sample (the upper 8), CMYK, RGB of another profile than sRGB, and the
    first frame of an animation are taken. A profile is kept if it is that of the pixels: sRGB by any name, or a profile
    of gray. Raises `PictureError`.
    """
    with _opened(path, file, max_pixels) as opened:
        moving = getattr(opened, "is_animated", False) and opened.format != "MPO"  # an MPO is a photograph with extras
        if moving and not convert:
            raise PictureError(f"{path} has several frames; to keep only the first: {_CONVERT}")
        bits, icc, mode = depth.sample_bits(opened, path), opened.info.get("icc_profile"), opened.mode
        depth.mend_transparency(opened)
        opened.load()
        image, exif, xmp = carried.upright(opened)
        if bits > 8:
            if not convert:
                raise PictureError(f"{path} has more than 8 bits a sample; to keep the upper 8: {_CONVERT}")
            image = depth.upper_bits(image, bits)
        image, alpha = flattened(image, path, convert=convert)
        image, icc = in_srgb(image, icc, path, convert=convert)
        return Picture(formats.as_array(image), alpha, exif, xmp, icc, mode)


def announced(path: str | os.PathLike[str], *, file: BinaryIO | None = None) -> tuple[int, int]:
    """(height, width) in the header of a picture, before it is turned upright. Raises `PictureError`."""
    with _opened(path, file, None) as opened:
        return opened.height, opened.width


def read(path: str | os.PathLike[str], *, convert: bool = False, max_pixels: int | None = MAX_PIXELS) -> np.ndarray:
    """The pixels of `load`: uint8 [height, width, 3 or 1]. With `convert` transparency is laid on white.

    Raises `PictureError`, also for transparency.
    """
    picture = load(path, convert=convert, max_pixels=max_pixels)
    if picture.alpha is None:
        return picture.pixels
    if not convert:
        raise PictureError(f"{path} is partly transparent; to lay it on white: {_CONVERT}")
    return formats.as_array(formats.on_white(formats.as_image(picture)))


def write(path: str | os.PathLike[str], pixels: np.ndarray) -> None:
    """Write uint8 [height, width, 3 or 1], whole or not at all, in the format of the suffix. No suffix means PNG.

    Raises `PictureError` for a suffix that `formats.format_of` refuses, `files.WriteError` if the disk refuses.
    """
    data = formats.encode(Picture(pixels), formats.format_of(path), warn=warnings.warn)
    files.write(path, data)


def flattened(image: Image.Image, name: object, *, convert: bool) -> tuple[Image.Image, np.ndarray | None]:
    """RGB or L of an image of any mode with 8 bits a sample, and its alpha if the alpha is not opaque everywhere.

    Raises `PictureError` for colours that only come near, unless `convert`.
    """
    if image.mode in ("CMYK", "LAB", "HSV") and not convert:
        raise PictureError(f"{name} is in {image.mode} colours; to turn them into RGB approximately: {_CONVERT}")
    alpha = None
    if image.has_transparency_data:
        gray = image.mode in ("L", "LA", "La", "1")
        full = image.convert("RGBA")
        alpha = np.array(full.getchannel("A"))
        alpha = None if (alpha == 255).all() else alpha
        image = full.convert("RGB").getchannel(0) if gray else full.convert("RGB")
    if image.mode == "1":
        return image.convert("L"), alpha
    return image if image.mode in ("L", "RGB") else image.convert("RGB"), alpha


def in_srgb(image: Image.Image, icc: bytes | None, name: object, *, convert: bool) -> tuple[Image.Image, bytes]:
    """An RGB or L image and its new profile: sRGB by any name, a profile of gray, or none.

    Raises `PictureError` for another profile of RGB, unless `convert`.
    """
    if not icc or not profile.fits(icc, image.mode):
        return image, b""
    found = profile.foreign(icc) if image.mode == "RGB" else None
    if found is None:
        return image, icc
    if not convert:
        raise PictureError(f"{name} has the colour profile '{found}'; to turn it into sRGB: {_CONVERT}")
    return profile.to_srgb(image, icc, name), b""


@contextlib.contextmanager
def _opened(
    path: str | os.PathLike[str], file: BinaryIO | None, max_pixels: int | None
) -> Iterator[ImageFile.ImageFile]:
    """The open image. Pillow's many errors become one."""
    try:
        with carried.ALONE, warnings.catch_warnings(), carried.no_limit():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            if file is None and os.path.isfile(path) and is_compressed(path):  # a pipe can be read only once
                raise PictureError(f"{path} is compressed already")
            with Image.open(path if file is None else file) as image:
                if image.format == "GLLM":  # from a pipe, if Pillow has learned to open such files
                    raise PictureError(f"{path} is compressed already")
                if max_pixels is not None and image.width * image.height > max_pixels:
                    raise PictureError(
                        f"{path} has {image.width:,} x {image.height:,} pixels, more than the limit of {max_pixels:,}: "
                        f"max_pixels={image.width * image.height} lifts it"
                    )
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
    except MemoryError as error:
        raise PictureError(f"{path} does not fit into memory") from error
    except Exception as error:  # a broken file may raise nearly anything from the format's parser
        if isinstance(error, OSError) and error.strerror:  # of the system
            raise PictureError(f"cannot read {path}: {error.strerror.lower()}") from error
        raise PictureError(f"{path} is a damaged or incomplete picture ({error})") from error


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether it is a `.gllm` file. It is asked before Pillow, which may have learned to open such files.

    Raises `PictureError` as `readable` does.
    """
    with readable(path) as file:
        return file.read(len(_COMPRESSED)) == _COMPRESSED


@contextlib.contextmanager
def readable(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to read, as bytes. Raises `PictureError` for everything that the system refuses."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise PictureError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
