"""What a search for latents found, and what it cost before and after."""

from typing import NamedTuple

import numpy as np


class Cost(NamedTuple):
    """Of a whole picture, by the float model: rate in bits per pixel, mean squared error on 0..255."""

    bpp: float
    mse: float

    def loss(self, lmbda: float) -> float:
        """R + lmbda * MSE."""
        return self.bpp + lmbda * self.mse


class Point(NamedTuple):
    """How far a search was after so many rounds and seconds: rate in bits per pixel, lmbda * MSE."""

    rounds: int
    seconds: float
    rate: float
    distortion: float

    @property
    def loss(self) -> float:
        """R + lmbda * MSE."""
        return self.rate + self.distortion


class Refined(NamedTuple):
    """Latents int32 as `Codec.analyse` gives them, what they cost before and after, and what it took.

    `bytes` is how large the file should be, header and coder included: of the coder `rans`, without further chunks.
    `curve` is of the first window, after 1, 2, 5, 10 ... rounds.
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
        """For a report."""
        costs = {
            f"{name}_{when}": value
            for when in ("before", "after")
            for name, value in getattr(self, when)._asdict().items()
        }
        return {**costs, "bytes_expected": self.bytes, "lmbda": self.lmbda, "rounds": self.rounds}
