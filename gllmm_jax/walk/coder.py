"""The interface of a coder. A coder writes one stream, which holds static symbols and then the other latents."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gllmm_jax.container.container import CODERS
from gllmm_jax.entropy.symbols import Intervals, Static
from gllmm_jax.order.stage import EntropyModel, Stage
from gllmm_jax.progress import Tick, silent


class Outliers(NamedTuple):
    """The latents outside their supports. Encoder and decoder know them beforehand, so a coder does not code them."""

    indices: np.ndarray  # int64 [K], increasing, into y_hat [h, w, M]
    values: np.ndarray  # int32 [K], y_hat less the symbol that is coded in its place

    def plane(self, shape: tuple[int, ...]) -> np.ndarray:
        """The values in an array of the shape of y_hat, int32, with zeros elsewhere."""
        plane = np.zeros(shape, np.int32)
        plane.flat[self.indices] = self.values
        return plane


class Content(NamedTuple):
    """What an encoder needs to make a stream."""

    model: EntropyModel
    stages: Sequence[Stage]
    symbols: np.ndarray  # int32 [S], of `model.static`
    y_hat: np.ndarray  # int32 [h, w, M]
    intervals: Intervals
    outliers: Outliers


class Decoder(Protocol):
    """A stream being read. Each method raises `BitstreamError` where it finds the stream cut short or damaged."""

    def static(self, static: Static) -> np.ndarray:
        """The next S symbols, int32 [S]."""
        ...

    def latents(self, stages: Sequence[Stage], y_hat: np.ndarray, tick: Tick = silent) -> np.ndarray:
        """The latents, int32 [h, w, M]. `y_hat` holds those of static symbols, and the excess of other outliers."""
        ...

    def finish(self) -> None:
        """Checks that the stream ends here."""
        ...


class Coder(Protocol):
    """A module that encodes streams and opens decoders of them."""

    def encode(self, content: Content, tick: Tick = silent) -> bytes:
        """The whole stream."""
        ...

    def decoder(self, data: bytes, size: tuple[int, int], channels: int) -> Decoder:
        """Opens the stream of latents [h, w, channels] of `size` (h, w)."""
        ...


def named(name: str) -> Coder:
    """The coder of a name.

    Raises `ValueError` on an unknown name, and `ImportError`, which names the extra, if the coder is not installed.
    """
    if name == "rans":
        from gllmm_jax.walk import interleaved

        return interleaved
    if name == "tfc":
        from gllmm_jax.walk import binary

        return binary
    raise ValueError(f"there is no coder '{name}': choose from {', '.join(CODERS)}")
