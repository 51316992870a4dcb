"""`models`, `info`, `cost` and `explain`."""

import argparse
import json
from pathlib import Path
from typing import Any

from gllmm_jax import cache, zoo
from gllmm_jax.cli.codecs import judge
from gllmm_jax.cli.common import (
    a_path,
    add_command,
    add_convert,
    add_force,
    add_json,
    add_model,
    add_placement,
    harmless,
    opened,
    placement,
    positive,
    print_json,
    quality,
    read_stream,
    say,
    whole,
)
from gllmm_jax.cli.options import add_max_memory
from gllmm_jax.cli.pairs import check_png
from gllmm_jax.cli.progress import bar
from gllmm_jax.files import check_free
from gllmm_jax.presets import PRESETS

MEASURED = "measured.json"
"""File beside the installed weights, with measured facts that no weights file holds."""


def add_commands(commands: Any) -> None:
    """Adds the commands and their arguments."""
    about = f"list the installed models and those in the folders of ${zoo.PLACES}"
    parser = add_command(commands, "models", about, models)
    add_json(parser)

    parser = add_command(commands, "info", "what a .gllm file, a weights file or a model says of itself", info)
    what = "a file, told by its content and not its name, or the name of a model that `models` lists"
    parser.add_argument("file", type=a_path, metavar="FILE|MODEL", help=what)
    add_max_memory(parser)
    add_json(parser)

    about = "multiplications, parameters and seconds of models, stage by stage"
    parser = add_command(commands, "cost", about, cost)
    what = "a model that `models` lists, a weights file, or a preset, which has no seconds"
    parser.add_argument("models", nargs="*", default=[zoo.DEFAULT], metavar="MODEL", help=f"{what} (%(default)s)")
    what = "of the picture, in pixels (512 768 unless given)"
    parser.add_argument("--size", type=positive, nargs=2, default=[512, 768], metavar=("HEIGHT", "WIDTH"), help=what)
    text = "calls whose median the seconds are, after one that compiles; 0: none are timed"
    parser.add_argument("--repeats", type=whole, default=3, metavar="N", help=text)
    add_placement(parser)
    add_json(parser)

    parser = add_command(commands, "explain", "where the bits of one picture go, and which family says so", explain)
    parser.add_argument("image", type=a_path, metavar="IN", help="any picture Pillow reads")
    text = "a map of bits beside the picture, as a PNG file"
    parser.add_argument("-o", "--output", type=a_path, metavar="PNG", help=text)
    text = "of every latent its value, bits, mixture and the shares of the families, as NumPy's arrays"
    parser.add_argument("--arrays", type=a_path, metavar="NPZ", help=text)
    add_force(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = "from 0 to 100, of a model with a variable rate (its own unless given)"
    parser.add_argument("--quality", type=quality, metavar="Q", help=text)
    add_convert(parser)
    add_json(parser)


def models(arguments: argparse.Namespace) -> None:
    """Lists the models, and marks the default one. Files that are no weights files are named and passed over."""
    rows = []
    for name in zoo.names():
        try:
            rows.append(_weights_facts(zoo.locate(name)) | {"default": name == zoo.DEFAULT})
        except zoo.WeightsError as error:
            say(str(error))
    if arguments.json:
        print_json(rows)
        return
    for line in _table(rows):
        print(harmless(line))


def _table(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["no models are installed"]
    lines = [("model", "serves", "bits a pixel", "PSNR in dB", "parameters", "bytes", "licence")]
    for row in rows:
        bpp = _range([point["bpp"] for point in row["kodak"]], ".2f")
        psnr = _range([point["psnr"] for point in row["kodak"]], ".1f")
        facts = bpp, psnr, f"{row['parameters']:,}", f"{row['bytes']:,}", row["licence"] or "?"
        lines.append((row["model"] + " *" * row["default"], row["serves"], *facts))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return [*shown, "* is the default. Rates and PSNR are means over the 24 Kodak pictures."]


def _range(values: list[float], form: str) -> str:
    ends = dict.fromkeys(format(value, form) for value in (min(values), max(values))) if values else ["?"]
    return " to ".join(ends)


def info(arguments: argparse.Namespace) -> None:
    """Facts of one file, by its content and not its name; or facts of a model by its name."""
    path = arguments.file
    if not path.exists() and str(path) in {*zoo.names(), *PRESETS}:  # for a preset it says how to train it
        path = zoo.locate(str(path))
    with opened(path) as file:
        archive = path.is_file() and file.read(4) == b"PK\x03\x04"
    facts = _weights_facts(path) if archive else _stream_facts(path, read_stream(path))
    if arguments.json:
        print_json(facts)
        return
    for key, value in facts.items():
        values = value.items() if isinstance(value, dict) else [("", value)]
        for inner, shown in values:
            print(f"{harmless(f'{key}.{inner}' if inner else key):26} {harmless(shown)}")


def cost(arguments: argparse.Namespace) -> None:
    """The four stages of each model: networks, kMAC a pixel, seconds; its parameters and rounds."""
    cache.enable()
    from gllmm_jax.codec.codec import load
    from gllmm_jax.evaluate import cost as costs

    reports = []
    for name in arguments.models:
        size = arguments.size[0], arguments.size[1]
        if name in PRESETS and name not in zoo.names():
            config, seconds = PRESETS[name], None
        elif arguments.repeats:
            codec = load(name, **placement(arguments))
            config, seconds = codec.config, costs.timed(codec, costs.stand_in(*size), arguments.repeats)
        else:
            config, seconds = zoo.read(name, judge=judge).config, None
        stages = [stage._asdict() for stage in costs.stages(config, seconds)]
        numbers = {"parameters": sum(costs.parameters(config).values()), "rounds": costs.rounds(config, size)}
        reports.append({"model": str(name), "height": size[0], "width": size[1], **numbers, "stages": stages})
        if not arguments.json:
            print("\n" * (len(reports) > 1) + costs.table(reports[-1]), flush=True)
    if arguments.json:
        print_json(reports)


def explain(arguments: argparse.Namespace) -> None:
    """Bits of latents and hyper-latents, and shares of the families; also a map and the arrays if asked for."""
    outputs = [path for path in (arguments.output, arguments.arrays) if path is not None]
    if arguments.output is not None:
        check_png(arguments.output, force=arguments.force)
    if arguments.arrays is not None:
        check_free(arguments.arrays, force=arguments.force)
    cache.enable()
    from gllmm_jax.codec.codec import load
    from gllmm_jax.evaluate import explain as explaining
    from gllmm_jax.picture import picture

    codec, image = load(arguments.model), picture.read(arguments.image, convert=arguments.convert)
    codec = codec if arguments.quality is None else codec.at(arguments.quality)
    with bar("explaining"):
        found = explaining.explain(codec, image)
    if arguments.output is not None:
        from gllmm_jax.evaluate import plots

        stride, named = codec.config.stride, {"bits": found.bits_by_position()}
        unit, title = f"bits of each {stride} x {stride} pixels", harmless(arguments.image.name)
        figure = plots.maps(image, named, unit=unit, stride=stride, title=title)
        plots.save(figure, arguments.output)
    if arguments.arrays is not None:
        explaining.save(arguments.arrays, found)
    facts = explaining.summary(found) | {"model": codec.name, "quality": codec.quality}
    facts["bpp"] = facts["bits"] / (image.shape[0] * image.shape[1])
    if arguments.json:
        print_json(facts)
        return
    for name, value in facts["parts"].items():
        print(f"{name:13} {value:12,.0f} bits {100 * value / facts['bits']:5.1f} %")
    level = "" if codec.quality is None else f" at quality {codec.quality:g}"
    print(f"{'together':13} {facts['bits']:12,.0f} bits, {facts['bpp']:.3f} a pixel, by {codec.name}{level}")
    for family, share in facts["families"].items():
        print(f"{family:13} has {100 * share:4.1f} % of the probability of what occurred, weighted by its bits")
    for path in outputs:
        print(f"{harmless(path)} is written")


def _stream_facts(path: Path, data: bytes) -> dict[str, Any]:
    from gllmm_jax.codec.find import codec_for
    from gllmm_jax.codec.fingerprint import of_header
    from gllmm_jax.codec.quality import quality_of
    from gllmm_jax.container import container
    from gllmm_jax.errors import BitstreamError

    try:
        header, stream = container.unpack(data, max_pixels=None)
    except BitstreamError as error:
        raise BitstreamError(f"{path}: {error}") from error
    try:
        found = codec_for(header).name
    except BitstreamError:
        found = None
    return {
        "kind": "picture",
        "format": container.version(data),
        "arithmetic": header.arithmetic,
        "bytes": len(data),
        "bpp": 8 * len(data) / (header.height * header.width),
        "model": header.model,
        "fingerprint": str(of_header(header)),
        "height": header.height,
        "width": header.width,
        "colour": header.colour,
        "coder": header.coder,
        "quality": None if header.quality is None else quality_of(header.quality),
        "latents_crc32": header.latents_crc32,
        "chunks": {name: len(content) for name, content in header.chunks.items()},
        "stream_bytes": len(stream),
        "found": found,
    }


def _weights_facts(path: Path) -> dict[str, Any]:
    weights = zoo.read(path, judge=judge)
    rate, lmbda = weights.config.rate, weights.provenance.get("lmbda")
    serves = "one quality" if lmbda is None else f"lambda {lmbda}"
    if rate is not None:
        serves = f"qualities 0 to 100, lambda {rate.lowest:g} to {rate.highest:g}"
    return {
        "kind": "weights",
        "format": zoo.FORMAT,
        "bytes": path.stat().st_size,
        "model": weights.name,
        "parameters": zoo.count(weights.params),
        "serves": serves,
        **_measured(path),
        "config": weights.config.to_dict(),
        "provenance": dict(weights.provenance),
    }


def _measured(path: Path) -> dict[str, Any]:
    """Licence of weights, and rates and PSNR by quality, if the weights came with the package."""
    known = zoo.FOLDER / MEASURED
    found = json.loads(known.read_text()) if path.parent == zoo.FOLDER and known.exists() else {}
    return {"licence": None, "kodak": []} | found.get(path.stem, {})
