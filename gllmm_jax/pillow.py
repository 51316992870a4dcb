"""Pillow reads and writes `.gllm` files once this is imported.

    import gllmm_jax.pillow
    Image.open("photograph.png").save("photograph.gllm", quality=50)
    Image.open("photograph.gllm").show()

A file is decoded where Pillow loads it, by a codec that was `use`d before or by the weights it needs, looked for as
`codec.find` says: a file cannot name a path. Damaged files raise `BitstreamError`, some when opened and some when
loaded.
"""

import functools
import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.find import codec_for
from gllmm_jax.codec.fingerprint import Fingerprints, of_header
from gllmm_jax.codec.quality import quality_of
from gllmm_jax.codec.wish import Wish
from gllmm_jax.container import container

FORMAT = "GLLM"

_MODES = {"rgb": "RGB", "gray": "L"}
_codecs: dict[Fingerprints, Codec] = {}


def use(model: str | Path | Codec) -> Codec:
    """Keeps a codec ready for files that need its weights: an installed name, a weights file, or a codec.

    Raises `zoo.WeightsError`.
    """
    codec = model if isinstance(model, Codec) else _loaded(model)
    _codecs[codec.fingerprints] = codec
    return codec


class GllmImageFile(ImageFile.ImageFile):
    """An opened `.gllm` file. `info` holds `model`, `coder` and `quality`, None of a model that has one alone."""

    format = FORMAT
    format_description = "learned image compression"

    def _open(self) -> None:
        assert self.fp is not None
        self._data = container.read(self.fp)
        self._header = header = container.unpack(self._data)[0]
        self._size, self._mode = (header.width, header.height), _MODES[header.colour]
        quality = None if header.quality is None else quality_of(header.quality)
        self.info = {"model": header.model, "coder": header.coder, "quality": quality}
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)]

    def load(self) -> Any:
        """Decodes on first use."""
        if self.tile and self._data:
            codec = _codecs.get(of_header(self._header)) or use(codec_for(self._header))
            pixels, self._data = codec.decompress(self._data), b""
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(pixels.tobytes())
        return super().load()


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    # what the rest of Image.save's arguments become: model (a name, a weights file or a codec), coder, and a wish
    del filename
    if image.mode not in _MODES.values():
        raise OSError(f"cannot write mode {image.mode} as {FORMAT}: convert it to RGB or L first")
    options = image.encoderinfo
    codec = use(options.get("model", zoo.DEFAULT))
    pixels = np.asarray(image, np.uint8).reshape(image.height, image.width, -1)
    wish = {name: options[name] for name in Wish._fields if name in options}
    coder = options.get("coder", container.CODERS[0])
    file.write(codec.encode(pixels, estimate=False, coder=coder, **wish).data)


@functools.lru_cache(maxsize=8)
def _loaded(model: str | Path) -> Codec:
    return load(model)


Image.register_open(FORMAT, GllmImageFile, lambda prefix: prefix.startswith(container.MAGIC))
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".gllm")
Image.register_mime(FORMAT, "image/x-gllm")
