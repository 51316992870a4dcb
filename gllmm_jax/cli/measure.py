"""`evaluate` and `demo`."""

import argparse
from pathlib import Path
from typing import Any

from gllmm_jax import zoo
from gllmm_jax.cli import cache
from gllmm_jax.cli.common import a_path, add_convert, add_json, add_model, print_json


def add_commands(commands: Any) -> None:
    """Both commands' arguments."""
    parser = commands.add_parser("evaluate", help="compress and decompress pictures, and measure")
    parser.add_argument("images", type=a_path, nargs="+", metavar="IMAGES")
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    parser.add_argument("-o", "--output", type=a_path, metavar="DIR", help="keep the files and decoded pictures here")
    add_convert(parser)
    add_json(parser)
    parser.set_defaults(run=evaluate)

    parser = commands.add_parser("demo", help="a first look: four photographs there and back, beside JPEG")
    parser.add_argument(
        "-o", "--output", type=a_path, default=Path("demo"), metavar="DIR", help="%(default)s unless given"
    )
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    parser.set_defaults(run=demo)


def evaluate(arguments: argparse.Namespace) -> None:
    """Rows of figures, one a picture, then their mean."""
    cache.enable()
    from gllmm_jax.codec.codec import load
    from gllmm_jax.evaluate.files import evaluate_files, table

    rows = evaluate_files(load(arguments.model), arguments.images, arguments.output, convert=arguments.convert)
    if arguments.json:
        print_json(rows)
    else:
        print(table(rows))


def demo(arguments: argparse.Namespace) -> None:
    """Everything at once, with the installed model."""
    cache.enable()
    from gllmm_jax.evaluate.demo import run

    run(arguments.output, arguments.model)
