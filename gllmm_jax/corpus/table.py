"""The rows that a run leaves, a row a picture, in Parquet files: read back, and summed up."""

import json
import math
from collections import Counter
from typing import Any, NamedTuple

from gllmm_jax.corpus.place import CUT, Place, outputs

ROWS = "rows"
"""Folder of the rows, in the target."""

SETTINGS = "settings.json"
"""File of what the rows of a target have in common."""

FIXED = ("weights", "quality", "into_rows")
"""Settings that another run into the same target has to share; `weights` is a digest of the weights file."""

KINDS: dict[str, Any] = {
    "model": str,
    "weights": str,
    "quality": float | None,
    "into_rows": bool,
    "convert": bool,
    "max_pixels": int,
}
"""All settings, and their types."""

FIELDS = {
    "name": "string",  # of the picture
    "output": "string",  # name of its .gllm file; empty where the row has the file itself
    "width": "int32",
    "height": "int32",
    "bytes": "int64",  # of the .gllm file
    "bpp": "float64",  # bits a pixel, of the whole file
    "psnr": "float64",  # dB, of 8 bits; NaN where it was not asked for
    "ms_ssim": "float64",  # of `evaluate`; else NaN
    "crc32": "int64",  # of the latents
    "seconds": "float64",
    "error": "string",  # why there is no file; else empty
    "data": "binary",  # the .gllm file, or nothing
}
"""Columns of a row, and Arrow's names of their types."""


class Summary(NamedTuple):
    """What became of a corpus: means are over its pictures that have the figure, `failed` are names with the reason."""

    pictures: int
    bytes: int
    bpp: float
    psnr: float
    ms_ssim: float
    failed: dict[str, str]


def row(name: str, **fields: Any) -> dict[str, Any]:
    """A row of `FIELDS`, with nothing in those that are not given."""
    nothing = {"string": "", "int32": 0, "int64": 0, "float64": math.nan, "binary": b""}
    return {field: nothing[kind] for field, kind in FIELDS.items()} | {"name": name} | fields


def batch(rows: list[dict[str, Any]]) -> Any:
    """Rows as a table of Arrow."""
    pa, _ = _arrow()
    return pa.table({field: pa.array([one[field] for one in rows], kind) for field, kind in FIELDS.items()})


def files(target: Place, folder: str) -> list[str]:
    """Names of the files of rows in a folder of the target."""
    return [name for name in target.names(".parquet") if name.startswith(f"{folder}/")]


def rows(target: Place, folder: str = ROWS, *, mend: bool = False) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a target but for `data`, and the names of files of rows that cannot be read.

    Each picture is there once: with a row that succeeded where there is one. To `mend` gives files that cannot be read
    another name, so that later rows take their place; nothing is removed.
    """
    pa, _ = _arrow()
    found: dict[str, dict[str, Any]] = {}
    damaged = []
    for name in files(target, folder):
        data = target.read(name)
        try:
            opened = _opened(pa.BufferReader(data), target.path(name), FIELDS)
            some = _whole(_read(opened, [field for field in FIELDS if field != "data"])).to_pylist()
        except (ValueError, OSError, EOFError):  # Arrow's own are kinds of the first two
            damaged.append(name)
            continue
        for one in some:
            if not one["error"] or one["name"] not in found:
                found[one["name"]] = one
    if mend:
        for name in damaged:
            target.system.mv(target.path(name), target.path(f"{name}.damaged"))
    return list(found.values()), damaged


def with_files(target: Place, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a target; those whose file is gone have an error instead."""
    there = {"", *target.names(".gllm")}  # a row that has its file itself has no output
    return [one if one["output"] in there else row(one["name"], error="its file is gone") for one in found]


def check_source(source: Place, names: list[str], columns: tuple[str, str]) -> None:
    """Raises `ValueError` where the `columns` of Parquet files are not text and bytes, or two rows have one name."""
    pa, _ = _arrow()
    column, content = columns
    counts: Counter[Any] = Counter()
    for file in names:
        with source.opened(file) as opened:
            file_of_rows = _opened(pa.PythonFile(opened, "r"), source.path(file), {column: "string", content: "binary"})
            counts.update(_read(file_of_rows, [column])[column].to_pylist())
    for name, count in counts.items():
        if not isinstance(name, str):
            raise ValueError(f"the column {column} of {source.address} must hold names, not {name!r}")
        if count > 1:
            raise ValueError(f"{count} rows of {source.address} have the name {name}: each needs one of its own")


def _opened(file: Any, path: str, kinds: dict[str, str]) -> Any:
    """A Parquet file. Raises `ValueError` unless Ray would read the same file, and it has one column of each name, of
    that type of Arrow.

    A file may ask for types of other libraries. Values of one of Ray's are pickles, which run code once they are read.
    """
    if CUT.intersection(path):
        raise ValueError(f"{path!r} has a character in its name at which Ray would cut it")
    pa, pq = _arrow()
    opened = pq.ParquetFile(file, pre_buffer=False)
    for name, kind in kinds.items():
        found = [field.type for field in opened.schema_arrow if field.name == name]
        if len(found) != 1:
            raise ValueError(f"{path} has {'several columns' if found else 'no column'} {name}")
        aliases = [kind, f"large_{kind}"] if kind in ("string", "binary") else [kind]
        if not any(pa.type_for_alias(alias).equals(found[0]) for alias in aliases):
            raise ValueError(f"the column {name} of {path} must be of type {kind}, not {found[0]}")
    return opened


def _whole(rows: Any) -> Any:
    """The same rows. Raises `ValueError` where one has a field without a value."""
    if any(column.null_count for column in rows.columns):
        raise ValueError("a row lacks a value")
    return rows


def _read(opened: Any, columns: list[str]) -> Any:
    # without Arrow's threads, which may outlive the call and abort a process that is about to end
    return opened.read(columns, use_threads=False)


def remove(target: Place, folder: str) -> None:
    """Removes the rows of a folder."""
    for name in files(target, folder):
        target.remove(name)


def summed(found: list[dict[str, Any]]) -> Summary:
    """The summary of rows."""
    good = [one for one in found if not one["error"]]

    def mean(field: str) -> float:
        values = [one[field] for one in good if math.isfinite(one[field])]
        return sum(values) / len(values) if values else math.nan

    failed = {one["name"]: one["error"] for one in found if one["error"]}
    size = sum(one["bytes"] for one in good)
    return Summary(len(good), size, mean("bpp"), mean("psnr"), mean("ms_ssim"), failed)


def settings(target: Place) -> dict[str, Any]:
    """The settings of a target's rows. Raises `ValueError` where it holds no corpus, or they are damaged."""
    if SETTINGS not in target.names(SETTINGS):
        raise ValueError(f"{target.address} holds no corpus: there is no {SETTINGS}")
    try:
        found = json.loads(target.read(SETTINGS))
        if all(isinstance(found[name], kinds) for name, kinds in KINDS.items()):
            return found
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ValueError(f"{target.path(SETTINGS)} is damaged")


def settle(target: Place, wanted: dict[str, Any], names: list[str]) -> None:
    """Write the settings of a target's rows; `names` are those of the pictures.

    Raises `ValueError` where Ray could not read rows of the target; where it has rows of others in what may not change
    (`FIXED`); where it has none, and files that would be replaced.
    """
    if found := CUT.intersection(target.root):
        raise ValueError(f"the target of a corpus cannot have {min(found)!r} in its name: {target.address!r}")
    there = set(target.names())
    if SETTINGS in there:
        found = settings(target) if files(target, ROWS) else wanted  # a run that never began settles nothing
        for name in FIXED:
            if wanted[name] != found[name]:
                other = f"a corpus whose {name} is {found[name]}, and {wanted[name]} is asked for"
                raise ValueError(f"{target.address} holds {other}: choose another folder")
    elif not wanted["into_rows"] and (taken := there.intersection(outputs(names, ".gllm").values())):
        raise ValueError(f"{target.address} holds {min(taken)} already, of no corpus: choose another folder")
    target.write(SETTINGS, json.dumps(wanted, indent=2).encode())


def _arrow() -> tuple[Any, Any]:
    """Arrow, and its Parquet."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("a corpus needs Arrow: pip install 'gllmm-jax[ray]'") from error
    return pyarrow, pyarrow.parquet
