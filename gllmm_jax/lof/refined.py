"""The result of a search for latents."""

from typing import NamedTuple

import numpy as np


class Cost(NamedTuple):
    """Rate of a whole picture by the float model, in bits per pixel, and its mean squared error on 0..255."""

    bpp: float
    mse: float

    def loss(self, lmbda: float) -> float:
        """R + lmbda * MSE."""
        return self.bpp + lmbda * self.mse


class Point(NamedTuple):
    """A search after so many rounds and seconds: its rate in bits per pixel, and lmbda * MSE as its distortion."""

    rounds: int
    seconds: float
    rate: float
    distortion: float

    @property
    def loss(self) -> float:
        """R + lmbda * MSE."""
        return self.rate + self.distortion


class Refined(NamedTuple):
    """Latents int32 as of `Codec.analyse`, their cost before and after the search, and the effort of the search.

    `bytes` is the expected size of a file with the coder `rans` and without chunks: the size of such a file before the
    search, less the bytes that the search saved by the float model. `curve` has the first window after 1, 2, 5, 10 ...
    rounds.
    """

    y_hat: np.ndarray
    z_hat: np.ndarray
    before: Cost
    after: Cost
    bytes: float
    lmbda: float
    rounds: int  # of all windows together
    seconds: float
    curve: tuple[Point, ...]

    def facts(self) -> dict[str, float]:
        """Figures for a report."""
        costs = {
            f"{name}_{when}": value
            for when in ("before", "after")
            for name, value in getattr(self, when)._asdict().items()
        }
        return {**costs, "bytes_expected": self.bytes, "lmbda": self.lmbda, "rounds": self.rounds}
