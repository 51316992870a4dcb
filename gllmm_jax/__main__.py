"""The command `gllmm-jax`, also as `python -m gllmm_jax`."""

import os
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and leave with its exit status."""
    try:
        from gllmm_jax import cli

        status = cli.main()
    except KeyboardInterrupt:  # before the command line could answer for itself
        print("gllmm-jax: interrupted", file=sys.stderr)
        status = INTERRUPTED
    if status == INTERRUPTED:
        sys.stderr.flush()
        os._exit(status)  # tidying up under a compiler that is still at work would crash
    sys.exit(status)


if __name__ == "__main__":
    main()
