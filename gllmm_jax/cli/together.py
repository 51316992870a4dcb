"""Several processes that train together: the options that say where the others are, and how one leaves that fails."""

import argparse
import contextlib
import os
import traceback
from collections.abc import Iterator

from gllmm_jax.cli.common import DEBUG, FAILED, positive, say, sentence


def add_together(parser: argparse.ArgumentParser) -> None:
    """The options of `join`, and --shard-optimizer."""
    together = parser.add_argument_group("several processes, each started with the same command (experiments/launch)")
    together.add_argument("--distributed", action="store_true", help="find the others as SLURM, a TPU pod or MPI tells")
    together.add_argument("--coordinator", metavar="HOST:PORT", help="where the first process listens, where none does")
    together.add_argument("--processes", type=positive, metavar="N", help="how many there are")
    together.add_argument("--process", type=int, metavar="I", help="which this is, from 0")
    together.add_argument(
        "--shard-optimizer", action="store_true", help="share out the optimizer's state among the devices"
    )


def join(distributed: bool, coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Meet the other processes, where there are any. Raises `ValueError` where a part of the address is missing."""
    address = coordinator, processes, process
    if None in address and address != (None, None, None):
        raise ValueError("--coordinator, --processes and --process belong together: give all three")
    if distributed or coordinator:
        import jax

        jax.distributed.initialize(*address)


@contextlib.contextmanager
def nobody_waits() -> Iterator[None]:
    """An error within ends this process at once where others train with it: leaving in order waits for them all.

    They find their connection broken, and end too.
    """
    try:
        yield
    except Exception as error:
        import jax

        if not jax.distributed.is_initialized() or jax.process_count() == 1:
            raise
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(sentence(error))
        os._exit(FAILED)
