"""Rate and distortion of real files: a picture is compressed, and decompressed from the bytes that lie on disk."""

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from gllmm_jax import files, metrics
from gllmm_jax.picture import picture

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec


class Row(TypedDict):
    """One picture: `bytes` of its file, `bpp` in bits per pixel, `psnr` in dB, `msssim` in [0, 1].

    `quality` is from 0 to 100, None of a model that has one alone. A figure that does not exist is None: the PSNR of a
    perfect picture, the MS-SSIM of one under 11 pixels.
    """

    image: str
    quality: float | None
    bytes: float
    bpp: float
    psnr: float | None
    msssim: float | None


def evaluate_files(
    codec: "Codec",
    paths: Iterable[str | os.PathLike[str]],
    out_dir: str | os.PathLike[str] | None = None,
    *,
    convert: bool = False,
    force: bool = False,
    skip: Callable[[picture.PictureError], object] | None = None,
) -> Iterator[Row]:
    """Compress and decompress every picture of `paths`: a generator of one row each, in order, as they are measured.

    With `out_dir`, made where missing, NAME.gllm and NAME.decoded.png are left there, never in place of one of `paths`,
    and in place of other files with `force` alone.
    `convert` is that of `picture.read`. A picture that cannot be read raises `picture.PictureError`, or with `skip` is
    left out after a call of that with the error. Raises `ValueError` without pictures, `files.WriteError` where the
    disk refuses or a file is there already.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise ValueError("there are no pictures to evaluate")
    folder = None if out_dir is None else files.make_folder(out_dir)
    names = _names(paths, folder)
    for output in (output for name in names if folder for output in _outputs(folder, name)):
        files.check_free(output, force=force)
    for name, path in zip(names, paths, strict=True):
        try:
            image = picture.read(path, convert=convert)
        except picture.PictureError as error:
            if skip is None:
                raise
            skip(error)
            continue
        data = codec.compress(image)
        decoded = codec.decompress(data)
        if folder is not None:
            stream, decoded_picture = _outputs(folder, name)
            files.write(stream, data)
            picture.write(decoded_picture, decoded)
        yield measure(name, image, decoded, len(data), quality=codec.quality)


def measure(name: str, image: np.ndarray, decoded: np.ndarray, size: int, *, quality: float | None = None) -> Row:
    """The row of one picture, uint8 [height, width, 3 or 1] twice, whose file has `size` bytes."""
    height, width = image.shape[:2]
    return Row(
        image=name,
        quality=quality,
        bytes=size,
        bpp=8 * size / (height * width),
        psnr=_finite(metrics.psnr(image, decoded, 255.0)),
        msssim=_finite(metrics.ms_ssim(image, decoded, 255.0)),
    )


def mean_row(rows: list[Row]) -> Row:
    """Column means of rows of one quality, each over the pictures that have the figure; the row is named "mean"."""
    return Row(
        image="mean",
        quality=rows[0]["quality"],
        bytes=_mean([row["bytes"] for row in rows]) or 0.0,
        bpp=_mean([row["bpp"] for row in rows]) or 0.0,
        psnr=_mean([row["psnr"] for row in rows]),
        msssim=_mean([row["msssim"] for row in rows]),
    )


def heading(width: int) -> str:
    """What `line` shows, for names of up to `width` letters."""
    return f"{'image':{width}} {'bytes':>10} {'bpp':>7} {'PSNR':>7} {'MS-SSIM':>8}"


def line(row: Row, width: int) -> str:
    """The row as text for people."""
    psnr = "-" if row["psnr"] is None else f"{row['psnr']:.2f}"
    msssim = "-" if row["msssim"] is None else f"{row['msssim']:.4f}"
    return f"{row['image']:{width}} {row['bytes']:>10,.0f} {row['bpp']:>7.3f} {psnr:>7} {msssim:>8}"


def _names(paths: list[Path], folder: Path | None) -> list[str]:
    """File stems, counted up until one is free, so that no output replaces another or a picture of `paths`."""
    inputs = {path.resolve() for path in paths}
    names: list[str] = []
    for path in paths:
        numbered = (f"{path.stem}-{number}" for number in itertools.count(2))
        for name in itertools.chain([path.stem], numbered):
            outputs = [] if folder is None else _outputs(folder, name)
            if name not in names and inputs.isdisjoint(output.resolve() for output in outputs):
                names.append(name)
                break
    return names


def _outputs(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.gllm", folder / f"{name}.decoded.png"


def _finite(value) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _mean(values: list[float | None] | list[float]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
