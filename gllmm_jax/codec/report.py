"""What the codec tells about one picture."""

import time
from typing import NamedTuple

import numpy as np


class EncodeReport(NamedTuple):
    """`quality` is from 0 to 100, None where the model has one alone; `seconds` are by stage.

    `bits_estimated` is the float model's estimate for the same latents, None unless asked for. `refined` is what a
    refinement of the latents tells of itself, None without one.
    """

    bytes: int
    bpp: float
    bits_estimated: float | None
    height: int
    width: int
    model: str
    quality: float | None
    coder: str
    latents_crc32: int
    refined: dict[str, float] | None
    seconds: dict[str, float]


class DecodeReport(NamedTuple):
    """`latents_crc32` is that of the decoded latents; `seconds` by stage."""

    height: int
    width: int
    latents_crc32: int
    seconds: dict[str, float]


class Encoded(NamedTuple):
    """A `.gllm` file and what is known about it."""

    data: bytes
    report: EncodeReport


class Decoded(NamedTuple):
    """A picture and what is known about it."""

    image: np.ndarray
    report: DecodeReport


class Watch:
    """Seconds by stage, each from the end of the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """The stage of this name ends here."""
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 4)
        self._last = now
