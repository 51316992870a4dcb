"""The progress bar of work that takes a while."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from gllmm_jax.codec.report import Progress

PATIENCE = 2.0
"""Seconds before there is a bar."""


@contextlib.contextmanager
def bar() -> Iterator[Progress]:
    """Shows the stage and its share done on stderr, where that is a terminal and it takes more than `PATIENCE`."""
    start, shown = time.monotonic(), contextlib.ExitStack()
    line: Any = None

    def show(stage: str, done: int, total: int) -> None:
        nonlocal line
        if line is None:
            if time.monotonic() - start < PATIENCE or sys.stderr is None or not sys.stderr.isatty():
                return
            from tqdm import tqdm

            shape = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
            line = shown.enter_context(tqdm(bar_format=shape, leave=False, dynamic_ncols=True, file=sys.stderr))
        line.set_description_str(f"{stage:>13}", refresh=False)
        line.total, line.n = total, done
        line.refresh()

    with shown:
        yield show
