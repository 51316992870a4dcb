"""TensorFlow-Compression's range coder as a `decisions.Port`.

Its decoder needs all distributions when it is opened, so everything is coded as binary decisions.
"""

import numpy as np

from gllmm_jax.entropy import decisions
from gllmm_jax.prob import tables

try:
    import tensorflow_compression_ops as ops
except ImportError as error:
    raise ImportError("the coder tfc needs TensorFlow-Compression: pip install 'gllmm-jax[tfc]'") from error


class Writer:
    """See `decisions.Port`."""

    def __init__(self) -> None:
        self._handle = ops.create_range_encoder([], _lookup())

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        """See `decisions.Port`."""
        assert answers is not None
        self._handle = ops.entropy_encode_index(self._handle, numbers, answers)
        return answers

    def finish(self) -> bytes:
        """All decisions so far as a stream."""
        return ops.entropy_encode_finalize(self._handle).numpy()


class Reader:
    """See `decisions.Port`. It reads past the end of its bytes without an error."""

    def __init__(self, data: bytes) -> None:
        self._handle = ops.create_range_decoder(data, _lookup())

    def decide(self, numbers: np.ndarray, answers: np.ndarray | None) -> np.ndarray:
        """See `decisions.Port`."""
        self._handle, found = ops.entropy_decode_index(self._handle, numbers, numbers.shape, np.int32)
        return found.numpy()

    def finished(self) -> bool:
        """Whether the stream may end here."""
        return bool(ops.entropy_decode_finalize(self._handle))


def _lookup() -> np.ndarray:
    # a row a distribution: its precision, then the CDF of "no" and "yes"
    yes = decisions.probabilities()
    zero = np.zeros_like(yes)
    return np.stack([zero + tables.TOTAL_BITS, zero, tables.TOTAL - yes, zero + tables.TOTAL], axis=1)
