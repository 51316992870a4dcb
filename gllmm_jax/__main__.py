"""The command `gllmm-jax`, also as `python -m gllmm_jax`."""

import io
import os
import signal
import sys
from typing import Any, NoReturn

INTERRUPTED = 130
TERMINATED = 143


def main() -> NoReturn:
    """Run the command line and leave with its exit status."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # whoever ignores it is not asked
            signal.signal(signal.SIGINT, _leave)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _leave)
        if isinstance(sys.stdout, io.TextIOWrapper):  # not where it is closed
            sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it
        from gllmm_jax import cli  # what takes time comes after the handler

        sys.exit(cli.main())
    except KeyboardInterrupt:  # of `train`, where the signal was ignored
        _leave()


def _leave(number: int = signal.SIGINT, *_: Any) -> NoReturn:
    # An exception would be raised wherever the signal arrives, also in the callbacks of a compiler at work: that
    # swallows it, or crashes. Tidying up under one crashes too.
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)  # said once
    said, status = (b"interrupted", INTERRUPTED) if number == signal.SIGINT else (b"terminated", TERMINATED)
    files = sys.modules.get("gllmm_jax.files")
    if files is not None and hasattr(files, "discard_unfinished"):  # imported, and to its end
        files.discard_unfinished()
    if sys.stderr is not None:
        clear = b"\r\x1b[K" if os.isatty(sys.stderr.fileno()) else b""  # a bar may be there
        os.write(sys.stderr.fileno(), clear + b"gllmm-jax: %s\n" % said)
    os._exit(status)


if __name__ == "__main__":
    main()
