"""One function for many things, several at once."""

import collections
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AHEAD = 2
"""Things taken for each worker: one that is worked on, and one that waits."""


def map_in_threads(function: Callable[..., Any], items: Iterable[Any], workers: int | None) -> list[Any]:
    """Results in the order of the items; as many `workers` as there are cores, 4 at most, unless given.

    Items are taken as they are needed, so an iterator may load pictures one by one.
    """
    workers = workers or min(4, os.cpu_count() or 1)
    results, waiting = [], collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= AHEAD * workers:
                    results.append(waiting.popleft().result())
            return results + [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing more is begun
