"""The command `gllmm-jax`. An error is one line on stderr and exit status 2. GLLMM_JAX_DEBUG=1 shows its origin."""

import argparse
import contextlib
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from gllmm_jax import __version__, zoo
from gllmm_jax.cli import corpus, foreign, learn, measure, models, pictures
from gllmm_jax.cli.common import DEBUG, FAILED, PROGRAM, harmless, say, sentence
from gllmm_jax.cli.options import limited

EXAMPLES = {
    "": ["compress photograph.png", "decompress photograph.gllm", "compress --help"],
    "compress": [
        "compress photograph.png",
        "compress photographs -o packed",
        "compress photograph.png --max-bytes 20000 -o mail.gllm",
    ],
    "decompress": [
        "decompress photograph.gllm -o back.png",
        "decompress packed -o back --format jpg --output-quality 90",
        "decompress photograph.gllm -o part.png --crop 100,50,640,480",
    ],
    "models": ["models"],
    "info": ["info photograph.gllm", f"info {zoo.DEFAULT}"],
    "train": ["train --data photographs --preset light --lmbda 0.013 --minutes 120 --workdir run"],
    "export": ["export run -o my-light.npz --name my-light"],
    "import": [
        "import compressai mbt2018-mean-3.pth.tar --model mbt2018-mean -o mbt2018-mean-3.npz",
        "import compressai mine.pth.tar --model cheng2020-anchor --calibrate photographs -o mine.npz",
    ],
    "networks": ["networks -o networks", "networks --format onnx --network synthesis --size 512 768 -o networks"],
    "evaluate": [
        "evaluate photograph.png --quality 25 50 75",
        "evaluate photographs --quality 10 50 90 --against webp,avif-4:2:0 --rows measured.csv",
    ],
    "report": ["report measured.csv", "report measured.csv photographs --beside webp -o report.html"],
    "explain": ["explain photograph.png -o map.png"],
    "corpus": [
        "corpus compress photographs packed --quality 50",
        "corpus compress s3://photographs s3://packed --ray auto",
        "corpus verify packed",
        "corpus evaluate photographs packed",
    ],
    "corpus compress": ["corpus compress photographs packed --quality 50", "corpus compress rows packed --into-rows"],
    "corpus verify": ["corpus verify packed"],
    "corpus evaluate": ["corpus evaluate photographs packed"],
    "cost": [f"cost {zoo.DEFAULT} gllmm-128"],
    "demo": ["demo -o demo"],
}
"""Example command lines by command, which end the help of the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command -> exit status."""
    try:
        parser = command_line()
        if not (sys.argv[1:] if argv is None else argv):
            parser.print_help()
            return 0
        arguments = parser.parse_args(argv)
        if sys.stdout is None:
            raise ValueError("standard output is closed: send it to a file, or to /dev/null")
        with limited(getattr(arguments, "max_memory", None)):
            status = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head`: the reader has gone
        _forget_output()
        return FAILED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        if type(error) is OSError and error.errno and not error.filename:  # errors about files name the file
            error = OSError(f"cannot write to standard output: {os.strerror(error.errno).lower()}")
            _forget_output()
        say(sentence(error))
        return FAILED
    return status or 0


def _forget_output() -> None:
    """Drop the output still held back: it would fail again when Python ends."""
    with contextlib.suppress(OSError):  # stdout has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if sys.stdout is not None:
            sys.stdout.flush()  # here a full disk becomes one line
        super().exit(status, message)


class _Formatter(argparse.HelpFormatter):
    """A formatter that keeps the lines of examples as they are."""

    KEPT = "for example:"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(self.KEPT) else super()._fill_text(text, width, indent)


class _Version(argparse.Action):
    """Prints the facts that a report of a fault should have."""

    def __init__(self, option_strings: Sequence[str], dest: str, **named: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **named)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        import jax

        from gllmm_jax import placement

        device = placement.devices()[0]
        print(f"{PROGRAM} {__version__}")
        print(f"Python {platform.python_version()}, JAX {jax.__version__} on {device.platform} ({device.device_kind})")
        print(f"weights: {harmless(', '.join(zoo.names()) or 'none')}")
        parser.exit()


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(prog=PROGRAM, description="Learned image compression: photographs to .gllm files and back.")
    text = "versions of this program, Python and JAX, the device, and the models there are"
    parser.add_argument("--version", action=_Version, help=text)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (pictures, models, learn, measure, foreign):
        module.add_commands(commands)
    actions = corpus.add_commands(commands)
    for name, command in {"": parser, **commands.choices, **actions}.items():
        command.formatter_class = _Formatter
        command.epilog = "\n".join([_Formatter.KEPT, *(f"  {PROGRAM} {line}" for line in EXAMPLES[name])])
    return parser
