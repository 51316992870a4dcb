"""The coder `tfc`: TensorFlow-Compression's range coder, one stream a file.

Its decoder fixes its distributions when it is opened, so everything passes through it as binary decisions
(`decisions`): a call for each group of the schedule and each level of the bisection. Slower than `rans`, and as small.

It reads on past the end of its bytes without a word, so a stream begins with a CRC-32 of the symbols of known
distributions: a few bytes that announce a large picture are found out before the work begins.
"""

import zlib

import numpy as np

from gllmm_jax.codec import decisions
from gllmm_jax.codec.coder import Content, Outliers, Static, Walk
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.prob import tables

try:
    import tensorflow as tf
    import tensorflow_compression_ops as ops
except ImportError as error:
    raise ImportError("the coder tfc needs TensorFlow-Compression: pip install 'gllmm-jax[tfc]'") from error


def encode(static: Static, walk: Walk, content: Content, tick: Tick = silent) -> bytes:
    """See `coder.Coder`."""
    writer = _Writer()
    decisions.symbols(writer, static, content.symbols)
    decisions.latents(writer, walk, content.outliers, content.y_hat, tick)
    return _checksum(content.symbols) + writer.finish()


def decoder(data: bytes, size: tuple[int, int], channels: int) -> "Decoder":
    """See `coder.Coder`."""
    del size, channels  # one stream, whatever the picture
    return Decoder(data)


class _Writer:
    def __init__(self) -> None:
        self._handle = ops.create_range_encoder([], _lookup())

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        assert answers is not None
        self._handle = ops.entropy_encode_index(self._handle, numbers, answers)
        return answers

    def finish(self) -> bytes:
        return ops.entropy_encode_finalize(self._handle).numpy()


class Decoder:
    """See `coder.Decoder`."""

    def __init__(self, data: bytes) -> None:
        self._crc, rest = data[:4], data[4:]
        self._handle = ops.create_range_decoder(tf.constant(rest), _lookup())

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        """See `decisions.Port`."""
        self._handle, found = ops.entropy_decode_index(self._handle, numbers, numbers.shape, tf.int32)
        return found.numpy()

    def static(self, static: Static) -> np.ndarray:
        symbols = decisions.symbols(self, static, None)
        if _checksum(symbols) != self._crc:
            raise BitstreamError("the latent stream is damaged, or was made with other weights")
        return symbols

    def latents(self, walk: Walk, outliers: Outliers, tick: Tick = silent) -> np.ndarray:
        return decisions.latents(self, walk, outliers, None, tick)

    def finish(self) -> None:
        if not ops.entropy_decode_finalize(self._handle):
            raise BitstreamError("the latent stream is damaged, or was made with other weights")


def _checksum(symbols: np.ndarray) -> bytes:
    return zlib.crc32(symbols.astype("<i4").tobytes()).to_bytes(4, "little")


def _lookup() -> np.ndarray:
    # a row a distribution: its precision, then the CDF of "no" and "yes"
    yes = decisions.probabilities()
    zero = np.zeros_like(yes)
    return np.stack([zero + tables.TOTAL_BITS, zero, tables.TOTAL - yes, zero + tables.TOTAL], axis=1)
