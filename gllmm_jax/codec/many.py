"""One function for many things, several at once."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def map_in_threads(function: Callable[..., Any], items: Iterable[Any], workers: int | None) -> list[Any]:
    """Results in the order of the items; as many `workers` as there are cores, 4 at most, unless given."""
    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing more is begun
