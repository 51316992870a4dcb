"""Measurements of one picture: a row of figures, for tables, and for files that a stopped run continues.

A file of rows is CSV, or JSON lines if its name ends in .jsonl. Each row is added whole as soon as it is known. Codec,
setting and picture name distinguish rows. Other pictures, and other weights of one name, need another file.
"""

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np

from gllmm_jax import metrics


class Row(TypedDict):
    """One picture through one codec at one setting.

    `setting` is the quality of a model, from 0 to 100, or None for a model with one quality. For another codec it is
    the codec's own number. `bytes` is the size of the file, `bpp` in bits per true pixel, `psnr` of RGB in dB, `msssim`
    in [0, 1] and `msssim_db` the same as -10 log10(1 - MS-SSIM). Seconds are wall-clock seconds. `peak_mb` is the most
    memory that the process took, in millions of bytes. A figure that does not exist is None: the PSNR of a perfect
    picture, the MS-SSIM of a picture under 11 pixels, or a figure that a file of rows does not hold.
    """

    codec: str
    setting: float | None
    image: str
    bytes: float
    bpp: float
    psnr: float | None
    msssim: float | None
    msssim_db: float | None
    encode_seconds: float | None
    decode_seconds: float | None
    peak_mb: float | None


COLUMNS = tuple(Row.__annotations__)
NEEDED = "codec", "image", "bytes", "bpp", "psnr"
MEAN = "mean"
"""Name of the row of means."""

_TEXTS = "codec", "image"
_FIGURES = tuple(name for name in COLUMNS if name not in (*_TEXTS, "setting"))
_DIGITS = 7

Key = tuple[str, str, str]


def measure(
    name: str,
    image: np.ndarray,
    decoded: np.ndarray,
    size: int,
    *,
    codec: str = "",
    setting: float | None = None,
    **costs: float | None,
) -> Row:
    """The row of one picture, uint8 [height, width, 3 or 1] twice, whose file has `size` bytes.

    `costs` are `encode_seconds`, `decode_seconds` and `peak_mb`.
    """
    height, width = image.shape[:2]
    msssim = _finite(metrics.ms_ssim(image, decoded, 255.0))
    return Row(
        codec=codec,
        setting=setting,
        image=name,
        bytes=size,
        bpp=8 * size / (height * width),
        psnr=_finite(metrics.psnr(image, decoded, 255.0)),
        msssim=msssim,
        msssim_db=decibels(msssim),
        **{cost: costs.get(cost) for cost in ("encode_seconds", "decode_seconds", "peak_mb")},
    )


def decibels(msssim: float | None) -> float | None:
    """MS-SSIM as -10 log10(1 - MS-SSIM). None for a perfect picture."""
    return None if msssim is None or msssim >= 1 else -10 * math.log10(1 - msssim)


def mean_row(rows: Sequence[Row]) -> Row:
    """Column means of rows of one codec at one setting.

    A mean of PSNR or MS-SSIM is None unless all pictures have the figure; other means are over those that have it.
    MS-SSIM in dB is computed from the mean MS-SSIM, as in published figures. `peak_mb` is the largest of the rows. The
    name of the row is "mean".
    """
    means = {name: _mean([row[name] for row in rows]) for name in _FIGURES}
    peaks = [row["peak_mb"] for row in rows if row["peak_mb"] is not None]
    means |= {name: None for name in ("psnr", "msssim") if any(row[name] is None for row in rows)}
    means["msssim_db"] = decibels(means["msssim"])
    means["peak_mb"] = max(peaks, default=None)
    first = rows[0]
    return cast(Row, {"codec": first["codec"], "setting": first["setting"], "image": MEAN, **means})


def key(codec: str, setting: float | None, image: str) -> Key:
    """The values that distinguish a row from all others."""
    return codec, "" if setting is None else f"{setting:g}", image


def key_of(row: Row) -> Key:
    """The key of a row."""
    return key(row["codec"], row["setting"], row["image"])


def read(path: str | os.PathLike[str], *, warn: Callable[[str], object] | None = None) -> list[Row]:
    """The rows of a file. Of several rows with one key, the last counts.

    Raises `ValueError` if a required column is missing or a line is damaged. `warn` is told of unknown columns.
    """
    return _rows(path, Path(path).read_bytes(), warn)


def _rows(path: str | os.PathLike[str], content: bytes, warn: Callable[[str], object] | None) -> list[Row]:
    with _named(path, "it is no text"):
        text = content.decode()
    if _is_json(path):
        with _named(path, "a line is no JSON"):
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        if not all(isinstance(line, dict) for line in found):
            raise ValueError(f"{path} is damaged: a line holds no figures")
    else:
        found = list(csv.DictReader(io.StringIO(text, newline="")))
    columns = dict.fromkeys(name for line in found for name in line if name)
    if missing := [name for name in NEEDED if found and name not in columns]:
        raise ValueError(f"{path} holds no rows of figures: it lacks {', '.join(missing)}")
    if warn is not None and (unknown := [name for name in columns if name not in COLUMNS]):
        warn(f"{path}: left out what is not known here, {', '.join(unknown)} (known are {', '.join(COLUMNS)})")
    with _named(path, "a figure is no number"):
        rows = [_row(line) for line in found]
    return list({key_of(row): row for row in rows}.values())


class File:
    """A file of rows that grows. `rows` are its rows, in its order.

    A last line without an end is a row that a killed process was writing, and is removed. Raises `ValueError` for a
    file that holds something else, and leaves that file as it is; `OSError` if the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, warn: Callable[[str], object] | None = None) -> None:
        self.path, self.rows, self._columns = Path(path), [], COLUMNS
        if self.path.exists():
            content = self.path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            begin = b'{"codec"' if _is_json(path) else ",".join(COLUMNS).encode()
            if not whole and not begin.startswith(content[: len(begin)]):
                raise ValueError(f"{path} holds no rows of figures: it is one line without an end")
            self.rows = _rows(path, whole, warn)
            os.truncate(self.path, len(whole))
        if _is_json(self.path):
            return
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.write_text(",".join(COLUMNS) + "\n")
        with self.path.open(newline="", encoding="utf-8") as file:
            self._columns = tuple(next(csv.reader(file)))

    def add(self, row: Row) -> None:
        """Add one row. The row is on the disk when the call returns."""
        shown = {name: _rounded(value) for name, value in row.items()}
        if _is_json(self.path):
            line = json.dumps(shown) + "\n"
        else:
            text = io.StringIO()
            csv.DictWriter(text, self._columns, extrasaction="ignore", lineterminator="\n").writerow(shown)
            line = text.getvalue()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self.rows.append(row)


def heading(codec: int, image: int) -> str:
    """The heading of `line`, for names of codecs and pictures of up to so many letters."""
    left = f"{'codec':{codec}} {'setting':>7} {'image':{image}}"
    return (
        f"{left} {'bytes':>10} {'bpp':>7} {'PSNR':>6} {'MS-SSIM':>7} {'in dB':>6} {'encode':>8} {'decode':>8} {'MB':>6}"
    )


def line(row: Row, codec: int, image: int) -> str:
    """The row as text for people, with a dash for each absent figure."""
    setting = "" if row["setting"] is None else f"{row['setting']:g}"
    left = f"{row['codec']:{codec}} {setting:>7} {row['image']:{image}} {row['bytes']:>10,.0f} {row['bpp']:>7.3f}"
    shown = _shown(row["psnr"], "6.2f"), _shown(row["msssim"], "7.4f"), _shown(row["msssim_db"], "6.2f")
    costs = _shown(row["encode_seconds"], "6.2f", " s"), _shown(row["decode_seconds"], "6.2f", " s")
    return " ".join([left, *shown, *costs, _shown(row["peak_mb"], "6,.0f")])


def _shown(value: float | None, spec: str, unit: str = "") -> str:
    width = int(spec.split(".")[0].rstrip(",")) + len(unit)
    return f"{'-':>{width}}" if value is None else f"{value:{spec}}{unit}"


def _row(line: dict[str, Any]) -> Row:
    values = {name: _number(line.get(name)) for name in COLUMNS if name not in _TEXTS}
    if values["bytes"] is None or values["bpp"] is None:
        raise ValueError("a row without a size")
    if values["msssim_db"] is None:
        values["msssim_db"] = decibels(values["msssim"])
    return cast(Row, {name: str(line[name]) if name in _TEXTS else values[name] for name in COLUMNS})


def _number(value: Any) -> float | None:
    return None if value in (None, "") else _finite(value)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _is_json(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix == ".jsonl"


@contextlib.contextmanager
def _named(path: str | os.PathLike[str], problem: str):
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: {problem}") from error


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
