"""What several commands share."""

import argparse
import json
import math
from pathlib import Path
from typing import Any


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


def print_json(report: Any) -> None:
    """One JSON value on stdout."""
    print(json.dumps(report))


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
