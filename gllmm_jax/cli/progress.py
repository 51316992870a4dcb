"""The progress bar of work that takes a while."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator

from gllmm_jax.progress import Progress, silent

PATIENCE = 2.0
"""Seconds before there is a bar."""

EVERY = 0.2
"""Seconds between looks at how far the work is."""

WIDEST = 100
"""Columns."""


@contextlib.contextmanager
def bar(stage: str = "starting") -> Iterator[Progress]:
    """Shows the stage and its share done on stderr, where that is a terminal and it takes more than `PATIENCE`.

    The work only says how far it is; a thread draws, so the seconds go on within a long part too.
    """
    if not _on_a_terminal():
        yield silent
        return
    state, done, start = [(stage, 0, 1)], threading.Event(), time.time()

    def draw() -> None:
        if done.wait(PATIENCE):
            return
        from tqdm import tqdm

        shape, columns = "{desc:>13} {percentage:3.0f}%|{bar}| {elapsed}", shutil.get_terminal_size().columns
        name, part, total = state[-1]
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone
            line = tqdm(
                desc=name, total=total, initial=part, bar_format=shape, leave=False, ncols=min(columns, WIDEST),
                file=sys.stderr,
            )  # fmt: skip
            line.start_t = start
            with line:
                while not done.wait(EVERY):
                    name, line.n, line.total = state[-1]
                    line.set_description_str(name, refresh=False)
                    line.refresh()

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield lambda *now: state.__setitem__(0, now)
    finally:
        done.set()
        thread.join()


def _on_a_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False
