"""The command `gllmm-jax`. Errors are one line on stderr and exit status 2; GLLMM_JAX_DEBUG=1 shows their origin."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gllmm_jax import __version__
from gllmm_jax.cli import learn, measure, models, pictures
from gllmm_jax.cli.common import DEBUG, FAILED, PROGRAM, say, sentence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command -> exit status."""
    try:
        arguments = _parser().parse_args(argv)
        if sys.stdout is None:
            raise ValueError("standard output is closed: send it to a file, or to /dev/null")
        status = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head`: nobody listens any more
        _forget_output()
        return FAILED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        if type(error) is OSError and error.errno and not error.filename:  # files have names, and errors of their own
            error = OSError(f"cannot write to standard output: {os.strerror(error.errno).lower()}")
            _forget_output()
        say(sentence(error))
        return FAILED
    return status or 0


def _forget_output() -> None:
    """What is still held back would fail once more when Python ends."""
    with contextlib.suppress(OSError):  # a stdout without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk is one line
        super().exit(status, message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Learned image compression: photographs to .gllm files and back.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (pictures, models, learn, measure):
        module.add_commands(commands)
    return parser
