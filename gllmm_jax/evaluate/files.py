"""Rate and distortion of real files: a picture is compressed, and decompressed from the bytes that lie on disk."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from gllmm_jax import files, metrics
from gllmm_jax.codec import picture

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec


class Row(TypedDict):
    """One picture: `bytes` of its file, `bpp` in bits per pixel, `psnr` in dB, `msssim` in [0, 1].

    A figure that does not exist is None: the PSNR of a perfect picture, the MS-SSIM of one under 11 pixels.
    """

    image: str
    bytes: float
    bpp: float
    psnr: float | None
    msssim: float | None


def evaluate_files(
    codec: "Codec", paths: Iterable[str | os.PathLike[str]], out_dir: str | os.PathLike[str] | None = None
) -> list[Row]:
    """Compress and decompress every picture of `paths` -> one row each, in order, and last their mean, named "mean".

    With `out_dir`, made where missing, NAME.gllm and NAME.png are left there. Raises `ValueError` without pictures,
    `picture.PictureError` on one that cannot be read, `files.WriteError` where the disk refuses.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise ValueError("there are no pictures to evaluate")
    rows = []
    for name, path in zip(_names(paths), paths, strict=True):
        image = picture.read(path)
        data = codec.compress(image)
        decoded = codec.decompress(data)
        if out_dir is not None:
            folder = Path(out_dir)
            folder.mkdir(parents=True, exist_ok=True)
            files.write(folder / f"{name}.gllm", data)
            picture.write(folder / f"{name}.png", decoded)
        rows.append(measure(name, image, decoded, len(data)))
    return [*rows, mean_row(rows)]


def measure(name: str, image: np.ndarray, decoded: np.ndarray, size: int) -> Row:
    """The row of one picture, uint8 [height, width, 3 or 1] twice, whose file has `size` bytes."""
    height, width = image.shape[:2]
    return Row(
        image=name,
        bytes=size,
        bpp=8 * size / (height * width),
        psnr=_finite(metrics.psnr(image, decoded, 255.0)),
        msssim=_finite(metrics.ms_ssim(image, decoded, 255.0)),
    )


def mean_row(rows: list[Row]) -> Row:
    """Column means, each over the pictures that have the figure."""
    return Row(
        image="mean",
        bytes=_mean([row["bytes"] for row in rows]) or 0.0,
        bpp=_mean([row["bpp"] for row in rows]) or 0.0,
        psnr=_mean([row["psnr"] for row in rows]),
        msssim=_mean([row["msssim"] for row in rows]),
    )


def table(rows: list[Row]) -> str:
    """The rows as text for people."""
    width = max(5, *(len(row["image"]) for row in rows))
    lines = [f"{'image':{width}} {'bytes':>10} {'bpp':>7} {'PSNR':>7} {'MS-SSIM':>8}"]
    for row in rows:
        psnr = "-" if row["psnr"] is None else f"{row['psnr']:.2f}"
        msssim = "-" if row["msssim"] is None else f"{row['msssim']:.4f}"
        lines.append(f"{row['image']:{width}} {row['bytes']:>10,.0f} {row['bpp']:>7.3f} {psnr:>7} {msssim:>8}")
    return "\n".join(lines)


def _names(paths: list[Path]) -> list[str]:
    """File stems, numbered where two pictures share one, so that no output replaces another."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        seen[path.stem] = seen.get(path.stem, 0) + 1
        names.append(path.stem if seen[path.stem] == 1 else f"{path.stem}-{seen[path.stem]}")
    return names


def _finite(value) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _mean(values: list[float | None] | list[float]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
