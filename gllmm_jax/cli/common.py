"""Parts that several commands share."""

import argparse
import contextlib
import functools
import gc
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

PROGRAM = "gllmm-jax"
FAILED = 2
STANDARD = Path("-")  # standard input, or standard output
DEBUG = "GLLMM_JAX_DEBUG"  # if it is set, errors show their origin

_EXPECTED = (ValueError, OSError, ImportError, FloatingPointError)  # errors raised on purpose, with a sentence
_PARAMETERS = "convert|max_pixels|into_rows|other_synthesis|force|model|quality|max_bytes|bpp|psnr"
_PARAMETER = re.compile(rf"(?<!\S)({_PARAMETERS})=(True)?")


def say(text: str) -> None:
    """Write one line on stderr."""
    if sys.stderr is not None:  # if it is closed, print would take stdout
        with contextlib.suppress(OSError):
            print(f"{PROGRAM}: {harmless(text)}", file=sys.stderr, flush=True)


def harmless(text: object) -> str:
    """Text of any file, for a terminal: control characters become Python's escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def sentence(error: Exception) -> str:
    """An error as one line. A parameter that the library names becomes its option, as in --convert."""
    if exhausted(error):
        return "out of memory"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:  # as the system words it
        return f"{os.fsdecode(error.filename)}: {error.strerror.lower()}"
    text = str(error).strip() or type(error).__name__
    if not _is_ours(error):  # errors of other libraries may have many lines; ours have one, with names of files in it
        text = next(iter(text.splitlines()))
    text = _PARAMETER.sub(lambda found: f"--{found[1]}".replace("_", "-") + ("" if found[2] else " "), text)
    if isinstance(error, _EXPECTED):
        return text
    return f"unexpected {type(error).__name__}: {text} ({DEBUG}=1 shows where)"


def _is_ours(error: Exception) -> bool:
    """Whether this package raised the error, and not another library."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(Path(__file__).parents[1])


def exhausted(error: Exception) -> bool:
    """Whether this machine or a device had too little memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def a_path(text: str) -> Path:
    """An argument that names a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file or folder is needed, and this one is empty")
    if text == "-":  # for other commands it is a pipe, and nobody wants a file of that name
        raise argparse.ArgumentTypeError("- is no file: give its name, or /dev/stdout for a pipe")
    return Path(text)


def a_name(text: str) -> str:
    """An argument that names a file or folder, or is -. The end of the name tells which."""
    return text if text == "-" else str(a_path(text)) + os.sep * text.endswith(("/", os.sep))


def add_command(commands: Any, name: str, about: str, run: Callable[[argparse.Namespace], Any]) -> Any:
    """The parser of a command. `run` takes the parsed arguments."""
    parser = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    parser.set_defaults(run=run)
    return parser


def uncollected(run: Callable[[argparse.Namespace], Any]) -> Callable[[argparse.Namespace], Any]:
    """The same command without garbage collection: a process that ends with its picture has nothing to collect."""

    @functools.wraps(run)
    def command(arguments: argparse.Namespace) -> Any:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return run(arguments)
        finally:
            if enabled:
                gc.enable()

    return command


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Adds `--convert`."""
    lossy = "bits beyond 8 a sample, CMYK, other profiles than sRGB, all frames but one"
    parser.add_argument("--convert", action="store_true", help=f"accept what loses something: {lossy}")


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds `--force`."""
    parser.add_argument("--force", action="store_true", help="replace files that are there already")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="report as JSON on stdout")


def add_model(parser: argparse.ArgumentParser, default: str | None, otherwise: str) -> None:
    """Adds `--model`. `otherwise` says what the command takes without it."""
    text = f"a model that `models` lists, or a weights file ({otherwise} unless given)"
    parser.add_argument("--model", default=default, action=_Once, metavar="NAME|FILE", help=text)


class _Once(argparse.Action):
    """An option that may come once: a second value would silently replace the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, *_: Any) -> None:
        if getattr(namespace, f"{self.dest}_given", False):
            raise argparse.ArgumentError(self, "one is taken, and two are given")
        setattr(namespace, self.dest, value)
        setattr(namespace, f"{self.dest}_given", True)


def add_placement(parser: argparse.ArgumentParser) -> None:
    """Adds `--transforms` and `--entropy`."""
    text = "devices, as in cpu, gpu, or cpu:1 of several; each reads the files of every other"
    group = parser.add_argument_group("where it runs", text)
    group.add_argument("--transforms", metavar="DEVICE", help="of the networks; JAX's default device unless given")
    group.add_argument("--entropy", metavar="DEVICE", help="of the entropy coding; the host's processor unless given")


def placement(arguments: argparse.Namespace) -> dict[str, str | None]:
    """The devices of these options, as arguments of `codec.load`."""
    return {name: getattr(arguments, name) for name in ("transforms", "entropy")}


def add_qualities(parser: argparse.ArgumentParser) -> None:
    """Adds `--quality`, one or several."""
    text = "one or several, each from 0 to 100, of a model with a variable rate (its own unless given)"
    parser.add_argument("--quality", type=quality, nargs="+", default=[None], metavar="Q", help=text)


def quality(text: str) -> float:
    """An argument that is a number from 0 to 100."""
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 100")
    return value


def positive(text: str) -> int:
    """An argument that is a whole number above zero."""
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def whole(text: str) -> int:
    """An argument that is a whole number, 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def positive_number(text: str) -> float:
    """An argument that is a finite number above zero."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above zero and finite")
    return value


positive_number.__name__ = quality.__name__ = "number"
positive.__name__ = whole.__name__ = "whole number"  # argparse: "invalid whole number value: 'x'"


def print_json(report: Any, *, file: TextIO | None = None) -> None:
    """Print one JSON value, on stdout unless a `file` is given."""
    print(json.dumps(report), file=file)


def beside(output: Path) -> TextIO:
    """The stream for a report about a written file: stdout, or stderr if the file is stdout (-, /dev/stdout)."""
    if output == STANDARD:
        return sys.stderr
    try:
        taken = os.path.samestat(os.stat(output), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # stdout has no descriptor
        taken = False
    return sys.stderr if taken else sys.stdout


def standard_output() -> BinaryIO:
    """Standard output for bytes. Raises `ValueError` if it is a terminal."""
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal: send it to a file or into a pipe, or name a file with -o")
    return sys.stdout.buffer


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read; - is standard input. Raises `ValueError` with a sentence for any refusal of the system inside."""
    if path == STANDARD:
        if sys.stdin is None:
            raise ValueError("standard input is closed")
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise ValueError(f"{path} is a folder, not a file") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def read_stream(path: Path) -> bytes:
    """The bytes of a `.gllm` file, at most as many as it announces. Raises `ValueError` with a sentence."""
    from gllmm_jax.container import container
    from gllmm_jax.errors import BitstreamError

    try:
        with opened(path) as file:
            return container.read(file)
    except BitstreamError as error:
        raise BitstreamError(f"{path}: {error}") from error


def check_suffix(output: Path) -> None:
    """Raises `ValueError` if a compressed picture would look like a file of another format."""
    if output.suffix.lower() not in (".gllm", "") and (output.is_file() or not output.exists()):
        raise ValueError(f"{output} would be a .gllm file of another name: let it end in .gllm")
