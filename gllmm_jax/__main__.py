"""`python -m gllmm_jax` is the command `gllmm-jax`."""

import os
import sys
from typing import NoReturn

from gllmm_jax import cli


def main() -> NoReturn:
    """Run the command line and leave with its exit status."""
    status = cli.main()
    if status == cli.INTERRUPTED:
        sys.stderr.flush()
        os._exit(status)  # tidying up under a compiler that is still at work would crash
    sys.exit(status)


if __name__ == "__main__":
    main()
