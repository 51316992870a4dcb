"""`models` and `info`."""

import argparse
from pathlib import Path
from typing import Any

from gllmm_jax import zoo
from gllmm_jax.cli.common import a_path, add_command, add_json, harmless, opened, print_json, read_stream, say
from gllmm_jax.cli.options import add_max_memory


def add_commands(commands: Any) -> None:
    """Both commands' arguments."""
    about = f"list the installed models and those in the folders of ${zoo.PLACES}"
    parser = add_command(commands, "models", about, models)
    add_json(parser)

    parser = add_command(commands, "info", "what a .gllm file, a weights file or a model says of itself", info)
    what = "a file, told by its content and not its name, or the name of a model that `models` lists"
    parser.add_argument("file", type=a_path, metavar="FILE|MODEL", help=what)
    add_max_memory(parser)
    add_json(parser)


def models(arguments: argparse.Namespace) -> None:
    """The models there are, the default one marked. A file that is no weights file is named and passed over."""
    rows = []
    for name in zoo.names():
        try:
            rows.append(_weights_facts(zoo.locate(name)) | {"default": name == zoo.DEFAULT})
        except zoo.WeightsError as error:
            say(str(error))
    if arguments.json:
        print_json(rows)
        return
    for row in rows:
        mark = "  (default)" if row["default"] else ""
        print(f"{row['model']:20} {row['parameters']:>12,} parameters {row['bytes']:>12,} bytes{mark}")
    if not rows:
        print("no models are installed")


def info(arguments: argparse.Namespace) -> None:
    """Facts of one file, by its content and not its name, or of a model by its name."""
    path = arguments.file
    if str(path) in zoo.names() and not path.exists():
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
    weights = zoo.read(path)
    return {
        "kind": "weights",
        "format": zoo.FORMAT,
        "bytes": path.stat().st_size,
        "model": weights.name,
        "parameters": zoo.count(weights.params),
        "config": weights.config.to_dict(),
        "provenance": dict(weights.provenance),
    }
