"""Pillow reads and writes `.gllm` files once this is imported.

    import gllmm_jax.pillow
    Image.open("photograph.png").save("photograph.gllm", quality=50)
    Image.open("photograph.gllm").show()

A picture is saved as the command line does it: upright, in sRGB, with EXIF, XMP, profile and transparency, which an
opened file has in `info` and in its alpha again. Options of `save` are `model`, `coder`, one of `quality`, `max_bytes`,
`bpp` and `psnr`, `strip`, `convert`, and `exif`, `xmp` and `icc_profile` in place of the image's own.

A file is decoded where Pillow loads it, by a codec that was `use`d before or by the weights it needs, looked for as
`codec.find` says: a file cannot name a path. What cannot be read or saved raises an `OSError`. That of a damaged file
is a `BitstreamError` too, and comes when it is opened or loaded.
"""

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Iterator
from typing import IO, Any

from PIL import Image, ImageFile

from gllmm_jax import files, transcode, zoo
from gllmm_jax.codec.quality import quality_of
from gllmm_jax.codec.view import SCALES
from gllmm_jax.codec.wish import Wish
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.picture import carried, formats, picture
from gllmm_jax.picture.carried import Picture
from gllmm_jax.transcode import use

__all__ = ["GllmError", "GllmImageFile", "UnreadableError", "use"]

FORMAT = "GLLM"

_MODES = {"rgb": "RGB", "gray": "L"}
_CARRIED = ("exif", "xmp", "icc_profile")
_OPTIONS = {"model", "coder", "strip", "convert", *Wish._fields, *_CARRIED}
_DEEP = ("I", "F")  # begins of modes with more than 8 bits


class GllmError(OSError, ValueError):
    """A picture that cannot be saved; the message is one sentence."""


class UnreadableError(GllmError, BitstreamError):
    """A file that cannot be read."""


class GllmImageFile(ImageFile.ImageFile):
    """An opened `.gllm` file. `info` holds `model`, `coder` and `quality`, None of a model that has one alone.

    Where the file carries them also `exif`, `xmp` and `icc_profile`.
    """

    format = FORMAT
    format_description = "learned image compression"

    def _open(self) -> None:
        assert self.fp is not None
        with _as_oserror():
            self._data = container.read(self.fp)
            self._header = header = container.unpack(self._data)[0]
        self._size = header.width, header.height
        self._mode = _MODES[header.colour] + "A" * (carried.ALPHA in header.chunks)
        quality = None if header.quality is None else quality_of(header.quality)
        self.info = {"model": header.model, "coder": header.coder, "quality": quality}
        found = carried.beside(header.chunks, warn=warnings.warn)
        names = {"exif": "exif", "xmp": "xmp", "icc": "icc_profile"}
        self.info |= {names[field]: data for field, data in found.items()}
        self.tile, self._scale = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)], 1

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> Any:
        """Pillow's own, for `thumbnail`: it decodes to a half, a quarter ... a 16th, no smaller than `size`."""
        if not self.tile or size is None or self._scale > 1:
            return None
        whole = self.size
        room = min(whole[0] // max(size[0], 1), whole[1] // max(size[1], 1))
        self._scale = max(scale for scale in SCALES if scale <= max(room, 1))
        self._size = -(-whole[0] // self._scale), -(-whole[1] // self._scale)
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)]
        return self.mode, (0, 0, whole[0] / self._scale, whole[1] / self._scale)

    def load(self) -> Any:
        """Decodes on first use."""
        if self.tile and self._data:
            with _as_oserror():
                codec = transcode.needed(self._header)
                whole, _ = transcode.decode(codec, self._data, scale=self._scale, warn=_told_already)
            self._data = b""
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(formats.as_image(whole).tobytes())
        return super().load()


def _told_already(_: str) -> None:
    """When the file was opened."""


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    del filename
    options = image.encoderinfo
    for name in sorted({*options} - _OPTIONS):
        warnings.warn(f"{FORMAT} has no option '{name}': it is passed over", stacklevel=4)
    wish = {name: options[name] for name in (*Wish._fields, "coder") if name in options}
    given = {name: options[name] for name in _CARRIED if name in options}
    with _as_oserror():
        whole = _whole(image, given, options.get("convert", False))
        codec, strip = use(options.get("model", zoo.DEFAULT)), options.get("strip", False)
        file.write(transcode.encode(codec, whole, strip=strip, warn=warnings.warn, estimate=False, **wish).data)


def _whole(image: Image.Image, given: dict[str, Any], convert: bool) -> Picture:
    """An image as `picture.load` would read it from a file."""
    name = "the image"
    if image.mode.startswith(_DEEP):
        raise GllmError(f"cannot write mode {image.mode} as {FORMAT}: convert it to RGB or L first")
    if given:
        if isinstance(given.get("exif"), Image.Exif):
            given["exif"] = given["exif"].tobytes()
        image = image.copy()
        image.info |= given
    icc = image.info.get("icc_profile")
    image, exif, xmp = carried.upright(image)
    image, alpha = picture.flattened(image, name, convert=convert)
    image, icc = picture.in_srgb(image, icc, name, convert=convert)
    return Picture(formats.as_array(image), alpha, exif, xmp, icc)


@contextlib.contextmanager
def _as_oserror() -> Iterator[None]:
    """What Pillow's users expect to catch."""
    try:
        yield
    except OSError:
        raise
    except BitstreamError as error:
        raise UnreadableError(str(error)) from error
    except (ValueError, ImportError, TypeError, SyntaxError) as error:  # the last of Pillow, on damaged EXIF
        raise GllmError(str(error)) from error


_pillows_save = Image.Image.save


@functools.wraps(_pillows_save)
def _save_whole(self: Image.Image, fp: Any, format: str | None = None, **params: Any) -> None:
    # Pillow empties the file before it asks a plugin to write: a mistyped model would cost the file that was there
    path = os.fsdecode(fp) if isinstance(fp, str | bytes | os.PathLike) else None
    kind = format or Image.registered_extensions().get(os.path.splitext(path or "")[1].lower(), "")
    if path is None or kind.upper() != FORMAT:
        return _pillows_save(self, fp, format, **params)
    buffer = io.BytesIO()
    _pillows_save(self, buffer, FORMAT, **params)
    return files.write(path, buffer.getvalue())


Image.Image.save = _save_whole
Image.register_open(FORMAT, GllmImageFile, lambda prefix: prefix.startswith(container.MAGIC))
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".gllm")
Image.register_mime(FORMAT, "image/x-gllm")
