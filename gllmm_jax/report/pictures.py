"""Pictures of a report: the original, ours, and another codec's picture from as many bytes, as a browser shows them.

A page holds them as AVIF of high quality, because lossless files would take three times as much. `Shown.fidelity` says
how near AVIF comes. Figures are those of the codecs' own files, and of the whole picture.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gllmm_jax import metrics, zoo
from gllmm_jax.evaluate.contestants import Contestant, Ours, qualities_of
from gllmm_jax.evaluate.rows import Row, measure
from gllmm_jax.peers import table
from gllmm_jax.picture import picture

QUALITY = 92
"""Quality of the AVIF files, which are 4:4:4."""

LONGEST = 1024
"""Pixels of a side. The page shows the middle of a larger picture, pixel for pixel."""


JPEG = "jpeg-4:2:0"


class View(NamedTuple):
    """One picture of a codec: its row, None for the original, and the AVIF file that a browser shows."""

    row: Row | None
    avif: bytes


class Shown(NamedTuple):
    """One picture: its name, the size of the shown part in pixels, and the views (original, ours, the other codec's).

    `fidelity` is the PSNR in dB of the AVIF file that is farthest from its pixels. `middle` says that the views show
    the middle of a larger picture.
    """

    name: str
    height: int
    width: int
    middle: bool
    fidelity: float
    views: tuple[View, View, View]


def duel(
    rows: Iterable[Row],
    ours: Sequence[str],
    *,
    model: str | None = None,
    quality: float | None = None,
    other: str | None = None,
    **places: str | None,
) -> tuple[Ours, str]:
    """The makers of the pictures: a model at one quality, and another codec by its full name.

    By default the model is the first of `ours` that is installed, at the middle one of its settings in the rows. The
    default of the other codec is the first other codec of the rows whose library is installed, or else JPEG. Raises
    `ValueError` if there is no model, the model has no such quality, or the other codec is missing; `zoo.WeightsError`.
    """
    rows = list(rows)
    model = model or next((name for name in ours if name in zoo.names()), None)
    if model is None:
        raise ValueError("no model of these rows is installed: name its weights file, model=FILE")
    (at_its_own,) = qualities_of(model, [None], **places)
    if quality is not None and at_its_own.setting is None:
        raise ValueError(f"'{at_its_own.codec}' has one quality alone: leave the quality out, or take another model")
    settings = sorted(
        {row["setting"] for row in rows if row["codec"] == at_its_own.codec and row["setting"] is not None}
    )
    if quality is None and settings and at_its_own.setting is not None:
        quality = settings[len(settings) // 2]
    if other is None:
        others = [row["codec"] for row in rows if row["codec"] in table.available()]
        other = others[0] if others else JPEG
    (other, *_) = table.named([other])
    if (why := table.missing(other)) is not None:
        raise ValueError(f"{other} is not here: {why}")
    return at_its_own if quality is None else at_its_own._replace(setting=quality), other


def shown(ours: Contestant, other: str, path: Path, name: str, *, convert: bool = False) -> Shown:
    """A picture by `ours`, and by the `other` codec of `peers.table` at the same size or just above.

    Raises `PictureError` for a file that is no picture, and the errors of the codecs.
    """
    image = picture.read(path, convert=convert)
    data = ours.encode(image)
    decoded = ours.decode(data, image.shape)
    setting, file = table.at_size(other, image, len(data))
    theirs = table.decode(other, file, image.shape)
    rows = (
        None,
        measure(name, image, decoded, len(data), codec=ours.codec, setting=ours.setting),
        measure(name, image, theirs, len(file), codec=other, setting=setting),
    )
    middles = [_middle(pixels) for pixels in (image, decoded, theirs)]
    files = [_avif(pixels) for pixels in middles]
    fidelity = min(_psnr(pixels, avif) for pixels, avif in zip(middles, files, strict=True))
    original, own, their = map(View, rows, files)
    height, width = middles[0].shape[:2]
    return Shown(name, height, width, middles[0].shape[:2] != image.shape[:2], fidelity, (original, own, their))


def _middle(pixels: np.ndarray) -> np.ndarray:
    # [height, width, 3 or 1] -> at most LONGEST pixels each way, in colour
    top, left = (max(0, size - LONGEST) // 2 for size in pixels.shape[:2])
    part = pixels[top : top + LONGEST, left : left + LONGEST]
    return np.broadcast_to(part, (*part.shape[:2], 3))


def _avif(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "AVIF", quality=QUALITY, subsampling="4:4:4", speed=8)
    return buffer.getvalue()


def _psnr(pixels: np.ndarray, avif: bytes) -> float:
    with Image.open(io.BytesIO(avif)) as image:
        return float(metrics.psnr(pixels, np.asarray(image.convert("RGB")), 255.0))
