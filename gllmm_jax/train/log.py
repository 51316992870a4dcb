"""What a run tells: a CSV file always, TensorBoard where tensorboardX is installed, a bar or plain lines on stderr.

Figures come as one dict of floats a report: `loss bpp psnr ...` under `train`, the same under `validation`, whose first
image TensorBoard shows too.
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
PLAIN_SECONDS = 30.0  # between lines where stderr is no terminal
ROOM = 4 << 20  # bytes that TensorBoard finds free, or is not asked: its thread would die, and the run wait for it
LONGEST_ROW = 1000  # characters; a longer one is none of ours

_log = logging.getLogger(__name__)


class CsvLog:
    """One row a report, written through at once. A resumed run drops the rows of steps that were lost."""

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
        """Add a row; figures without a column are left out. Raises `files.WriteError`."""
        rounded = {name: f"{value:.6g}" for name, value in figures.items()}
        with files.reported(self._path):
            self._writer.writerow({"split": split, "step": step, "seconds": f"{seconds:.1f}", **rounded})
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # of a row that `write` has raised for
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
    # as it was written: a disk may turn a digit into anything, a comma or a quotation mark among it
    if None in row or None in row.values() or row.get("split") not in ("train", "validation"):
        return False
    with contextlib.suppress(ValueError, KeyError):
        return int(row["step"]) >= 0 and all(float(row[name] or 0) is not None for name in row if name != "split")
    return False


class Progress:
    """A tqdm bar over the run's fraction in [0, 1], or a plain line now and then where stderr is no terminal."""

    def __init__(self, *, progress: float, show: bool = True):
        self._bar = _make_bar(progress) if show and sys.stderr.isatty() else None
        self._plain = show and self._bar is None
        self._last = 0.0

    def update(self, progress: float, step: int, figures: Mapping[str, float]) -> None:
        """Show `loss bpp psnr images_per_second`, once there are any."""
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
        """One line on stderr, above the bar."""
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
    """A `Log` that keeps everything to itself: of the processes that train together all but one."""

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
    """All three, for the run in `folder` that stands at `step`. Use as a context manager."""

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
            with contextlib.suppress(OSError):  # on a full disk; log.csv has it all
                self._tensorboard.close()

    def write(self, split: str, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Record one report of `split` ("train" or "validation"). Raises `files.WriteError`."""
        self._csv.write(split, step, seconds, figures)
        if self._tensorboard is not None:
            self._check_room()
            for name, value in figures.items():
                self._tensorboard.add_scalar(f"{split}/{name}", value, step)

    @property
    def has_pictures(self) -> bool:
        """Whether `pictures` shows them anywhere."""
        return self._tensorboard is not None

    def pictures(self, step: int, original: np.ndarray, reconstruction: np.ndarray, rate: np.ndarray) -> None:
        """Show uint8 [H, W, 3] twice, and bits per pixel [h, w] as levels of gray, as large as the others.

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
