"""Inputs and outputs of a command: PATH... and -o -> pairs of an input file and an output file.

    a.png                       beside it: a.gllm
    a.png     -o b.gllm         that file
    a.png     -o DIR/           DIR/a.gllm; an existing folder is used, a name that ends in / becomes a folder
    folder    -o DIR            its tree under DIR: DIR/sub/a.gllm
    d1 d2     -o DIR            a tree for each: DIR/d1/a.gllm, DIR/d2/a.gllm
    '**/*.png' -o DIR           the tree below the first *
    -         -o -              standard input and output

No existing file is replaced without --force. A single output is then refused. Of many outputs the existing are left
out.
"""

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gllmm_jax import files
from gllmm_jax.cli.common import STANDARD


class Pair(NamedTuple):
    """A file to read and the one to write."""

    source: Path
    output: Path


class Plan(NamedTuple):
    """The pairs to work on, and what the command says about them."""

    pairs: list[Pair]
    many: bool  # the arguments name more than one file, a folder or a pattern
    folder: Path | None  # folder to make, with the folders below it
    there: int  # number of existing outputs, whose pairs are left out
    doubtful: list[tuple[Pair, str]]  # those that may come from another file beside the input, and its name


class _Found(NamedTuple):
    source: Path
    name: Path | None  # name under the output's folder; None for a device or a pipe


def plan(
    paths: list[str], output: str | None, suffix: str, *, wanted: Callable[[Path], bool], force: bool = False
) -> Plan:
    """The pairs of PATH... and -o. Outputs without a name get `suffix`. In folders the `wanted` files are taken.

    Raises `ValueError` if a name is missing, no file is found, or two inputs have one output; `files.WriteError` if a
    single output exists already or has no folder.
    """
    found, many = _found(paths, wanted), len(paths) > 1 or os.path.isdir(paths[0]) or _is_pattern(paths[0])
    if not many:
        pair, folder = _single(found[0], output, suffix)
        if pair.output != STANDARD:
            files.check_free(pair.output, force=force)
            if folder is None and not pair.output.parent.is_dir():
                raise files.WriteError(f"there is no folder {pair.output.parent} for {pair.output.name}")
            _check_apart([pair])
        return Plan([pair], many, folder, 0, [])
    folder = None if output is None else _folder(output)
    for source, name in found:
        if name is None:
            raise ValueError(f"{source} is no file, and is taken alone: no other input beside it")
    pairs = _named(found, folder, suffix)
    left, there = [], []
    for pair in pairs:
        (there if pair.output.is_file() and not force else left).append(pair)
    _check_apart(left)
    return Plan(left, many, folder, len(there), list(_doubtful(there, wanted)))


def _doubtful(there: list[Pair], wanted: Callable[[Path], bool]) -> Iterator[tuple[Pair, str]]:
    """Pairs whose output an earlier run may have made from another file, one that differs only in its suffix."""
    alike: dict[Path, list[str]] = {}  # names by their stems
    for folder in {pair.source.parent for pair in there}:
        for name in sorted(os.listdir(folder)):
            if wanted(path := folder / name):
                alike.setdefault(path.with_suffix(""), []).append(name)
    for pair in there:
        others = [name for name in alike.get(pair.source.with_suffix(""), []) if name != pair.source.name]
        if others and pair.output.stem == pair.source.stem:
            yield pair, others[0]


def pictures(paths: list[str], wanted: Callable[[Path], bool]) -> list[tuple[Path, str]]:
    """The files behind PATH..., each with its name: its place under its folder or pattern, without the suffix.

    Raises `ValueError` if there are none.
    """
    found = _found(paths, wanted)
    return [(source, (name or Path(source.name)).with_suffix("").as_posix()) for source, name in found]


def _single(found: _Found, output: str | None, suffix: str) -> tuple[Pair, Path | None]:
    # -> the pair, and the folder to make
    source, name = found
    if output is None and name is None:
        raise ValueError(f"{source} is no file that could lend its name: say where to write with -o")
    if output is None:
        return Pair(source, source.with_suffix(suffix)), None
    if not (output.endswith(("/", os.sep)) or os.path.isdir(output)):
        return Pair(source, Path(output)), None
    if name is None:
        raise ValueError(f"{source} is no file that could lend its name: name a file, and not a folder, with -o")
    return Pair(source, Path(output) / name.with_suffix(suffix)), Path(output)


def _folder(output: str) -> Path:
    if Path(output) == STANDARD or (os.path.exists(output) and not os.path.isdir(output)):
        raise ValueError(f"many files go into a folder, and {output} is none: name one with -o")
    return Path(output)


def _named(found: list[_Found], folder: Path | None, suffix: str) -> list[Pair]:
    """Outputs under the folder, or beside the inputs.

    Inputs that differ only in their suffix keep it: a.png.gllm and a.jpg.gllm.
    """

    def output(one: _Found, ending: Callable[[Path], Path]) -> Path:
        assert one.name is not None
        return ending(one.source) if folder is None else folder / ending(one.name)

    short = [output(one, lambda name: name.with_suffix(suffix)) for one in found]
    times = Counter(short)
    outputs = [
        path if times[path] == 1 else output(one, lambda name: name.with_name(name.name + suffix))
        for one, path in zip(found, short, strict=True)
    ]
    taken: dict[Path, Path] = {}
    for one, path in zip(found, outputs, strict=True):
        other = taken.setdefault(path, one.source)
        if other != one.source:
            raise ValueError(f"{other} and {one.source} would both become {path}: give them to two commands")
    return [Pair(one.source, path) for one, path in zip(found, outputs, strict=True)]


def _check_apart(pairs: list[Pair]) -> None:
    sources = {os.path.realpath(pair.source): pair.source for pair in pairs}
    for pair in pairs:
        if source := sources.get(os.path.realpath(pair.output)):
            raise ValueError(f"the output would replace the input {source}: name another with -o")


def _found(paths: list[str], wanted: Callable[[Path], bool]) -> list[_Found]:
    """The files that the arguments name, each once. Raises `ValueError` if there are none."""
    found: dict[str, _Found] = {}
    for text in paths:
        behind = list(_behind(text, wanted, alone=len(paths) == 1))
        if not behind:
            raise ValueError(
                f"no file matches {text}" if _is_pattern(text) else f"the folder {text} has no file of a kind read here"
            )
        for one in behind:
            file = os.path.realpath(one.source)  # links may lead in circles: the name without links is better
            if file not in found or os.path.abspath(found[file].source) != file == os.path.abspath(one.source):
                found[file] = one
    return list(found.values())


def _behind(text: str, wanted: Callable[[Path], bool], *, alone: bool) -> Iterator[_Found]:
    path = Path(text)
    if path == STANDARD:
        yield _Found(path, None)
    elif path.is_dir():
        root = path if alone else Path(os.path.abspath(path)).parent
        yield from (_Found(file, Path(os.path.relpath(file, root))) for file in _below(path, wanted))
    elif _is_pattern(text):
        root = _fixed(path)
        for match in sorted(map(Path, glob.glob(text, recursive=True))):
            for file in _below(match, wanted) if match.is_dir() else [match]:
                yield _Found(file, Path(os.path.relpath(file, root)))
    else:  # an absent file is reported when it is read
        named = (path.is_file() or not path.exists()) and not os.path.abspath(path).startswith(("/dev/", "/proc/"))
        yield _Found(path, Path(path.name) if named else None)


def _below(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Wanted files in a folder and its subfolders, in order. Hidden files and folders are left out."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and wanted(path := Path(where, name)) and not _is_special(path):
                yield path


def _is_special(path: Path) -> bool:
    """Whether it is a pipe or a device: opening one may wait for ever. A broken link is reported when it is read."""
    return path.exists() and not path.is_file()


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text) and not os.path.exists(text)


def _fixed(pattern: Path) -> Path:
    """The folders before the first part with a * or a similar sign."""
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


def check_png(output: Path, *, force: bool) -> None:
    """Raises `ValueError` if a figure cannot have that name, `files.WriteError` if a file already has it."""
    if output.suffix.lower() != ".png":
        raise ValueError(f"{output} would be a PNG file of another name: let it end in .png")
    files.check_free(output, force=force)
