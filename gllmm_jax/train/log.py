"""Reports of a run: always a CSV file, TensorBoard if tensorboardX is installed, and a bar or plain lines on stderr.

A report is one dict of floats: `loss bpp psnr ...` under `train`, and the same under `validation`. TensorBoard also
shows the first validation image.
"""

import contextlib
import csv
import io
import logging
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from gllmm_jax import files

FIGURES = ["loss", "bpp", "bpp_y", "bpp_z", "psnr", "ms_ssim", "mse", "grad_norm", "lr", "images_per_second", "skipped"]
COLUMNS: list[str] = ["split", "step", "seconds", *FIGURES]
FULL_RATE = 2.0  # bits per pixel that are white in a rate map
PLAIN_SECONDS = 30.0  # between lines if stderr is no terminal
ROOM = 4 << 20  # bytes; TensorBoard is called only if so much is free: else its thread would die and the run wait
LONGEST_ROW = 1000  # characters; this log writes no longer row

_log = logging.getLogger(__name__)


class CsvLog:
    """A CSV file with one row per report, written at once. A resumed run drops the rows of steps that were lost."""

    def __init__(self, path: Path, *, step: int):
        self._path, kept = path, _rows_until(path, step)
        with io.StringIO(newline="") as text:
            writer = _writer(text)
            writer.writeheader()
            writer.writerows(kept)
            files.write(path, text.getvalue().encode())
        with files.reported(path):
            self._file = path.open("a", newline="")
            self._writer = _writer(self._file)

    def write(self, split: str, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Add a row. Figures without a column are left out. Raises `files.WriteError`."""
        rounded = {name: f"{value:.6g}" for name, value in figures.items()}
        with files.reported(self._path):
            self._writer.writerow({"split": split, "step": step, "seconds": f"{seconds:.1f}", **rounded})
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # `write` has already raised the error of this row
            self._file.close()


def _writer(file: IO[str]) -> "csv.DictWriter[str]":
    return csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")


def _rows_until(path: Path, step: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with files.reported(path):
        text = path.read_bytes().decode(errors="replace")
    whole = text[: text.rfind("\n") + 1]  # a full disk or a kill may have cut the last row short
    lines = [line for line in whole.splitlines() if len(line) <= LONGEST_ROW]
    rows = [row for row in csv.DictReader(lines, quoting=csv.QUOTE_NONE) if _is_sound(row)]
    return [{name: row.get(name) for name in COLUMNS} for row in rows if int(row["step"]) <= step]


def _is_sound(row: dict[Any, Any]) -> bool:
    # a row is sound if it is as it was written: a damaged disk may turn a digit into anything, also a comma or a quote
    if None in row or None in row.values() or row.get("split") not in ("train", "validation"):
        return False
    with contextlib.suppress(ValueError, KeyError):
        return int(row["step"]) >= 0 and all(float(row[name] or 0) is not None for name in row if name != "split")
    return False


class Progress:
    """A tqdm bar over the run's fraction in [0, 1]. If stderr is no terminal, a plain line now and then."""

    def __init__(self, *, progress: float, show: bool = True):
        self._bar = _make_bar(progress) if show and sys.stderr.isatty() else None
        self._plain = show and self._bar is None
        self._last = 0.0

    def update(self, progress: float, step: int, figures: Mapping[str, float]) -> None:
        """Show `loss bpp psnr images_per_second` as soon as there are any."""
        if not figures:
            return
        text = "loss {loss:.4f} bpp {bpp:.4f} PSNR {psnr:.2f} {images_per_second:.1f} images/s".format(**figures)
        if self._bar is not None:
            self._bar.set_postfix_str(f"step {step} {text}", refresh=False)
            self._bar.update(progress * 100 - self._bar.n)
        elif self._plain and time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self.say(f"{progress:6.1%} step {step} {text}")

    def say(self, sentence: str) -> None:
        """Write one line on stderr, above the bar."""
        if self._bar is not None:
            self._bar.write(sentence, file=sys.stderr)
        elif self._plain:
            print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar where it is."""
        if self._bar is not None:
            self._bar.close()


def _make_bar(progress: float) -> Any:
    shape = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
    return tqdm(total=100, initial=progress * 100, bar_format=shape, dynamic_ncols=True, file=sys.stderr)


def _make_tensorboard(folder: Path, step: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        _log.warning("no TensorBoard log: pip install 'gllmm-jax[train]' for tensorboardX; log.csv has it all")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


class Silence:
    """A `Log` that shows and writes nothing. Of the processes that train together, all but the first have it."""

    def __init__(self) -> None:
        self.progress = self

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _ignore(self, *_: object) -> None:
        pass

    say = write = update = _ignore


class Log:
    """CSV file, TensorBoard and progress of the run in `folder`, which stands at `step`. Use as a context manager."""

    def __init__(self, folder: Path, *, step: int, progress: float, show: bool = True):
        self._folder = files.make_folder(folder)
        self._csv = CsvLog(folder / "log.csv", step=step)
        self._tensorboard = _make_tensorboard(folder / "tensorboard", step)
        self.progress = Progress(progress=progress, show=show)
        self.say = self.progress.say

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.close()
        self._csv.close()
        if self._tensorboard is not None:
            with contextlib.suppress(OSError):  # on a full disk; log.csv has all figures
                self._tensorboard.close()

    def write(self, split: str, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Write one report of `split` ("train" or "validation"). Raises `files.WriteError`."""
        self._csv.write(split, step, seconds, figures)
        if self._tensorboard is not None:
            self._check_room()
            for name, value in figures.items():
                self._tensorboard.add_scalar(f"{split}/{name}", value, step)

    @property
    def has_pictures(self) -> bool:
        """Whether the log shows what `pictures` gets."""
        return self._tensorboard is not None

    def pictures(self, step: int, original: np.ndarray, reconstruction: np.ndarray, rate: np.ndarray) -> None:
        """Show two pictures uint8 [H, W, 3], and bits per pixel [h, w] as gray levels at the size of the pictures.

        Raises `files.WriteError`.
        """
        if self._tensorboard is None:
            return
        self._check_room()
        levels = np.round(np.clip(rate / FULL_RATE, 0, 1) * 255).astype(np.uint8)
        levels = np.kron(levels, np.ones([n // m for n, m in zip(original.shape, rate.shape, strict=False)], np.uint8))
        shown = {"original": original, "reconstruction": reconstruction, "rate": levels[..., None].repeat(3, axis=-1)}
        for name, picture in shown.items():
            self._tensorboard.add_image(f"validation/{name}", picture, step, dataformats="HWC")

    def _check_room(self) -> None:
        if shutil.disk_usage(self._folder).free < ROOM:
            raise files.WriteError(f"cannot write the TensorBoard log in {self._folder}: the disk is full")
