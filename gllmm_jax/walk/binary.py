"""The coder `tfc`: latents as binary decisions, in one stream of TensorFlow-Compression's range coder.

It calls the range coder once for each group of the schedule and each level of the bisection. So it is slower than
`rans`; its streams are as small.

The range coder reads on past the end of its bytes. So a stream begins with a CRC-32 of the static symbols. It reveals
a few bytes that announce a large picture before the work on that picture begins.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from gllmm_jax.entropy import decisions, tfc
from gllmm_jax.entropy.symbols import Static
from gllmm_jax.errors import BitstreamError
from gllmm_jax.order.stage import Stage
from gllmm_jax.progress import Tick, silent
from gllmm_jax.walk import walk
from gllmm_jax.walk.coder import Content


def encode(content: Content, tick: Tick = silent) -> bytes:
    """See `coder.Coder`."""
    writer = tfc.Writer()
    decisions.symbols(writer, content.model.static(), content.symbols)
    y_hat, _ = content.model.begin(content.symbols, content.outliers.plane(content.y_hat.shape))
    walk.decide(writer, content.stages, y_hat, content.y_hat, tick)
    return _checksum(content.symbols) + writer.finish()


def decoder(data: bytes, size: tuple[int, int], channels: int) -> "Decoder":
    """See `coder.Coder`."""
    del size, channels  # the stream has the same form for all pictures
    return Decoder(data)


class Decoder:
    """See `coder.Decoder`."""

    def __init__(self, data: bytes) -> None:
        self._crc, self._reader = data[:4], tfc.Reader(data[4:])

    def static(self, static: Static) -> np.ndarray:
        symbols = decisions.symbols(self._reader, static, None)
        if _checksum(symbols) != self._crc:
            raise BitstreamError("the latent stream is damaged, or was made with other weights")
        return symbols

    def latents(self, stages: Sequence[Stage], y_hat: np.ndarray, tick: Tick = silent) -> np.ndarray:
        return walk.decide(self._reader, stages, y_hat, None, tick)

    def finish(self) -> None:
        if not self._reader.finished():
            raise BitstreamError("the latent stream is damaged, or was made with other weights")


def _checksum(symbols: np.ndarray) -> bytes:
    return zlib.crc32(symbols.astype("<i4").tobytes()).to_bytes(4, "little")
