"""`import` and `networks`: weights from other programs, and networks for other programs."""

import argparse
from pathlib import Path
from typing import Any

from gllmm_jax import cache, files, zoo
from gllmm_jax.cli.codecs import judge
from gllmm_jax.cli.common import (
    a_path,
    add_command,
    add_force,
    add_model,
    harmless,
    positive,
    positive_number,
    quality,
    say,
)
from gllmm_jax.cli.learn import CALIBRATION_CROP, CALIBRATION_PICTURES
from gllmm_jax.cli.runs import SOME_FAILED

SIZE = (512, 768)
"""Size of a picture in pixels, for programs that need one if none is given."""


def add_commands(commands: Any) -> None:
    """Adds both commands and their arguments."""
    parser = add_command(commands, "import", "weights of another program become a weights file", import_)
    parser.add_argument(
        "format",
        choices=("compressai", "gllmm"),
        help="the program that wrote them: CompressAI, or the code of GLLMM's authors",
    )
    parser.add_argument(
        "checkpoint",
        type=a_path,
        metavar="CHECKPOINT",
        help="a file of torch.save, as .pth.tar; of gllmm a prefix, as model.ckpt-1500001, or a folder",
    )
    text = "CompressAI's name of it, as cheng2020-anchor; of gllmm it is found out, unless given, as gllmm-128"
    parser.add_argument("--model", metavar="NAME", help=text)
    parser.add_argument("-o", "--output", type=a_path, metavar="FILE", required=True, help="an .npz file")
    parser.add_argument("--name", help="the model's name, which its .gllm files carry (that of FILE unless given)")
    text = "photographs to calibrate on (those of scikit-image unless given)"
    parser.add_argument("--calibrate", type=a_path, metavar="DIR", help=text)
    text = "what it was trained for, on the 0..255 scale of the error: latent overfitting asks for it"
    parser.add_argument("--lmbda", type=positive_number, metavar="L", help=text)
    add_force(parser)

    about = "networks of a model as programs that need nothing of this package: StableHLO or ONNX"
    parser = add_command(commands, "networks", about, networks)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = "of one network; all that the model has unless given, one option each"
    parser.add_argument("--network", action="append", metavar="NAME", dest="names", help=text)
    parser.add_argument("-o", "--output", type=a_path, metavar="DIR", required=True, help="a folder, which is made")
    add_force(parser)
    text = "from 0 to 100, of a model with a variable rate (50 unless given)"
    parser.add_argument("--quality", type=quality, metavar="Q", help=text)
    text = "stablehlo for jax.export (any size of picture, where the network can have it), or onnx (one size)"
    parser.add_argument("--format", choices=("stablehlo", "onnx"), default="stablehlo", help=text)
    text = f"of the pictures, multiples of 64; any, or {SIZE[0]} {SIZE[1]} where a program needs one, unless given"
    parser.add_argument("--size", type=positive, nargs=2, metavar=("HEIGHT", "WIDTH"), help=text)


def networks(arguments: argparse.Namespace) -> int:
    """A model -> a file for each of its networks."""
    from gllmm_jax.codec.quality import DEFAULT, index_of
    from gllmm_jax.foreign import networks

    weights = zoo.read(arguments.model, judge=judge)
    if arguments.quality is not None and weights.config.rate is None:
        raise ValueError(f"{weights.name} has one quality: leave --quality out")
    params = networks.of_quality(weights, index_of(DEFAULT if arguments.quality is None else arguments.quality))
    known = networks.networks(weights.config)
    for name in arguments.names or known:
        if name not in known:
            raise ValueError(f"{weights.name} has no network '{name}': there are {', '.join(known)}")
    failed = 0
    for name in arguments.names or known:
        size = arguments.size and tuple(arguments.size)
        if arguments.format == "onnx" or not networks.takes_any_size(weights.config, name):
            size = size or SIZE
        output = arguments.output / f"{name}.{arguments.format}"
        files.check_free(output, force=arguments.force)
        try:
            if arguments.format == "onnx":
                data = networks.onnx(weights.config, params, name, size=size or SIZE)
            else:
                data = networks.stablehlo(weights.config, params, name, size=size)
        except ValueError as error:  # the others may do
            say(str(error))
            failed += 1
            continue
        files.make_folder(arguments.output)
        files.write(output, data)
        pictures = "pictures of any size" if size is None else f"a picture of {size[1]} x {size[0]}"
        print(f"{harmless(output)}: {len(data):,} bytes, for {pictures}")
    return SOME_FAILED if failed else 0


def import_(arguments: argparse.Namespace) -> None:
    """Checkpoint of another program -> weights file."""
    from gllmm_jax.codec.export import make_weights
    from gllmm_jax.foreign import compressai, gllmm

    cache.enable()
    files.check_free(arguments.output, force=arguments.force)
    name = zoo.check_name(arguments.name or arguments.output.stem)
    if arguments.format == "gllmm":
        config, params = gllmm.read(arguments.checkpoint, arguments.model)
        provenance = {"source": "the authors of GLLMM", "model": config.preset, "file": arguments.checkpoint.name}
    else:
        if arguments.model is None:
            raise ValueError(f"import compressai needs --model: choose one of {', '.join(compressai.MODELS)}")
        config, params = compressai.read(arguments.checkpoint, arguments.model)
        provenance = {"source": "CompressAI", "model": arguments.model, "file": arguments.checkpoint.name}
    if arguments.lmbda:
        provenance["lmbda"] = arguments.lmbda
    pictures = _calibration(arguments.calibrate)
    zoo.save(arguments.output, make_weights(name, config, params, pictures, provenance, short=False))
    print(f"{harmless(arguments.output)}: {name}, {arguments.output.stat().st_size:,} bytes")


def _calibration(folder: Path | None) -> list[Any]:
    from gllmm_jax.data.batches import validation_images
    from gllmm_jax.data.photographs import items
    from gllmm_jax.evaluate.demo import PHOTOGRAPHS, photograph

    if folder is not None:
        return list(validation_images(items(folder), crop=CALIBRATION_CROP, limit=CALIBRATION_PICTURES))
    corners = [(top, left) for top in (0, 40) for left in (0, 190)]
    whole = [photograph(name) for name in PHOTOGRAPHS]
    return [image[top:][:CALIBRATION_CROP, left:][:, :CALIBRATION_CROP] for image in whole for top, left in corners]
