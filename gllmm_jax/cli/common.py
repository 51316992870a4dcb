"""What several commands share."""

import argparse
import contextlib
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any, TextIO

PROGRAM = "gllmm-jax"

_EXPECTED = (ValueError, OSError, ImportError, FloatingPointError)  # raised on purpose, with a sentence
_PARAMETER = re.compile(r"(?<= )(convert|max_pixels|model)=(True)?")


def say(text: str) -> None:
    """One line on stderr."""
    if sys.stderr is not None:  # where it is closed, print would take stdout
        with contextlib.suppress(OSError):
            print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def sentence(error: Exception) -> str:
    """What went wrong, in one line. A parameter that the library names is an option here: --convert."""
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "out of memory"
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    text = _PARAMETER.sub(lambda found: f"--{found[1]}".replace("_", "-") + ("" if found[2] else " "), text)
    if isinstance(error, _EXPECTED):
        return text
    return f"unexpected {type(error).__name__}: {text} (GLLMM_JAX_DEBUG=1 shows where)"


def a_path(text: str) -> Path:
    """An argument that names a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file or folder is needed, and this one is empty")
    return Path(text)


def add_convert(parser: argparse.ArgumentParser) -> None:
    """`--convert`."""
    lossy = "transparency (laid on white), 16 bits, CMYK, another colour profile than sRGB, all but the first frame"
    parser.add_argument("--convert", action="store_true", help=f"accept what loses something: {lossy}")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="report as JSON on stdout")


def add_model(parser: argparse.ArgumentParser, default: str | None, otherwise: str) -> None:
    """`--model`; `otherwise` says what is taken where it is not given."""
    text = f"an installed model or a weights file ({otherwise} unless given)"
    parser.add_argument("--model", default=default, metavar="NAME|FILE", help=text)


def positive(text: str) -> int:
    """An argument that is a whole number above zero."""
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def positive_number(text: str) -> float:
    """An argument that is a finite number above zero."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


positive_number.__name__ = "number"
positive.__name__ = "whole number"  # argparse: "invalid whole number value: 'x'"


def print_json(report: Any, *, file: TextIO | None = None) -> None:
    """One JSON value, on stdout unless a `file` is given."""
    print(json.dumps(report), file=file)


def beside(output: Path) -> TextIO:
    """Where to report about a file that was written: stdout, or stderr where stdout is that file (/dev/stdout)."""
    try:
        taken = os.path.samestat(os.stat(output), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # a stdout without a descriptor
        taken = False
    return sys.stderr if taken else sys.stdout


def free_beside(source: Path, suffix: str) -> Path:
    """The default output. A name nobody typed never replaces a file: it may be the original, or of another model.

    Raises `ValueError` where it is there.
    """
    output = source.with_suffix(suffix)
    if output.exists():
        raise ValueError(f"{output} is there already: say where to write with -o")
    return output


def read_bytes(path: Path) -> bytes:
    """A whole file. Raises `ValueError` with a sentence."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder, not a file") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def check_apart(source: Path, output: Path) -> None:
    """Raises `ValueError` where the output would replace the input."""
    if output.exists() and output.samefile(source):
        raise ValueError(f"the output would replace the input {source}: name another with -o")
