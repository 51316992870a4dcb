"""A user's wish for a file, and the quality that meets it."""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gllmm_jax import metrics
from gllmm_jax.codec import target, transforms
from gllmm_jax.codec.quality import quality_of

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec


PERFECT = 100.0
"""The PSNR in dB that stands for a picture without any error."""

MOST = 1e12
"""A larger wish counts as this one: no picture has so many bytes, bits a pixel or decibels."""


def psnr_of(codec: "Codec", image: np.ndarray, y_hat: np.ndarray) -> float:
    """The PSNR in dB, at most `PERFECT`, of the picture that a codec shows for latents of `image`."""
    height, width, channels = image.shape
    decoded = transforms.synthesise(codec.config, codec.params, y_hat, channels == 1)
    return min(float(metrics.psnr(image, decoded[:height, :width, :channels], 255.0)), PERFECT)


def _within(value: Any) -> bool:
    return 0 < value < math.inf  # without `float`, which some whole numbers are too large for


class Made(NamedTuple):
    """A file that was made in search of a quality, and its latents."""

    y_hat: np.ndarray
    z_hat: np.ndarray
    data: bytes


class Met(NamedTuple):
    """The quality from 0 to 100 that meets a wish; the file of that quality, if the search made this file last.

    `psnr` in dB is that of the decoded picture, if this was the wish.
    """

    quality: float
    made: Made | None = None
    psnr: float | None = None


class Wish(NamedTuple):
    """At most one of the wishes of `Codec.encode`."""

    quality: float | None = None
    max_bytes: int | None = None
    bpp: float | None = None
    psnr: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is a wish. Raises `ValueError` if there are several, or if the wish is impossible."""
        names = [name for name, value in self._asdict().items() if value is not None]
        if len(names) > 1:
            raise ValueError(f"one wish at a time, not {' and '.join(names)}")
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, Real) or isinstance(value, bool):
                raise ValueError(f"{name} must be a number, not {value!r}")
            if name != "quality" and not _within(value):
                raise ValueError(f"{name} must be above zero and finite, not {value}")
        return bool(names)

    def meet(self, codec: "Codec", image: np.ndarray, y: np.ndarray, coder: str, chunks: Mapping[str, bytes]) -> Met:
        """What meets the wish, for a picture and its y of `transforms.ungained`.

        Raises `ValueError` if no quality meets the wish, and says what the picture has at the end of the range.
        """
        if self.quality is not None:
            return Met(self.quality)
        start = codec.at(quality_of(127))  # raises where there is one quality alone
        pixels = image.shape[0] * image.shape[1]
        made: dict[int, Made] = {}
        seen: dict[int, float] = {}  # PSNRs or bytes

        def size(index: int) -> float:
            probed = start.at(quality_of(index))
            y_hat, z_hat = probed.quantise(y)
            made.clear()  # the last file is enough, and large pictures have large latents
            made[index] = Made(y_hat, z_hat, probed.pack(y_hat, z_hat, image.shape, coder=coder, chunks=chunks))
            seen[index] = len(made[index].data)
            return seen[index]

        def psnr(index: int) -> float:
            probed = start.at(quality_of(index))
            seen[index] = psnr_of(probed, image, probed.quantise(y)[0])
            return seen[index]

        def ends(value: Callable[[int], float]) -> tuple[float, float]:
            # the least and the most; tiny pictures may have them between the ends
            for index in {0, target.TOP} - seen.keys():
                value(index)
            return min(seen.values()), max(seen.values())

        if self.psnr is not None:
            index = target.find(psnr, target.decibels(min(self.psnr, MOST)), 127)
            if index is None:
                least, most = ends(psnr)
                raise ValueError(f"psnr={self.psnr} is out of reach: this picture has {least:.2f} to {most:.2f} dB")
            return Met(quality_of(index), psnr=seen[index])
        if self.max_bytes:
            limit = target.at_most(min(self.max_bytes, MOST))
        else:
            limit = target.about(min(self.bpp or 0, MOST) * pixels / 8)
        index = target.find(lambda index: math.log(size(index)), limit, 127)
        if index is not None:
            return Met(quality_of(index), made.get(index))
        if self.max_bytes:
            carried = sum(map(len, chunks.values()))
            beside = f", {carried:,} of them for what it carries beside its pixels" if carried else ""
            least = f"the least that this picture takes is {size(0):,} bytes{beside}"
            raise ValueError(f"max_bytes={self.max_bytes:,} is out of reach: {least}")
        least, most = (8 * count / pixels for count in ends(size))
        raise ValueError(f"bpp={self.bpp} is out of reach: this picture takes {least:.3f} to {most:.3f} bits a pixel")
