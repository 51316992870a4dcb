"""`corpus`: its three actions."""

import argparse
import contextlib
import math
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from gllmm_jax import zoo
from gllmm_jax.cli.common import (
    add_command,
    add_convert,
    add_json,
    add_model,
    harmless,
    positive,
    print_json,
    quality,
    say,
)
from gllmm_jax.cli.options import add_max_pixels
from gllmm_jax.cli.runs import SOME_FAILED

if TYPE_CHECKING:
    from gllmm_jax.corpus import Summary

NAMED = 10
"""Pictures that failed and are told one by one."""


def add_commands(commands: Any) -> dict[str, Any]:
    """Its actions and their arguments -> the parsers of the actions."""
    about = "compress, verify or evaluate any number of pictures, on many machines by Ray"
    actions = add_command(commands, "corpus", about, compress).add_subparsers(metavar="ACTION", required=True)

    parser = add_command(actions, "compress", "pictures become .gllm files, or rows of Parquet files", compress)
    text = "a folder or bucket of pictures, or one of Parquet files with a picture in each row"
    parser.add_argument("source", metavar="SRC", help=text)
    _add_target(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = "from 0 to 100, of a model with a variable rate (its own unless given)"
    parser.add_argument("--quality", type=quality, metavar="Q", help=text)
    parser.add_argument("--into-rows", action="store_true", help="keep the .gllm files in the rows alone")
    text = "columns of Parquet files with the name of a picture and its bytes (name bytes unless given)"
    parser.add_argument("--columns", nargs=2, default=("name", "bytes"), metavar=("NAME", "BYTES"), help=text)
    text = "do not decode each file to measure its PSNR, which saves that time"
    parser.add_argument("--no-psnr", dest="psnr", action="store_false", help=text)
    add_convert(parser)
    add_max_pixels(parser)
    _add_cluster(parser)

    about = "decode every file and compare its latents with those that were written"
    _add_corpus(add_command(actions, "verify", about, verify))

    parser = add_command(actions, "evaluate", "compare every file with its picture: PSNR and MS-SSIM", evaluate)
    parser.add_argument("source", metavar="SRC", help="the pictures that were compressed")
    _add_corpus(parser)
    return {f"corpus {name}": action for name, action in actions.choices.items()}


def _add_target(parser: argparse.ArgumentParser) -> None:
    text = "the folder or bucket of what is made: DST/rows has a row for each picture that was compressed"
    parser.add_argument("target", metavar="DST", help=text)


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    add_model(parser, None, "that of the corpus, where it was")
    _add_cluster(parser)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    text = "of a Ray cluster, as in auto or HOST:PORT (this machine alone unless given)"
    parser.add_argument("--ray", metavar="ADDRESS", dest="ray_address", help=text)
    text = "codecs at once (one for each accelerator or, where there is none, core but one, unless given)"
    parser.add_argument("--workers", type=positive, metavar="N", help=text)
    add_json(parser)


def compress(arguments: argparse.Namespace) -> int:
    """Pictures -> a corpus."""
    from gllmm_jax import corpus

    names = ("model", "quality", "into_rows", "psnr", "convert", "max_pixels")
    options: dict[str, Any] = {name: getattr(arguments, name) for name in names} | {"columns": tuple(arguments.columns)}
    return _run(arguments, corpus.compress, arguments.source, arguments.target, **options)


def verify(arguments: argparse.Namespace) -> int:
    """A corpus -> whether it is whole."""
    from gllmm_jax import corpus

    return _run(arguments, corpus.verify, arguments.target, model=arguments.model)


def evaluate(arguments: argparse.Namespace) -> int:
    """A corpus and its pictures -> how near they are."""
    from gllmm_jax import corpus

    return _run(arguments, corpus.evaluate, arguments.source, arguments.target, model=arguments.model)


def _run(arguments: argparse.Namespace, action: "Callable[..., Summary]", *given: Any, **options: Any) -> int:
    """Exit status. From now on signals are exceptions, so that Ray ends what it started."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, _terminated)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    options |= {"ray_address": arguments.ray_address, "workers": arguments.workers}
    with contextlib.redirect_stdout(sys.stderr):  # Ray tells of workers that died
        found = action(*given, **options)
    return _told(arguments, found)


def _terminated(number: int, _frame: object) -> NoReturn:
    say("terminated")
    raise SystemExit(128 + number)


def _told(arguments: argparse.Namespace, found: "Summary") -> int:
    if arguments.json:
        numbers = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found._asdict().items()}
        print_json(numbers)
    else:
        for name, error in list(found.failed.items())[:NAMED]:
            say(error if name in error else f"{harmless(name)}: {error}")
        parts = [f"{found.pictures:,} picture{'s' * (found.pictures != 1)}", f"{found.bytes:,} bytes"]
        figures = (("bpp", "{:.3f} bits a pixel"), ("psnr", "{:.2f} dB"), ("ms_ssim", "MS-SSIM {:.4f}"))
        parts += [text.format(value) for name, text in figures if not math.isnan(value := getattr(found, name))]
        parts += [f"{len(found.failed):,} failed"] * bool(found.failed)
        print(", ".join(parts))
    return SOME_FAILED if found.failed else 0
