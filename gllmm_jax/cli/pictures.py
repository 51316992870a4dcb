"""`compress` and `decompress`."""

import argparse
import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gllmm_jax import files, zoo
from gllmm_jax.cli.codecs import Codecs
from gllmm_jax.cli.common import (
    STANDARD,
    add_command,
    add_convert,
    add_json,
    add_model,
    add_placement,
    check_suffix,
    opened,
    read_stream,
    say,
    uncollected,
)
from gllmm_jax.cli.options import (
    add_files,
    add_lof,
    add_max_memory,
    add_max_pixels,
    add_view,
    add_wish,
    percent,
    suffix,
)
from gllmm_jax.cli.pairs import Pair, plan
from gllmm_jax.cli.progress import Bar
from gllmm_jax.cli.runs import Done, run
from gllmm_jax.container.container import CODERS

if TYPE_CHECKING:
    from gllmm_jax.lof import Overfit
    from gllmm_jax.picture.carried import Picture

BYTES_A_PIXEL, BESIDE_PIXELS = 8, 1 << 26
"""Bytes that standard input may have for each pixel of --max-pixels, as with four channels of 16 bits, and beside."""

FEW_COLOURS = ("1", "P")
"""Pillow's modes for bilevel pictures and palettes."""


def add_commands(commands: Any) -> None:
    """Adds both commands and their arguments."""
    parser = add_command(commands, "compress", "pictures become .gllm files", uncollected(compress))
    add_files(parser, "any picture Pillow reads", ".png", "a .gllm file")
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = f"{CODERS[0]} unless given; tfc is TensorFlow-Compression's and needs the extra of that name at both ends"
    parser.add_argument("--coder", choices=CODERS, default=CODERS[0], help=text)
    add_wish(parser)
    add_convert(parser)
    text = "leave EXIF, XMP and colour profile out; otherwise they are kept, as transparency is"
    parser.add_argument("--strip", action="store_true", help=text)
    add_max_pixels(parser)
    add_lof(parser)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)

    parser = add_command(commands, "decompress", ".gllm files become pictures", uncollected(decompress))
    add_files(parser, "a .gllm file", ".gllm", "a picture, whose suffix says the format")
    what = "of the pictures, as in jpg or webp (what the suffix of OUT says, png unless given)"
    parser.add_argument("--format", type=suffix, metavar="SUFFIX", help=what)
    add_model(parser, None, f"the one the file needs, of the installed ones and those in the folders of ${zoo.PLACES},")
    text = "accept weights that read the file but show another picture than those it was made with"
    parser.add_argument("--other-synthesis", action="store_true", help=text)
    text = "of JPEG, WebP and AVIF pictures, 1 to 100 (unless given: 95, WebP without loss)"
    parser.add_argument("--output-quality", type=percent, metavar="Q", help=text)
    add_view(parser)
    add_max_pixels(parser)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)


def compress(arguments: argparse.Namespace) -> int:
    """Pictures -> `.gllm` files."""
    from gllmm_jax import transcode
    from gllmm_jax.codec.wish import Wish
    from gllmm_jax.picture import formats

    todo = plan(arguments.inputs, arguments.output, ".gllm", wanted=formats.is_picture, force=arguments.force)
    refine, codecs = _refinement(arguments), Codecs(arguments)
    options: dict[str, Any] = {name: getattr(arguments, name) for name in Wish._fields}
    options |= {"estimate": arguments.json, "coder": arguments.coder, "refine": refine, "strip": arguments.strip}
    if not todo.many:
        check_suffix(todo.pairs[0].output)
    elif todo.pairs:
        codecs.chosen()  # a missing model is reported once

    def work(pair: Pair, bar: Bar) -> Done:
        image, size = _read(pair.source, convert=arguments.convert, max_pixels=arguments.max_pixels)
        codec, (height, width) = codecs.chosen(), image.pixels.shape[:2]
        with codecs.room_for(height * width):
            data, report = transcode.encode(codec, image, warn=_lines(pair.source, bar), **options, progress=bar)
        if image.mode in FEW_COLOURS and len(data) > size:
            grown = f"it grows from {size:,} to {len(data):,} bytes: drawings of few colours are smaller as PNG"
            _lines(pair.source, bar)(grown)
        facts = f"{width} x {height}, {report.bytes:,} bytes, {report.bpp:.3f} bits a pixel"
        if report.quality is not None:
            facts += f", quality {report.quality:g}"
        if report.psnr is not None:
            facts += f", {report.psnr:.2f} dB"
        facts += _gain(report.refined)
        told = report._asdict() | {"seconds": {"load": codecs.seconds, **report.seconds}}
        return Done(data, size, len(data), len(data), height * width, facts, told)

    return run(arguments, todo, work)


def _lines(source: Path, bar: Bar) -> Callable[[str], object]:
    """A function that takes a sentence about a file and says it."""
    return lambda text: bar.between(lambda: say(f"{source}: {text}"))


def _read(source: Path, **options: Any) -> "tuple[Picture, int]":
    """A picture, and the size of its file in bytes."""
    from gllmm_jax.picture import picture

    if source != STANDARD:
        return picture.load(source, **options), os.path.getsize(source)
    most = BYTES_A_PIXEL * options["max_pixels"] + BESIDE_PIXELS
    with opened(source) as stream:
        data = files.read_at_most(stream, most + 1)
    if len(data) > most:
        raise ValueError(f"standard input has more than {most:,} bytes, which a picture of --max-pixels does not need")
    return picture.load("standard input", file=io.BytesIO(data), **options), len(data)


def _gain(refined: dict[str, float] | None) -> str:
    if refined is None:
        return ""
    bits = 100 * (refined["bpp_after"] / refined["bpp_before"] - 1)
    mse = refined["mse_before"], refined["mse_after"]
    decibels = f", {10 * math.log10(mse[0] / mse[1]):+.2f} dB" if min(mse) > 0 else ""
    return f" ({bits:+.1f} % bits{decibels} by {refined['rounds']} rounds of search)"


def _refinement(arguments: argparse.Namespace) -> "Overfit | None":
    """The options of latent overfitting. Raises `ValueError` if they make no sense."""
    given = {name: getattr(arguments, f"lof_{name}") for name in ("steps", "seconds", "method", "lmbda")}
    if not (arguments.effort or given["steps"] or given["seconds"]):
        if given["method"] or given["lmbda"]:
            raise ValueError("--lof-method and --lof-lmbda are for a search: give --effort too")
        return None
    from gllmm_jax.lof import EFFORTS, Overfit

    given["steps"] = given["steps"] or EFFORTS.get(arguments.effort)
    return Overfit(**{name: value for name, value in given.items() if value})


def decompress(arguments: argparse.Namespace) -> int:
    """`.gllm` files -> pictures."""
    from gllmm_jax.container import container
    from gllmm_jax.errors import BitstreamError
    from gllmm_jax.picture import formats

    ending = f".{arguments.format}" if arguments.format else ".png"
    todo = plan(arguments.inputs, arguments.output, ending, wanted=_is_packed, force=arguments.force)
    codecs, names = Codecs(arguments), ("crop", "scale", "max_pixels", "other_synthesis")
    options = {name: getattr(arguments, name) for name in names}
    for pair in todo.pairs:
        formats.check_quality(_format(arguments, pair.output), arguments.output_quality)
    if todo.many and todo.pairs and arguments.model:
        codecs.chosen()

    def work(pair: Pair, bar: Bar) -> Done:
        data, warn = read_stream(pair.source), _lines(pair.source, bar)
        try:
            header, _ = container.unpack(data, max_pixels=arguments.max_pixels)
            codec = codecs.of(header)
            from gllmm_jax import transcode  # after the weights, which are read during the import of JAX

            with codecs.room_for(header.height * header.width):
                image, report = transcode.decode(codec, data, warn=warn, **options, progress=bar)
        except BitstreamError as error:
            raise BitstreamError(f"{pair.source}: {error}") from error
        kind = _format(arguments, pair.output)
        shown = formats.encode(image, kind, quality=arguments.output_quality, warn=warn)
        told = report._asdict() | {"seconds": {"load": codecs.seconds, **report.seconds}}
        facts = f"{report.width} x {report.height}"
        return Done(shown, len(data), len(shown), len(data), header.height * header.width, facts, told)

    return run(arguments, todo, work)


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gllm"


def _format(arguments: argparse.Namespace, output: Path) -> str:
    """Pillow's name of the output's format, from --format or the suffix. Raises `PictureError`."""
    from gllmm_jax.picture import formats

    if not arguments.format:
        return formats.format_of(output)
    kind = formats.format_of(f"picture.{arguments.format}")
    if output.suffix and formats.format_of(output) != kind:
        ending = f"leave --format out, or let it end in .{arguments.format}"
        raise ValueError(f"{output} would be a {kind} file of another name: {ending}")
    return kind
