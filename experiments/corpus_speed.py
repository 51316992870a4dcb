"""How many pictures a second a corpus takes with so many workers, and what the process that starts the run pays.

    python experiments/corpus_speed.py PHOTOGRAPHS --copies 4 --workers 1 2

Each run compresses the photographs so many times over, on this machine alone, into a folder of its own that is removed.
Seconds count from the call to the summary, Ray's start left out. A worker's seconds a picture are the mean of its rows.
The starting process lists the names, hands out the pictures, and sums up the rows: its processor seconds are its own.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import ray

from gllmm_jax import corpus, zoo
from gllmm_jax.picture import formats


class Run(NamedTuple):
    """What one run took: seconds, of which `worker` are those of a picture, and `own` those of this process."""

    pictures: int
    total: float
    worker: float
    own: float


def linked(photographs: Path, folder: Path, copies: int) -> None:
    """Links to the photographs in a folder of each copy."""
    names = [path for path in sorted(photographs.iterdir()) if formats.is_picture(path)]
    for copy in range(copies):
        (folder / f"{copy:04}").mkdir(parents=True)
        for path in names:
            os.link(path, folder / f"{copy:04}" / path.name)


def measured(source: Path, model: str, workers: int) -> Run:
    """One run into a new folder."""
    with tempfile.TemporaryDirectory(dir=source.parent) as target:
        start, own = time.perf_counter(), time.process_time()
        found = corpus.compress(source, target, model=model, workers=workers)
        total, own = time.perf_counter() - start, time.process_time() - own
        rows = [row for file in Path(target, "rows").iterdir() for row in pq.read_table(file).to_pylist()]
    assert not found.failed, found.failed
    return Run(found.pictures, total, sum(row["seconds"] for row in rows) / len(rows), own)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photographs", type=Path, help="a folder, whose folders are left out")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument("--cores", type=int, help="that Ray may count on (those of the machine unless given)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.photographs.parent) as folder:  # links stay on one disk
        source = Path(folder, "pictures")
        linked(arguments.photographs, source, arguments.copies)
        ray.init(address="local", num_cpus=arguments.cores, log_to_driver=False)
        for workers in arguments.workers:
            run = measured(source, arguments.model, workers)
            parts = [f"{workers} workers, {run.pictures} pictures: {run.total:.1f} s"]
            parts += [f"{run.pictures / run.total:.2f} a second", f"a worker {run.worker:.3f} s a picture"]
            parts += [f"this process {1000 * run.own / run.pictures:.1f} ms a picture"]
            print(", ".join(parts), flush=True)


if __name__ == "__main__":
    main()
