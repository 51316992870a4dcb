"""Whole pictures through a codec: the pixels by its networks, what else they carry in chunks of the file.

`gllmm_jax.read` and `gllmm_jax.write` are from here; the command line and the Pillow plugin do the same.
"""

import functools
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gllmm_jax import files, zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.find import codec_for
from gllmm_jax.codec.fingerprint import Fingerprints, of_header
from gllmm_jax.codec.report import DecodeReport, Encoded
from gllmm_jax.codec.view import Crop, View, as_image
from gllmm_jax.container import container
from gllmm_jax.picture import carried, formats, picture
from gllmm_jax.picture.carried import Picture, Warn

SUFFIX = ".gllm"

_codecs: dict[Fingerprints, Codec] = {}


def encode(codec: Codec, whole: Picture, *, strip: bool = False, warn: Warn, **options: Any) -> Encoded:
    """A picture -> a `.gllm` file and its report, as `Codec.encode`, with what the picture carries.

    `strip` leaves EXIF, XMP and profile out. `warn` is told what else is left out.
    """
    return codec.encode(whole.pixels, chunks=carried.to_chunks(whole, strip=strip, warn=warn), **options)


def decode(
    codec: Codec, data: bytes, *, warn: Warn, crop: Crop | None = None, scale: int = 1, **options: Any
) -> tuple[Picture, DecodeReport]:
    """Inverse of `encode`, or of a part of it as `Codec.decode` gives. Raises as that does."""
    pixels, report = codec.decode(data, crop=crop, scale=scale, **options)
    header, _ = container.unpack(data, max_pixels=None)
    whole = carried.from_chunks(pixels, header.chunks, size=(header.height, header.width), warn=warn)
    if whole.alpha is not None:
        whole = whole._replace(alpha=View.of(crop, scale).shown(whole.alpha))
    return whole, report


def read(
    path: str | os.PathLike[str],
    *,
    model: str | Path | Codec | None = None,
    convert: bool = False,
    max_pixels: int | None = picture.MAX_PIXELS,
) -> Picture:
    """A picture of any format that Pillow reads, or of a `.gllm` file, upright and in sRGB, with what it carries.

    `pixels` are uint8 [height, width, 3 or 1]; `alpha`, `exif`, `xmp` and `icc` are those of `picture.carried.Picture`.
    A `.gllm` file is decoded by `model`, or by the weights it needs. `convert` allows what `picture.picture.load` says.
    Raises `PictureError`, or `BitstreamError` on a damaged `.gllm` file; both are `ValueError`s.
    """
    if not (os.path.isfile(path) and picture.is_compressed(path)):
        return picture.load(path, convert=convert, max_pixels=max_pixels)
    with picture.readable(path) as file:
        data = container.read(file)
    codec = needed(container.unpack(data, max_pixels=max_pixels)[0]) if model is None else use(model)
    return decode(codec, data, warn=warnings.warn, max_pixels=max_pixels)[0]


def write(
    path: str | os.PathLike[str],
    whole: Picture | npt.ArrayLike,
    *,
    model: str | Path | Codec | None = None,
    quality: float | None = None,
    strip: bool = False,
    force: bool = False,
    **options: Any,
) -> None:
    """Write a picture, or uint8 [height, width, 3 or 1] or [height, width], in the format that the suffix says.

    A `.gllm` file is made by `model`, `zoo.DEFAULT` unless given, at a `quality` from 0 to 100 or another wish of
    `Codec.encode`; of JPEG, WebP and AVIF `quality` is a whole number from 1 to 100. `strip` leaves EXIF, XMP and
    profile out. A file that is there is replaced with `force` alone. Raises `files.WriteError`, `PictureError`,
    `ValueError` on other arrays or where a wish is out of reach.
    """
    files.check_free(path, force=force)
    whole = whole if isinstance(whole, Picture) else Picture(np.asarray(whole))
    whole = whole._replace(pixels=as_image(whole.pixels))
    carried.check_alpha(whole)
    if Path(path).suffix.lower() == SUFFIX:
        options = {"estimate": False, "quality": quality, **options}
        codec = use(zoo.DEFAULT if model is None else model)
        files.write(path, encode(codec, whole, strip=strip, warn=warnings.warn, **options).data)
        return
    if options:
        raise ValueError(f"{next(iter(options))} is for .gllm files, and {path} is none")
    kind = formats.format_of(path)
    stripped = whole._replace(exif=b"", xmp=b"", icc=b"") if strip else whole
    files.write(path, formats.encode(stripped, kind, quality=quality, warn=warnings.warn))


def use(model: str | Path | Codec) -> Codec:
    """The codec of an installed name, of a weights file, or the codec itself; it is kept for files that need it.

    Raises `zoo.WeightsError`.
    """
    codec = model if isinstance(model, Codec) else _loaded(model)
    _codecs[codec.fingerprints] = codec
    return codec


def needed(header: container.Header) -> Codec:
    """The codec that a file needs: one that was `use`d, or one that `codec.find` finds. Raises `BitstreamError`."""
    return _codecs.get(of_header(header)) or use(codec_for(header))


@functools.lru_cache(maxsize=8)
def _loaded(model: str | Path) -> Codec:
    return load(model)
