"""Runs over a corpus: Ray Data reads, shares out, repeats what was lost, and writes."""

import dataclasses
import functools
import logging
import os
import sys
from typing import Any

from gllmm_jax import zoo
from gllmm_jax.corpus import table
from gllmm_jax.corpus.place import Place, outputs
from gllmm_jax.corpus.table import ROWS, Summary
from gllmm_jax.corpus.workers import Compressor, Job, Verifier, Worker, with_pixels
from gllmm_jax.picture import formats

BATCH = 8
"""Pictures that a worker takes at once."""

BLOCK = 64
"""Pictures whose rows are written together: what a run that is cut loses of each worker, at most."""

SHARES = 4
"""Blocks for each worker, at least, so that none waits long for the last."""

THREADS = 4
"""Pictures at once in a worker that has an accelerator, which would wait for the host otherwise."""

EVALUATION = "evaluation"
"""Folder of the rows of `evaluate`, in the target."""

Address = str | os.PathLike[str]
"""Of a folder or a bucket, or the name of a model or its file."""


def compress(
    source: Address,
    target: Address,
    *,
    model: Address = zoo.DEFAULT,
    quality: float | None = None,
    into_rows: bool = False,
    psnr: bool = True,
    convert: bool = False,
    columns: tuple[str, str] = ("name", "bytes"),
    ray_address: str | None = None,
    workers: int | None = None,
) -> Summary:
    """Pictures of `source` become `.gllm` files under `target`, or rows of Parquet files with them (`into_rows`).

    Args:
      source: a folder or bucket of pictures, or one of Parquet files whose `columns` are the name of a picture and the
        bytes of its file.
      target: a folder or bucket. `target/rows` has a row a picture (`table.FIELDS`). Pictures that have a row without
        an error are not compressed again.
      psnr: decode each file at once, to measure it.
      convert: as in `picture.load`.
      ray_address: of a Ray cluster; one that the process has joined, or of this machine alone, unless given.
      workers: how many; one for each accelerator, or core but one, of the cluster unless given.

    Returns the summary of all rows in `target`, those of earlier runs too. Raises `ValueError` where there are no
    pictures, or `target` holds a corpus of another model, quality or kind; `ImportError` without the extra `ray`.
    """
    pictures, packed = Place(os.fspath(source)), Place(os.fspath(target))
    names, parquet = _listed(pictures)
    model = os.path.abspath(model) if os.path.isfile(model) else os.fspath(model)  # workers have folders of their own
    settings = {"model": model, "quality": quality, "into rows": into_rows}
    table.settle(packed, settings)
    done = {one["name"] for one in table.rows(packed) if not one["error"]}
    job = Job(model, None if parquet else pictures, None if into_rows else packed, quality, convert, psnr)
    cluster = _Cluster(ray_address, workers)
    if parquet:
        cluster.run(_of_rows(cluster, pictures, columns, done), Compressor, job, packed, ROWS)
    else:
        todo = [(name, output) for name, output in outputs(names, ".gllm").items() if name not in done]
        if todo:
            cluster.run(_by_size(cluster, pictures, todo), Compressor, job, packed, ROWS)
    return table.summed(table.rows(packed))


def verify(target: Address, *, ray_address: str | None = None, workers: int | None = None) -> Summary:
    """Decode every file of a corpus and compare its latents with those that were written.

    `failed` of the summary has the names of files that are missing, damaged or another, and of pictures that were never
    compressed. Raises `ValueError` where `target` holds no corpus; `ImportError` without the extra `ray`.
    """
    return _checked(None, Place(os.fspath(target)), ray_address, workers)


def evaluate(
    source: Address, target: Address, *, ray_address: str | None = None, workers: int | None = None
) -> Summary:
    """`verify`, and compare every picture with the one that it was made of: PSNR in dB, and MS-SSIM.

    Rows of the single pictures go to `target/evaluation`, in place of those that are there. Raises as `verify` does,
    and `ValueError` where the pictures of `source` are rows of Parquet files.
    """
    pictures = Place(os.fspath(source))
    if _listed(pictures)[1]:
        raise ValueError("pictures can be compared where they are files: compress measures the PSNR of rows")
    return _checked(pictures, Place(os.fspath(target)), ray_address, workers)


def _checked(source: Place | None, packed: Place, ray_address: str | None, workers: int | None) -> Summary:
    settings, found = table.settings(packed), table.rows(packed)
    job = Job(settings["model"], source, None if settings["into rows"] else packed)
    failed = [one for one in found if one["error"]]
    if len(failed) == len(found):
        return table.summed(failed)
    table.remove(packed, EVALUATION)
    cluster = _Cluster(ray_address, workers)
    data = cluster.data.read_parquet(packed.path(ROWS), filesystem=packed.system).filter(_is_good)
    cluster.run(data, Verifier, job, packed, EVALUATION)
    return table.summed(failed + table.rows(packed, EVALUATION))


def _is_good(given: dict[str, Any]) -> bool:
    return not given["error"]


class _Cluster:
    """A Ray cluster that is joined, and how many workers it has for a run."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise ImportError("a corpus needs Ray and fsspec: pip install 'gllmm-jax[ray]'") from error
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        if not sys.stderr.isatty():
            logging.getLogger("ray.data").setLevel(logging.WARNING)  # lines of progress are for a terminal
        self.data: Any = ray.data
        there = ray.cluster_resources()
        self.gpus = int(there.get("GPU", 0))
        self.workers = workers or self.gpus or max(1, int(there.get("CPU", 1)) - 1)  # one core reads and writes

    def run(self, rows: Any, worker: type[Worker], job: Job, target: Place, folder: str) -> None:
        """Take rows through workers, and write what they make of them to a folder of the target."""
        job = dataclasses.replace(job, threads=THREADS if self.gpus else 1)
        made = rows.map_batches(
            worker,
            fn_constructor_args=(job,),
            batch_size=BATCH,
            batch_format="pyarrow",
            compute=self.data.ActorPoolStrategy(size=self.workers),
            **({"num_gpus": 1} if self.gpus else {"num_cpus": 1}),
        )
        made.write_parquet(target.path(folder), filesystem=target.system)


def _listed(source: Place) -> tuple[list[str], bool]:
    """Names of the pictures, or of Parquet files; and whether they are the second. Raises `ValueError` on neither."""
    names = source.names()
    pictures = [name for name in names if formats.is_picture(name)]
    tables = [name for name in names if name.endswith(".parquet")]
    if not (pictures or tables):
        raise ValueError(f"{source.address} has neither pictures nor Parquet files")
    if pictures and tables:
        raise ValueError(f"{source.address} has both pictures and Parquet files: give a folder of one kind")
    return pictures or tables, bool(tables)


def _by_size(cluster: _Cluster, source: Place, todo: list[tuple[str, str]]) -> Any:
    """Rows of names and outputs, those of pictures of one size side by side: a worker then meets few sizes."""
    rows = [{"name": name, "output": output} for name, output in todo]
    blocks = max(-(-len(rows) // BLOCK), min(len(rows), SHARES * cluster.workers))
    data = cluster.data.from_items(rows, override_num_blocks=blocks)
    return data.map(functools.partial(with_pixels, source)).sort("pixels")


def _of_rows(cluster: _Cluster, source: Place, columns: tuple[str, str], done: set[str]) -> Any:
    name, content = columns
    data = cluster.data.read_parquet(source.root, filesystem=source.system, columns=[name, content])
    data = data.rename_columns({name: "name", content: "picture"})
    return data.filter(functools.partial(_is_new, done))


def _is_new(done: set[str], given: dict[str, Any]) -> bool:
    return given["name"] not in done
