"""`compress` and `decompress`."""

import argparse
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gllmm_jax import zoo
from gllmm_jax.cli.codecs import Codecs
from gllmm_jax.cli.common import (
    STANDARD,
    a_name,
    add_command,
    add_convert,
    add_force,
    add_json,
    add_model,
    add_placement,
    check_suffix,
    opened,
    positive,
    positive_number,
    quality,
    read_stream,
    uncollected,
    whole,
)
from gllmm_jax.cli.memory import add_max_memory
from gllmm_jax.cli.pairs import Pair, plan
from gllmm_jax.cli.runs import Done, run
from gllmm_jax.codec.quality import DEFAULT
from gllmm_jax.config import Search
from gllmm_jax.container.container import CODERS, MAX_PIXELS
from gllmm_jax.progress import Progress

if TYPE_CHECKING:
    from gllmm_jax.lof import Overfit


def add_commands(commands: Any) -> None:
    """Both commands' arguments."""
    parser = add_command(commands, "compress", "pictures become .gllm files", uncollected(compress))
    add_files(parser, "any picture Pillow reads", "a .gllm file")
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = f"{CODERS[0]} unless given; tfc is TensorFlow-Compression's and needs the extra of that name at both ends"
    parser.add_argument("--coder", choices=CODERS, default=CODERS[0], help=text)
    add_wish(parser)
    add_convert(parser)
    add_lof(parser)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)

    parser = add_command(commands, "decompress", ".gllm files become pictures", uncollected(decompress))
    add_files(parser, "a .gllm file", "a picture, whose suffix says the format")
    what = "of the pictures, as in jpg or webp (what the suffix of OUT says, png unless given)"
    parser.add_argument("--format", type=_suffix, metavar="SUFFIX", help=what)
    add_model(parser, None, f"the one the file needs, of the installed ones and those in the folders of ${zoo.PLACES},")
    text = "accept weights that read the file but show another picture than those it was made with"
    parser.add_argument("--other-synthesis", action="store_true", help=text)
    limit = f"accept pictures of up to N pixels ({MAX_PIXELS:,} unless given)"
    parser.add_argument("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N", help=limit)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)


def add_files(parser: argparse.ArgumentParser, what: str, becomes: str) -> None:
    """PATH..., -o and --force."""
    text = f"{what}; a folder of them, or a pattern like '**/*.png'; - is standard input"
    parser.add_argument("inputs", type=a_name, nargs="+", metavar="PATH", help=text)
    text = f"{becomes}, beside PATH unless given; a folder, which is made; - is standard output"
    parser.add_argument("-o", "--output", type=a_name, metavar="OUT", help=text)
    add_force(parser)


def add_wish(parser: argparse.ArgumentParser) -> None:
    """How good, or how large."""
    text = f"one of these, of a model with a variable rate (--quality {DEFAULT} unless given)"
    group = parser.add_argument_group("how good, or how large", text).add_mutually_exclusive_group()
    group.add_argument(
        "--quality", type=quality, metavar="Q", help="from 0, the smallest file, to 100, the best picture"
    )
    group.add_argument(
        "--max-bytes", type=positive, metavar="N", help="about the best picture that N bytes hold, never more"
    )
    group.add_argument("--bpp", type=positive_number, metavar="B", help="a file of about B bits a pixel")
    group.add_argument("--psnr", type=positive_number, metavar="D", help="a picture of about D dB")


def add_lof(parser: argparse.ArgumentParser) -> None:
    """The options of latent overfitting."""
    group = parser.add_argument_group("latent overfitting: smaller files for time, which any decoder reads")
    group.add_argument("--lof-steps", type=whole, default=0, metavar="N", help="rounds of the search (0: none)")
    group.add_argument("--lof-seconds", type=positive_number, metavar="S", help="begin no round after so many")
    group.add_argument("--lof-method", choices=get_args(Search), help="greedy unless given")
    what = "weight of the distortion, that of the training unless given; a smaller one saves more bytes"
    group.add_argument("--lof-lmbda", type=positive_number, metavar="L", help=what)


def compress(arguments: argparse.Namespace) -> int:
    """Pictures -> `.gllm` files."""
    from gllmm_jax.codec.wish import Wish
    from gllmm_jax.picture import picture

    todo = plan(arguments.inputs, arguments.output, ".gllm", wanted=picture.is_picture, force=arguments.force)
    refine, codecs = _refinement(arguments), Codecs(arguments)
    options: dict[str, Any] = {name: getattr(arguments, name) for name in Wish._fields}
    options |= {"estimate": arguments.json, "coder": arguments.coder, "refine": refine}
    if not todo.many:
        check_suffix(todo.pairs[0].output)
    elif todo.pairs:
        codecs.chosen()  # a model that is not there is told once

    def work(pair: Pair, progress: Progress) -> Done:
        image, size = _read(pair.source, convert=arguments.convert)
        codec, (height, width) = codecs.chosen(), image.shape[:2]
        with codecs.room_for(height * width):
            data, report = codec.encode(image, **options, progress=progress)
        facts = f"{width} x {height}, {report.bytes:,} bytes, {report.bpp:.3f} bits a pixel"
        if report.quality is not None:
            facts += f", quality {report.quality:g}"
        facts += _gain(report.refined)
        told = report._asdict() | {"seconds": {"load": codecs.seconds, **report.seconds}}
        return Done(data, size, len(data), len(data), height * width, facts, told)

    return run(arguments, todo, work)


def _read(source: Path, **options: Any) -> tuple[Any, int]:
    """A picture, and how many bytes its file has."""
    from gllmm_jax.picture import picture

    if source != STANDARD:
        return picture.read(source, **options), os.path.getsize(source)
    with opened(source) as stream:
        data = stream.read()
    return picture.read("standard input", file=io.BytesIO(data), **options), len(data)


def _gain(refined: dict[str, float] | None) -> str:
    if refined is None:
        return ""
    bits = 100 * (refined["bpp_after"] / refined["bpp_before"] - 1)
    mse = refined["mse_before"], refined["mse_after"]
    decibels = f", {10 * math.log10(mse[0] / mse[1]):+.2f} dB" if min(mse) > 0 else ""
    return f" ({bits:+.1f} % bits{decibels} by {refined['rounds']} rounds of search)"


def _refinement(arguments: argparse.Namespace) -> "Overfit | None":
    """What is asked of latent overfitting. Raises `ValueError` where that makes no sense."""
    given = {name: getattr(arguments, f"lof_{name}") for name in ("steps", "seconds", "method", "lmbda")}
    if not (given["steps"] or given["seconds"]):
        if given["method"] or given["lmbda"]:
            raise ValueError("--lof-method and --lof-lmbda are for a search: give --lof-steps or --lof-seconds too")
        return None
    from gllmm_jax.lof import Overfit

    return Overfit(**{name: value for name, value in given.items() if value})


def decompress(arguments: argparse.Namespace) -> int:
    """`.gllm` files -> pictures."""
    from gllmm_jax.container import container
    from gllmm_jax.errors import BitstreamError
    from gllmm_jax.picture import picture

    suffix = f".{arguments.format}" if arguments.format else ".png"
    todo = plan(arguments.inputs, arguments.output, suffix, wanted=_is_packed, force=arguments.force)
    codecs, limits = Codecs(arguments), {name: getattr(arguments, name) for name in ("max_pixels", "other_synthesis")}
    for pair in todo.pairs:
        _format(arguments, pair.output)
    if todo.many and todo.pairs and arguments.model:
        codecs.chosen()

    def work(pair: Pair, progress: Progress) -> Done:
        data = read_stream(pair.source)
        try:
            header, _ = container.unpack(data, max_pixels=arguments.max_pixels)
            codec = codecs.of(header)
            with codecs.room_for(header.height * header.width):
                image, report = codec.decode(data, **limits, progress=progress)
        except BitstreamError as error:
            raise BitstreamError(f"{pair.source}: {error}") from error
        shown = picture.encode(image, _format(arguments, pair.output))
        told = report._asdict() | {"seconds": {"load": codecs.seconds, **report.seconds}}
        facts = f"{report.width} x {report.height}"
        return Done(shown, len(data), len(shown), len(data), report.height * report.width, facts, told)

    return run(arguments, todo, work)


def _suffix(text: str) -> str:
    # an argument that says a format
    return text.removeprefix(".").lower()


_suffix.__name__ = "suffix"


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gllm"


def _format(arguments: argparse.Namespace, output: Path) -> str:
    """Pillow's name of the output's format: that of --format, or of its suffix. Raises `PictureError`."""
    from gllmm_jax.picture import picture

    if not arguments.format:
        return picture.format_of(output)
    kind = picture.format_of(f"picture.{arguments.format}")
    if output.suffix and picture.format_of(output) != kind:
        raise ValueError(f"{output} would be a {kind} file of another name: leave --format out, or let it end in "
                         f".{arguments.format}")  # fmt: skip
    return kind
