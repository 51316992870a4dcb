"""Where the files of a corpus lie: a folder, or a bucket by any address that fsspec knows."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import posixpath
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from gllmm_jax import files

CUT = frozenset("?\t\r\n")
"""Characters at which Ray's reader of Parquet files cuts an address or a name, or which it leaves out."""

NOTHING: Mapping[str, str] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder by its path, or a bucket by its address, as in "s3://photographs/2026".

    Files have names relative to it, with forward slashes. A place travels to other machines as its address alone.
    """

    address: str

    @classmethod
    def of(cls, address: str | os.PathLike[str]) -> "Place":
        """A place by its address; a path becomes an absolute one, since other machines work in other folders."""
        text = os.fspath(address)
        return cls(text if "://" in text else os.path.abspath(text))

    @functools.cached_property
    def system(self) -> Any:
        """The file system, of fsspec. Raises `ImportError` where its library is missing."""
        return self._found[0]

    @functools.cached_property
    def root(self) -> str:
        """The path within the file system."""
        return self._found[1].rstrip("/")

    @functools.cached_property
    def _found(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError as error:
            raise ImportError("a corpus needs Ray and fsspec: pip install 'gllmm-jax[ray]'") from error
        if "://" in self.address:
            return fsspec.core.url_to_fs(self.address)
        return fsspec.filesystem("file"), pathlib.Path(self.address).as_posix()  # "::" of a path is no chain of systems

    @functools.cached_property
    def real(self) -> str:
        """`root` with no link in it."""
        return os.path.realpath(self.root) if self._is_folder else self.root

    @property
    def _is_folder(self) -> bool:
        return "file" in self.system.protocol

    def __getstate__(self) -> dict[str, str]:
        return {"address": self.address}

    def path(self, name: str) -> str:
        """The path of a file within the file system. Raises `ValueError` for a name that leaves the place."""
        parts = pathlib.PurePath(name)
        if parts.anchor or ".." in parts.parts:
            raise ValueError(f"{name} does not lie in {self.address}")
        return posixpath.join(self.root, name)

    def names(self, suffix: str = "") -> list[str]:
        """All files whose names end in `suffix`, those in its folders too, sorted; none where nothing is there.

        Hidden files and folders are left out, and so are pipes and devices.
        """
        self.system.invalidate_cache()
        found = self.system.find(self.root, detail=True) if self.system.isdir(self.root) else {}
        names = [path[len(self.root) + 1 :] for path, facts in found.items() if facts["type"] != "other"]
        return sorted(name for name in names if name.endswith(suffix) and not f"/{name}".count("/."))

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises `OSError`."""
        return self.system.cat_file(self.path(name))

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file to read a part of. Raises `OSError`."""
        with self.system.open(self.path(name), "rb") as file:
            yield file

    def write(self, name: str, data: bytes) -> None:
        """A file with these bytes, whole or not at all; one that is there is replaced. Raises `OSError`."""
        path = self.path(name)
        self.system.makedirs(posixpath.dirname(path), exist_ok=True)
        if self._is_folder:
            files.write(path, data)
        else:
            self.system.pipe_file(path, data)  # stores of objects know no part of one

    def remove(self, name: str) -> None:
        """Removes a file. Raises `OSError`."""
        self.system.rm_file(self.path(name))


def outputs(names: Iterable[str], suffix: str, *, done: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """The name of what each file becomes: with `suffix` in place of its own, or after it where two would be one.

    Files that are `done` have become what it says, and are left out. Raises `ValueError` where no name is left.
    """
    stems, taken = {name: posixpath.splitext(name)[0] for name in names}, set(done.values())
    count = Counter([*stems.values(), *stems])  # a name without a suffix is its own stem
    found = {}
    for name, stem in stems.items():
        if name in done:
            continue
        alone = count[stem] == 1 + (stem == name) and stem + suffix not in taken
        found[name] = (stem if alone else name) + suffix
        if found[name] in taken:
            raise ValueError(f"{name} would become {found[name]}, which another picture became")
    return found
