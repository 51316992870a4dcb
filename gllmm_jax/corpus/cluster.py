"""A Ray cluster for a run: one that is joined, or one of this machine that ends with the run."""

import contextlib
import dataclasses
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import Any

from gllmm_jax.corpus.place import Place
from gllmm_jax.corpus.workers import Job, Worker

BATCH = 8
"""Pictures that a worker takes at once."""

PATIENCE = 5
"""Seconds that the head of a cluster may take to answer; Ray itself would try for many minutes."""

JOINING = 60
"""Seconds that joining a cluster may take, once its head has answered."""

FRAME = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""An empty frame of settings: the first that either side of HTTP/2 says (RFC 9113, section 3.4), as Ray's head does."""

HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + FRAME
"""How a client begins."""

THREADS = 4
"""Pictures at once in a worker that has an accelerator, which would wait for the host otherwise."""

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What a run needs of Ray: its `data`, and how many `workers`, each of which takes its `share`."""

    data: Any
    workers: int
    share: dict[str, float]

    def run(self, rows: Any, worker: type[Worker], job: Job, target: Place, folder: str) -> None:
        """Take rows through workers, and write what they make of them to a folder of the target."""
        job = dataclasses.replace(job, threads=THREADS if "num_gpus" in self.share else 1)
        made = rows.map_batches(
            worker,
            fn_constructor_args=(job,),
            batch_size=BATCH,
            batch_format="pyarrow",
            compute=self.data.ActorPoolStrategy(size=self.workers),
            **self.share,
        )
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
            stack.enter_context(_started(ray, address))
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


@contextlib.contextmanager
def _started(ray: Any, address: str | None) -> Iterator[None]:
    """Ray, which ends with the block, also where a signal raises an exception before Ray has started."""
    done: Future[None] = Future()
    over = threading.Event()

    def start() -> None:
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError:
            done.set_exception(ConnectionError(f"no Ray cluster is at {address}: ray start --head begins one"))
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        over.wait()  # Ray's processes would end with the thread

    # In a thread Ray leaves signals to the program. It is a daemon: Ray may wait long for a head that does not answer.
    threading.Thread(target=start, daemon=True).start()
    try:
        with _same_sigterm():
            wait([done], None if address is None else JOINING)
        if not done.done():
            raise ConnectionError(f"the Ray cluster at {address} has not let this process join in {JOINING} s")
        done.result()
        yield
    finally:
        wait([done], None if address is None else 0)  # what starts here has to be whole before it can end
        if done.done():
            ray.shutdown()
        over.set()


def reason(error: BaseException) -> str:
    """What a task met, in a line. Ray's own text holds its traceback, in colours for a terminal."""
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    first, *others = _COLOUR.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    return others[-1] if others and "its creation task" in first else first  # a worker that could not begin


def _check(address: str | None) -> None:
    """Raises `ConnectionError` where nobody, or something else than Ray, listens at HOST:PORT.

    Other addresses are for Ray to judge.
    """
    host, _, port = (address or "").rpartition(":")
    if not port.isdecimal() or "://" in host:
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as head:
            if os.environ.get("RAY_USE_TLS"):
                return  # the head answers in cipher
            head.sendall(HTTP2)
            answer = head.makefile("rb").read(len(FRAME))
    except (OSError, UnicodeError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error  # a timeout has none, and a name that is no name neither
        raise ConnectionError(f"no Ray cluster answers at {address}: {why}") from error
    if answer[3:4] != FRAME[3:4]:
        raise ConnectionError(f"what listens at {address} is no Ray cluster, whose port is 6379 unless it was chosen")


def shared(gpus: int, cores: float, workers: int | None) -> tuple[int, dict[str, float]]:
    """How many workers there are, as `compress` tells, and what Ray sets aside for each of them.

    Reading and writing need a whole core of one machine, without which nothing would begin. So where workers would take
    all cores, nothing is set aside for them.
    """
    workers = workers or gpus or max(1, int(cores) - 1)
    return workers, {"num_gpus": 1} if gpus else {"num_cpus": int(workers < cores)}
