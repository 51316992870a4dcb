"""`compress` and `decompress`."""

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gllmm_jax import files, zoo
from gllmm_jax.cli import cache
from gllmm_jax.cli.common import (
    a_path,
    add_command,
    add_convert,
    add_json,
    add_model,
    add_placement,
    beside,
    check_apart,
    check_suffix,
    free_beside,
    harmless,
    placement,
    positive,
    positive_number,
    print_json,
    quality,
    read_stream,
    uncollected,
    whole,
)
from gllmm_jax.cli.memory import add_max_memory
from gllmm_jax.cli.progress import bar
from gllmm_jax.codec.quality import DEFAULT
from gllmm_jax.config import Search
from gllmm_jax.container.container import CODERS, MAX_PIXELS

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec
    from gllmm_jax.container.header import Header
    from gllmm_jax.lof import Overfit


def add_commands(commands: Any) -> None:
    """Both commands' arguments."""
    parser = add_command(commands, "compress", "a picture becomes a .gllm file", uncollected(compress))
    parser.add_argument("input", type=a_path, metavar="IN", help="any picture Pillow reads")
    parser.add_argument(
        "-o", "--output", type=a_path, metavar="OUT", help="a .gllm file; IN with that suffix unless given"
    )
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = f"{CODERS[0]} unless given; tfc is TensorFlow-Compression's and needs the extra of that name at both ends"
    parser.add_argument("--coder", choices=CODERS, default=CODERS[0], help=text)
    add_wish(parser)
    add_convert(parser)
    add_lof(parser)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)

    parser = add_command(commands, "decompress", "a .gllm file becomes a picture", uncollected(decompress))
    parser.add_argument("input", type=a_path, metavar="IN", help="a .gllm file")
    which = "its suffix says the format; IN with the suffix .png unless given"
    parser.add_argument("-o", "--output", type=a_path, metavar="OUT", help=which)
    add_model(parser, None, f"the one the file needs, of the installed ones and those in the folders of ${zoo.PLACES},")
    text = "accept weights that read the file but show another picture than those it was made with"
    parser.add_argument("--other-synthesis", action="store_true", help=text)
    limit = f"accept pictures of up to N pixels ({MAX_PIXELS:,} unless given)"
    parser.add_argument("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N", help=limit)
    add_placement(parser)
    add_max_memory(parser)
    add_json(parser)


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


def compress(arguments: argparse.Namespace) -> None:
    """Picture -> `.gllm`."""
    from gllmm_jax.codec.wish import Wish
    from gllmm_jax.picture import picture

    image = picture.read(arguments.input, convert=arguments.convert)
    output = arguments.output or free_beside(arguments.input, ".gllm")
    check_suffix(output)
    check_apart(arguments.input, output)
    with bar() as progress:
        codec, seconds = _load(arguments.model, **placement(arguments))
        wish = {name: getattr(arguments, name) for name in Wish._fields}
        options = {"estimate": arguments.json, "coder": arguments.coder, "refine": _refinement(arguments)}
        data, report = codec.encode(image, **wish, **options, progress=progress)
    files.write(output, data)
    if arguments.json:
        print_json(report._asdict() | {"seconds": {"load": seconds, **report.seconds}}, file=beside(output))
    else:
        facts = f"{report.width} x {report.height}, {report.bytes:,} bytes, {report.bpp:.3f} bits a pixel"
        if report.quality is not None:
            facts += f", quality {report.quality:g}"
        print(f"{harmless(output)}: {facts}{_gain(report.refined)}", file=beside(output))


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


def decompress(arguments: argparse.Namespace) -> None:
    """`.gllm` -> picture."""
    from gllmm_jax.container import container
    from gllmm_jax.errors import BitstreamError
    from gllmm_jax.picture import picture

    data = read_stream(arguments.input)
    output = arguments.output or free_beside(arguments.input, ".png")
    picture.format_of(output)
    check_apart(arguments.input, output)
    try:
        header, _ = container.unpack(data, max_pixels=arguments.max_pixels)
        with bar() as progress:
            codec, seconds = _load_for(header, arguments)
            limits = {name: getattr(arguments, name) for name in ("max_pixels", "other_synthesis")}
            image, report = codec.decode(data, **limits, progress=progress)
    except BitstreamError as error:
        raise BitstreamError(f"{arguments.input}: {error}") from error
    picture.write(output, image)
    if arguments.json:
        print_json(report._asdict() | {"seconds": {"load": seconds, **report.seconds}}, file=beside(output))
    else:
        print(f"{harmless(output)}: {report.width} x {report.height}", file=beside(output))


def _load(model: str | Path, **places: str | None) -> "tuple[Codec, float]":
    """The codec and the seconds until it was there."""
    start = time.perf_counter()
    with ThreadPoolExecutor() as pool:  # unpacking takes as long as importing JAX does
        weights = pool.submit(zoo.read, model)
        cache.enable()
        from gllmm_jax.codec.codec import load

        return load(weights.result(), **places), round(time.perf_counter() - start, 4)


def _load_for(header: "Header", arguments: argparse.Namespace) -> "tuple[Codec, float]":
    """The codec that was asked for, or the one that the file needs, and the seconds until it was there."""
    if arguments.model:
        return _load(arguments.model, **placement(arguments))
    start = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        likely = {path: pool.submit(zoo.read, path) for path in zoo.candidates(header.model)[:1]}
        cache.enable()
        from gllmm_jax.codec.codec import load
        from gllmm_jax.codec.find import codec_for

        def ready(path: Path) -> "Codec":
            return load(likely[path].result() if path in likely else path, **placement(arguments))

        codec = codec_for(header, other_synthesis=arguments.other_synthesis, load=ready)
    return codec, round(time.perf_counter() - start, 4)
