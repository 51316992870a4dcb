"""The pictures of a corpus: their names, and the rows that workers take."""

import functools
from typing import Any

from gllmm_jax.corpus.cluster import Cluster
from gllmm_jax.corpus.place import Place
from gllmm_jax.picture import formats, picture

BLOCK = 64
"""Pictures whose rows are written together: what a run that is cut loses of each worker, at most."""

SHARES = 4
"""Blocks for each worker, at least, so that none waits long for the last."""


def listed(source: Place, target: Place) -> tuple[list[str], bool]:
    """Names of the pictures, or of Parquet files; and whether they are the second.

    Raises `ValueError` where there is neither, there are both, or the target is the source itself.
    """
    if (target.real, target.system) == (source.real, source.system):
        raise ValueError(f"{source.address} cannot be both the source and the target")
    if not source.system.isdir(source.root):
        is_file = source.system.exists(source.root)
        raise ValueError(f"{source.address} is a file, not a folder" if is_file else f"there is no {source.address}")
    names = source.names()
    if target.real.startswith(f"{source.real}/"):  # what lies in the target is no source
        inside = target.real[len(source.real) + 1 :] + "/"
        names = [name for name in names if not name.startswith(inside)]
    pictures = [name for name in names if formats.is_picture(name)]
    tables = [name for name in names if name.endswith(".parquet")]
    if not (pictures or tables):
        raise ValueError(f"{source.address} has neither pictures nor Parquet files")
    if pictures and tables:
        raise ValueError(f"{source.address} has both pictures and Parquet files: give a folder of one kind")
    return pictures or tables, bool(tables)


def by_size(cluster: Cluster, source: Place, todo: list[tuple[str, str]]) -> Any:
    """Rows of names and outputs, those of pictures of one size side by side: a worker then meets few sizes."""
    rows = [{"name": name, "output": output} for name, output in todo]
    blocks = max(-(-len(rows) // BLOCK), min(len(rows), SHARES * cluster.workers))
    data = cluster.data.from_items(rows, override_num_blocks=blocks)
    # sorted rows lie in a block for each size, however many there are: without new blocks one worker would do all
    return data.map(functools.partial(with_size, source)).sort(["height", "width"]).repartition(blocks)


def with_size(source: Place, given: dict[str, Any]) -> dict[str, Any]:
    """A row with `height` and `width` of its picture as the header tells; zeros where that cannot be read."""
    try:
        with source.opened(given["name"]) as file:
            height, width = picture.announced(given["name"], file=file)
    except (ValueError, OSError):
        height, width = 0, 0
    return given | {"height": height, "width": width}


def of_rows(cluster: Cluster, source: Place, files: list[str], columns: tuple[str, str], done: set[str]) -> Any:
    """Rows of names and pictures, of those Parquet files of the source, but for names that are done."""
    paths = [source.path(file) for file in files]
    name, content = columns
    options = {"filesystem": source.system, "partitioning": None}
    data = cluster.data.read_parquet(paths, columns=[name, content], **options)
    data = data.rename_columns({name: "name", content: "picture"})
    return data.filter(functools.partial(_is_new, done))


def _is_new(done: set[str], given: dict[str, Any]) -> bool:
    return given["name"] not in done


def is_text(name: str) -> bool:
    """Whether a row can hold the name: bytes that are no text, of a file's name, it cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
