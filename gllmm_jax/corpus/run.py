"""Runs over a corpus: Ray Data reads, shares out, repeats what was lost, and writes."""

import hashlib
import os
from typing import Any

from gllmm_jax import zoo
from gllmm_jax.codec import quality as scale
from gllmm_jax.corpus import table
from gllmm_jax.corpus.cluster import joined
from gllmm_jax.corpus.pictures import by_size, is_text, listed, of_rows
from gllmm_jax.corpus.place import Place, outputs
from gllmm_jax.corpus.table import ROWS, Summary
from gllmm_jax.corpus.workers import Compressor, Job, Verifier
from gllmm_jax.picture import picture

EVALUATION = "evaluation"
"""Folder of the rows of `verify` and `evaluate`, in the target."""

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
    max_pixels: int = picture.MAX_PIXELS,
    columns: tuple[str, str] = ("name", "bytes"),
    ray_address: str | None = None,
    workers: int | None = None,
) -> Summary:
    """Pictures of `source` become `.gllm` files under `target`, or rows of Parquet files with them (`into_rows`).

    Args:
      source: a folder or bucket of pictures, or one of Parquet files whose `columns` are the name of a picture, which
        no other has, and the bytes of its file. Pictures of rows go into rows.
      target: a folder or bucket. `target/rows` has a row a picture (`table.FIELDS`). Pictures that have a row without
        an error, and their file, are not compressed again.
      psnr: decode each file at once, to measure it.
      convert, max_pixels: as in `picture.load`.
      ray_address: of a Ray cluster; one that the process has joined, or of this machine alone, unless given.
      workers: how many; one for each accelerator, or core but one, of the cluster unless given.

    Returns the summary of all rows in `target`, those of earlier runs too. Raises `ValueError` where there are no
    pictures, two rows have one name, columns are not text and bytes, the model has no such quality, `target` holds a
    corpus of other settings, or it holds files that the run would replace; `zoo.WeightsError` without the model;
    `ImportError` without the extra `ray`; `OSError` with the reason where Ray gives the run up.
    """
    pictures, packed = Place.of(source), Place.of(target)
    names, parquet = listed(pictures, packed)
    if parquet and not into_rows:
        raise ValueError("pictures that lie in rows become rows: into_rows=True asks for that")
    if parquet:
        table.check_source(pictures, names, columns)
    model = _absolute(model)
    table.settle(packed, _settings(model, quality, into_rows=into_rows, convert=convert, max_pixels=max_pixels), names)
    found, _ = table.rows(packed, mend=True)
    done = {one["name"]: one["output"] for one in table.with_files(packed, found) if not one["error"]}
    job = _job(packed, None if parquet else pictures, model=model, psnr=psnr)
    odd = [name for name in names if not is_text(name)]
    todo = [] if parquet else [one for one in outputs(names, ".gllm", done=done).items() if is_text(one[0])]
    if parquet or todo:
        with joined(ray_address, workers) as cluster:
            if parquet:
                data = of_rows(cluster, pictures, names, columns, set(done))
            else:
                data = by_size(cluster, pictures, todo)
            cluster.run(data, Compressor, job, packed, ROWS)
    failed = [table.row(ascii(name), error="its name is no text") for name in odd]
    return table.summed(table.with_files(packed, table.rows(packed)[0]) + failed)


def verify(
    target: Address, *, model: Address | None = None, ray_address: str | None = None, workers: int | None = None
) -> Summary:
    """Decode every file of a corpus and compare its latents with those that were written.

    `model` is that of the corpus, for weights that lie elsewhere by now. `failed` of the summary has the names of files
    that are missing, damaged, another or without a row, of files of rows that cannot be read, and of pictures that
    could not be compressed. Raises `ValueError` where `target` holds no corpus, or one of other weights;
    `zoo.WeightsError` without the model; `ImportError` without the extra `ray`.
    """
    return _checked(None, Place.of(target), model, ray_address, workers)


def evaluate(
    source: Address,
    target: Address,
    *,
    model: Address | None = None,
    ray_address: str | None = None,
    workers: int | None = None,
) -> Summary:
    """`verify`, and compare every picture with the one that it was made of: PSNR in dB, and MS-SSIM.

    Pictures of the source that have no row are among `failed` too. Rows of the single pictures go to
    `target/evaluation`, in place of those that are there. Raises as `verify` does, and `ValueError` where the pictures
    of `source` are rows of Parquet files.
    """
    return _checked(Place.of(source), Place.of(target), model, ray_address, workers)


def _checked(
    source: Place | None, packed: Place, model: Address | None, ray_address: str | None, workers: int | None
) -> Summary:
    settings = table.settings(packed)
    model = _absolute(model or settings["model"])
    _, data = zoo.read_bytes(model)
    if _digest(data) != settings["weights"]:
        raise ValueError(f"{packed.address} was made with other weights than {model}: model= names the right ones")
    names, parquet = ([], False) if source is None else listed(source, packed)
    if parquet:
        raise ValueError("pictures can be compared where they are files: compress measures the PSNR of rows")
    found, damaged = table.rows(packed)
    failed = [one for one in found if one["error"]]
    failed += [table.row(name, error="these rows cannot be read") for name in damaged]
    rows = {one["name"] for one in found}
    failed += [table.row(name, error="it was not compressed") for name in names if name not in rows]
    if not settings["into_rows"]:
        known = {one["output"] for one in found}
        alone = (name for name in packed.names(".gllm") if name not in known)
        failed += [table.row(name, error="no row tells of this file") for name in alone]
    if all(one["error"] for one in found):
        return table.summed(failed or [table.row(packed.address, error="it holds no rows")])
    table.remove(packed, EVALUATION)
    with joined(ray_address, workers) as cluster:
        files = [packed.path(name) for name in table.files(packed, ROWS) if name not in damaged]
        options = {"filesystem": packed.system, "partitioning": None}
        data = cluster.data.read_parquet(files, columns=list(table.FIELDS), **options)
        cluster.run(data.filter(_is_good), Verifier, _job(packed, source, model=model), packed, EVALUATION)
    return table.summed(failed + table.rows(packed, EVALUATION)[0])


def _settings(model: str, quality: float | None, **others: Any) -> dict[str, Any]:
    """What all rows of a target have in common. Raises `ValueError`, `zoo.WeightsError`."""
    path, data = zoo.read_bytes(model)
    weights = zoo.parse(path, data)
    if weights.config.rate is None and quality is not None:
        raise ValueError(f"{weights.name} has one quality: leave the quality out")
    if weights.config.rate is not None:
        quality = float(scale.DEFAULT if quality is None else quality)
        scale.index_of(quality)
    return {"model": model, "weights": _digest(data), "quality": quality, **others}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _absolute(model: Address) -> str:
    # workers have folders of their own
    return os.path.abspath(model) if os.path.isfile(model) else os.fspath(model)


def _job(target: Place, source: Place | None, *, model: str, psnr: bool = True) -> Job:
    settings = table.settings(target)
    kept = None if settings["into_rows"] else target
    options = {name: settings[name] for name in ("quality", "convert", "max_pixels")}
    return Job(model, source, kept, psnr=psnr, **options)


def _is_good(given: dict[str, Any]) -> bool:
    return not given["error"]
