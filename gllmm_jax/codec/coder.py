"""What an entropy coder is: it takes symbols of known distributions, then the latents of a schedule, in one stream."""

from typing import NamedTuple, Protocol

import numpy as np

from gllmm_jax.codec import exact
from gllmm_jax.codec.report import Tick, silent
from gllmm_jax.codec.walk import Surroundings, empty_plane, inside
from gllmm_jax.config import ModelConfig


class Static(NamedTuple):
    """Distributions of S symbols that depend on nothing in the stream."""

    table: np.ndarray  # int32 [tables, symbols + 1], CDFs in 1/65536, 2^16 past the last symbol
    rows: np.ndarray  # int32 [S], the table of each


class Outliers(NamedTuple):
    """What latents exceed their windows by, where they do: known to both sides, so that a coder need not carry it."""

    places: np.ndarray  # int64 [K], increasing indices into y_hat [h, w, M]
    values: np.ndarray  # int32 [K], y_hat less the symbol that is coded

    def plane(self, size: tuple[int, int], channels: int) -> np.ndarray:
        """The plane that a walk starts from."""
        plane = empty_plane(size, channels)
        inside(plane, size)[np.unravel_index(self.places, (*size, channels))] = self.values
        return plane


class Given(NamedTuple):
    """What both sides know before the first latent y_hat [h, w, M]."""

    config: ModelConfig
    nets: exact.Nets
    size: tuple[int, int]  # h, w
    around: Surroundings
    outliers: Outliers


class Content(NamedTuple):
    """What an encoder knows beside that."""

    symbols: np.ndarray  # int32 [S], of `Static`
    y_hat: np.ndarray  # int32 [h, w, M]
    first: np.ndarray  # uint16 [h w M], in coding order: where in [0, 2^16) the interval of each latent's symbol begins
    last: np.ndarray  # uint16 [h w M], and the last place that belongs to it


class Decoder(Protocol):
    """A stream being read. Each method raises `BitstreamError` where it finds the stream cut short or damaged."""

    def static(self, static: Static) -> np.ndarray:
        """The next S symbols, int32 [S]."""
        ...

    def latents(self, given: Given, tick: Tick = silent) -> np.ndarray:
        """The latents, int32 [h, w, M]."""
        ...

    def finish(self) -> None:
        """Checks that the stream ends here."""
        ...


class Coder(Protocol):
    """Both directions. One stream holds `static`, then the latents."""

    def encode(self, static: Static, given: Given, content: Content, tick: Tick = silent) -> bytes:
        """The whole stream."""
        ...

    def decoder(self, data: bytes, size: tuple[int, int], channels: int) -> Decoder:
        """Opens the stream of latents [h, w, channels] of `size` (h, w)."""
        ...
