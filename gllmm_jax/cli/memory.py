"""`--max-memory`: a limit on what a command may take, which the system keeps and not this program."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from gllmm_jax.cli.common import exhausted, positive_number

LEAST = 0.6
"""Gigabytes. With less the libraries may fail in their own ways before they are loaded: JAX alone takes 0.4."""


def add_max_memory(parser: Any) -> None:
    """`--max-memory`."""
    text = f"end in an error rather than take more than so many gigabytes of memory ({LEAST} or more; Linux only)"
    parser.add_argument("--max-memory", type=positive_number, metavar="GB", help=text)


@contextlib.contextmanager
def limited(gigabytes: float | None) -> Iterator[None]:
    """Of the memory that this process writes to it has no more than that within; None: no limit of its own.

    Linux keeps it (RLIMIT_DATA), whatever takes the memory. Programs and files that are only read do not count, nor
    does the memory of other devices. Raises `ValueError` where the limit was reached, cannot be kept here, or is below
    `LEAST`. A library that cannot go on without the memory may end the process itself.
    """
    if gigabytes is None:
        yield
        return
    if sys.platform != "linux":
        raise ValueError("--max-memory is kept by Linux alone")
    if gigabytes < LEAST:
        raise ValueError(f"--max-memory {gigabytes:g} is too little: JAX and weights need {LEAST} GB at least")
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    lower = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (int(min([gigabytes * 1e9, 1e18, *lower])), before[1]))
    try:
        yield
    except Exception as error:
        if not exhausted(error):
            raise
        raise ValueError(f"out of memory: it takes more than the {gigabytes:g} GB of --max-memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
