"""A Ray cluster for a run: one that is joined, or one of this machine that ends with the run."""

import contextlib
import dataclasses
import logging
import sys
from collections.abc import Iterator
from typing import Any

from gllmm_jax.corpus.place import Place
from gllmm_jax.corpus.workers import Job, Worker

BATCH = 8
"""Pictures that a worker takes at once."""

THREADS = 4
"""Pictures at once in a worker that has an accelerator, which would wait for the host otherwise."""


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
    `ImportError` without Ray.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("a corpus needs Ray and fsspec: pip install 'gllmm-jax[ray]'") from error
    if not sys.stderr.isatty():
        logging.getLogger("ray.data").setLevel(logging.WARNING)  # lines of progress are for a terminal
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            stack.callback(ray.shutdown)  # also where the start itself is cut
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR)
        there = ray.cluster_resources()
        yield Cluster(ray.data, *shared(int(there.get("GPU", 0)), there.get("CPU", 1), workers))


def shared(gpus: int, cores: float, workers: int | None) -> tuple[int, dict[str, float]]:
    """How many workers there are, as `compress` tells, and what Ray sets aside for each of them.

    Reading and writing need a whole core of one machine, without which nothing would begin. So where workers would take
    all cores, nothing is set aside for them.
    """
    workers = workers or gpus or max(1, int(cores) - 1)
    return workers, {"num_gpus": 1} if gpus else {"num_cpus": int(workers < cores)}
