"""What an entropy coder is: it takes symbols of known distributions, then the latents of a walk, in one stream."""

from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

import jax
import numpy as np

from gllmm_jax.codec.rans import Lanes, Source
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.prob.tables import IntegerMixture


class Static(NamedTuple):
    """Distributions of S symbols that depend on nothing in the stream."""

    table: np.ndarray  # int32 [tables, symbols + 1], CDFs in 1/65536, 2^16 past the last symbol
    rows: np.ndarray  # int32 [S], the table of each


class Outliers(NamedTuple):
    """What latents exceed their windows by, where they do: known to both sides, so that a coder need not carry it."""

    places: np.ndarray  # int64 [K], increasing indices into y_hat [h, w, M]
    values: np.ndarray  # int32 [K], y_hat less the symbol that is coded

    def plane(self, shape: tuple[int, ...]) -> np.ndarray:
        """Of the shape of y_hat, int32, zeros elsewhere."""
        plane = np.zeros(shape, np.int32)
        plane.flat[self.places] = self.values
        return plane


class Intervals(NamedTuple):
    """Where in [0, 2^16) the interval of each symbol begins, and the last place that belongs to it.

    Latents in coding order, in runs: each begins with a step of its own.
    """

    first: np.ndarray  # uint16 [symbols]
    last: np.ndarray  # uint16 [symbols]
    runs: tuple[int, ...]  # symbols in each


class Group(NamedTuple):
    """Latents whose distributions are known together."""

    mix: IntegerMixture  # fields [P, C, X]
    real: int  # how many of the P places are, the first
    of: Callable[[np.ndarray], np.ndarray]  # y_hat [h, w, M] -> its latents, [real, X]


class Walk(Protocol):
    """The order of the latents y_hat [h, w, M], and what both sides know before the first of them."""

    size: tuple[int, int]  # h, w
    families: jax.Array  # of `exact.Nets`
    z_hat: np.ndarray

    def intervals(self, y_hat: np.ndarray, tick: Tick = silent) -> tuple[Intervals, Outliers]:
        """All latents as the encoder sees them, who knows every one."""
        ...

    def decode(self, outliers: Outliers, source: Source, lanes: Lanes, tick: Tick = silent) -> tuple[np.ndarray, Lanes]:
        """The latents, int32 [h, w, M], of a stream of `rans`. Raises `BitstreamError` where it is cut short."""
        ...

    def groups(self, outliers: Outliers, tick: Tick = silent) -> Generator[Group, np.ndarray, np.ndarray]:
        """Group after group, each answered (`send`) with its symbols int32 [P, X]; returns the latents."""
        ...


class Content(NamedTuple):
    """What an encoder knows."""

    symbols: np.ndarray  # int32 [S], of `Static`
    y_hat: np.ndarray  # int32 [h, w, M]
    intervals: Intervals
    outliers: Outliers


class Decoder(Protocol):
    """A stream being read. Each method raises `BitstreamError` where it finds the stream cut short or damaged."""

    def static(self, static: Static) -> np.ndarray:
        """The next S symbols, int32 [S]."""
        ...

    def latents(self, walk: Walk, outliers: Outliers, tick: Tick = silent) -> np.ndarray:
        """The latents, int32 [h, w, M]."""
        ...

    def finish(self) -> None:
        """Checks that the stream ends here."""
        ...


class Coder(Protocol):
    """Both directions. One stream holds `static`, then the latents."""

    def encode(self, static: Static, walk: Walk, content: Content, tick: Tick = silent) -> bytes:
        """The whole stream."""
        ...

    def decoder(self, data: bytes, size: tuple[int, int], channels: int) -> Decoder:
        """Opens the stream of latents [h, w, channels] of `size` (h, w)."""
        ...
