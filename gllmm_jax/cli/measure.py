"""`evaluate` and `demo`."""

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gllmm_jax import zoo
from gllmm_jax.cli import cache
from gllmm_jax.cli.common import (
    FAILED,
    a_path,
    add_command,
    add_convert,
    add_force,
    add_json,
    add_model,
    add_placement,
    add_qualities,
    placement,
    print_json,
    say,
    sentence,
)
from gllmm_jax.cli.progress import bar


def add_commands(commands: Any) -> None:
    """Both commands' arguments."""
    parser = add_command(commands, "evaluate", "compress and decompress pictures, and measure", evaluate)
    parser.add_argument("images", type=a_path, nargs="+", metavar="IMAGE", help="any picture Pillow reads")
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    parser.add_argument("-o", "--output", type=a_path, metavar="DIR", help="keep the files and decoded pictures here")
    add_force(parser)
    add_qualities(parser)
    add_convert(parser)
    add_placement(parser)
    add_json(parser)

    about = "a first look: four photographs there and back, beside JPEG"
    parser = add_command(commands, "demo", about, demo)
    where = "the folder for files and comparisons (%(default)s unless given)"
    parser.add_argument("-o", "--output", type=a_path, default=Path("demo"), metavar="DIR", help=where)
    add_force(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    add_qualities(parser)


def evaluate(arguments: argparse.Namespace) -> int:
    """Rows of figures, one a picture as soon as it is done, then their mean: so for each quality.

    Bad pictures are left out, and told.
    """
    cache.enable()
    from gllmm_jax.codec.codec import load
    from gllmm_jax.evaluate.files import evaluate_files, heading, line, mean_row

    bad: list[Exception] = []

    def skip(error: Exception) -> None:
        say(sentence(error))
        bad.append(error)

    def show(text: str) -> None:
        if not arguments.json:
            print(text, flush=True)

    loaded, whole = load(arguments.model, **placement(arguments)), []
    width = max(5, *(len(path.stem) for path in arguments.images))
    for quality in arguments.quality:
        codec, output, rows = loaded if quality is None else loaded.at(quality), arguments.output, []
        if output is not None and len(arguments.quality) > 1:
            output = output / f"quality-{quality:g}"
        if len(arguments.quality) > 1:
            show(f"quality {quality:g}")
        found = evaluate_files(
            codec, arguments.images, output, convert=arguments.convert, force=arguments.force, skip=skip
        )
        for row in iter(functools.partial(_next, found), None):
            if not rows:
                show(heading(width))
            rows.append(row)
            show(line(row, width))
        if rows:
            rows.append(mean_row(rows))
            show(line(rows[-1], width))
        whole += rows
    if arguments.json:
        print_json(whole)
    return FAILED if bad else 0


def _next(rows: Iterator[Any]) -> Any:
    with bar("measuring"):
        return next(rows, None)


def demo(arguments: argparse.Namespace) -> None:
    """Everything at once, with the installed model."""
    cache.enable()
    from gllmm_jax.evaluate.demo import run

    run(arguments.output, arguments.model, arguments.quality, force=arguments.force)
