"""A Ray cluster for a run: one that is joined, or one of this machine that ends with the run."""

import contextlib
import dataclasses
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from gllmm_jax.corpus.place import Place
from gllmm_jax.corpus.workers import Job, Worker

BATCH = 8
"""Pictures that a worker takes at once, at most: all of them are lost where workers die over one."""

SHARES = 4
"""Batches for each worker, at least, so that none waits long for the last."""

DEATHS = 3
"""Workers that may die over the same pictures: then the run goes on without those."""

LOST = 16
"""Blocks that a run may lose: with more of them something else is wrong than a picture."""

PATIENCE = 5
"""Seconds that the head of a cluster may take to answer; Ray itself would try for many minutes."""

SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""An empty frame of settings: the first that either side of HTTP/2 says (RFC 9113, section 3.4), as Ray's head does."""

HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS
"""How a client begins."""

THREADS = 4
"""Pictures at once in a worker that has an accelerator, which would wait for the host otherwise."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What a run needs of Ray: its `data`, and how many `workers`, each of which takes its `share`."""

    data: Any
    workers: int
    share: dict[str, float]

    def run(self, rows: Any, count: int, worker: type[Worker], job: Job, target: Place, folder: str) -> None:
        """Take that many rows through workers, and write what they make of them to a folder of the target.

        Rows over which workers die are left out, at most `LOST` blocks of them.
        """
        job = dataclasses.replace(job, threads=THREADS if "num_gpus" in self.share else 1)
        made = rows.map_batches(
            worker,
            fn_constructor_args=(job,),
            batch_size=min(BATCH, max(1, count // (SHARES * self.workers))),
            batch_format="pyarrow",
            compute=self.data.ActorPoolStrategy(size=self.workers),
            max_task_retries=DEATHS - 1,
            **self.share,
        )
        made.context.max_errored_blocks = LOST
        made.write_parquet(target.path(folder), filesystem=target.system)


@contextlib.contextmanager
def joined(address: str | None, workers: int | None) -> Iterator[Cluster]:
    """The cluster that the process has joined, or else that of `address`, or else one of this machine.

    One that the process had not joined is left at the end; what was started on this machine ends then. Raises
    `ConnectionError` where no cluster answers at the address; `ImportError` without Ray; `OSError` with the
    reason where Ray gives a run up.
    """
    ray = _imported()
    if not sys.stderr.isatty():
        logging.getLogger("ray.data").setLevel(logging.WARNING)  # lines of progress are for a terminal
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            _check(address)
            # In a thread Ray leaves signals to the program. It lives as long as Ray, whose processes would end with it.
            thread = stack.enter_context(ThreadPoolExecutor(1))
            stack.callback(ray.shutdown)
            with _same_sigterm():
                started = thread.submit(_start, ray, address)
                stack.callback(wait, [started])  # what a signal raises ends a start that is whole
                started.result()
        there = ray.cluster_resources()
        try:
            yield Cluster(ray.data, *shared(int(there.get("GPU", 0)), there.get("CPU", 1), workers))
        except ray.exceptions.RayError as error:
            raise OSError(reason(error)) from error


def _imported() -> Any:
    """The module `ray`, with `ray.data`."""
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise ImportError("a corpus needs Ray and fsspec: pip install 'gllmm-jax[ray]'") from error
    return ray


@contextlib.contextmanager
def _same_sigterm() -> Iterator[None]:
    """A library of Ray's takes SIGTERM when it starts: the handler that was there gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if callable(before) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _start(ray: Any, address: str | None) -> None:
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConnectionError(f"no Ray cluster is at {address}: ray start --head begins one") from error


def reason(error: BaseException) -> str:
    """The first line of what a task met. Ray's own text holds its traceback, in colours for a terminal."""
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _check(address: str | None) -> None:
    """Raises `ConnectionError` where nobody, or something else than Ray, listens at HOST:PORT.

    Other addresses are for Ray to judge.
    """
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit() or "://" in host:
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as head:
            if os.environ.get("RAY_USE_TLS"):
                return  # the head answers in cipher
            head.sendall(HTTP2)
            answer = head.recv(len(SETTINGS))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error  # a timeout has none, and a name that is no name neither
        raise ConnectionError(f"no Ray cluster answers at {address}: {why}") from error
    if answer[3:4] != SETTINGS[3:4]:
        raise ConnectionError(f"what listens at {address} is no Ray cluster, whose port is 6379 unless it was chosen")


def shared(gpus: int, cores: float, workers: int | None) -> tuple[int, dict[str, float]]:
    """How many workers there are, as `compress` tells, and what Ray sets aside for each of them.

    Reading and writing need a whole core of one machine, without which nothing would begin. So where workers would take
    all cores, nothing is set aside for them.
    """
    workers = workers or gpus or max(1, int(cores) - 1)
    return workers, {"num_gpus": 1} if gpus else {"num_cpus": int(workers < cores)}
