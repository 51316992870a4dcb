"""The codec's reports on one picture."""

import time
from typing import NamedTuple

import numpy as np


class EncodeReport(NamedTuple):
    """`quality` is from 0 to 100, or None if the model has a single quality; `seconds` are by stage.

    `psnr` in dB is that of the decoded picture if a PSNR was wished, or else None.
    `bits_estimated` is the float model's estimate for the same latents, or None without an estimate. `refined` has the
    figures of the refinement, or None without one.
    """

    bytes: int
    bpp: float
    bits_estimated: float | None
    height: int
    width: int
    model: str
    quality: float | None
    psnr: float | None
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
    """A `.gllm` file and the report on it."""

    data: bytes
    report: EncodeReport


class Decoded(NamedTuple):
    """A picture and the report on it."""

    image: np.ndarray
    report: DecodeReport


class Watch:
    """Seconds by stage, each from the end of the stage before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """The stage of this name ends here."""
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 4)
        self._last = now
