"""Rate and distortion of real files: many codecs encode pictures, and decode them from the bytes of the files."""

import functools
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gllmm_jax import files
from gllmm_jax.evaluate.contestants import Contestant
from gllmm_jax.evaluate.rows import Key, Row, key, key_of, measure
from gllmm_jax.evaluate.spent import forget_peak, peak_mb, timed
from gllmm_jax.picture import picture

Skip = Callable[[Exception], object]


class Task(NamedTuple):
    """The task of one row: a picture by its path and its name in the row, and the codec that encodes it.

    `out` is the file to leave, without its suffix. `force` replaces existing files.
    """

    contestant: Contestant
    path: Path
    name: str
    out: Path | None = None
    convert: bool = False
    force: bool = False

    @property
    def key(self) -> Key:
        """The key that distinguishes its row from others."""
        return key(self.contestant.codec, self.contestant.setting, self.name)

    def outputs(self) -> tuple[Path, Path]:
        """Paths of the file and of the decoded picture."""
        assert self.out is not None
        suffixes = f".{self.contestant.suffix}", ".decoded.png"
        file, decoded = (self.out.with_name(self.out.name + suffix) for suffix in suffixes)
        return file, decoded


def tasks(
    contestants: Sequence[Contestant],
    pictures: Iterable[tuple[Path, str]],
    out_dir: str | os.PathLike[str] | None = None,
    *,
    convert: bool = False,
    force: bool = False,
) -> list[Task]:
    """All measurements: each contestant on each of the `pictures`, which are pairs of path and name.

    With `out_dir`, made if it is missing, each task leaves NAME.gllm and NAME.decoded.png there. If there are several
    contestants, each has a folder named after its codec and setting. A task never replaces a picture, and replaces
    other files only with `force`. Names that two pictures share, or that would lead to one of the pictures, get a
    number. Raises `ValueError` without pictures, `files.WriteError` if the disk refuses.
    """
    named = list(pictures)
    if not named:
        raise ValueError("there are no pictures to evaluate")
    root = None if out_dir is None else files.make_folder(out_dir)
    folders = {contestant: root and root / _folder(contestant, contestants) for contestant in contestants}
    suffixes = {contestant.suffix for contestant in contestants} | {"decoded.png"}
    names = _names(named, [folder for folder in folders.values() if folder], suffixes)
    return [
        Task(contestant, path, name, folder and folder / name, convert, force)
        for (path, _), name in zip(named, names, strict=True)
        for contestant, folder in folders.items()
    ]


def evaluate(
    todo: Sequence[Task], *, jobs: int = 1, start: Callable[[], object] | None = None, skip: Skip | None = None
) -> Iterator[Row]:
    """A generator of one row per task, as soon as it is measured.

    One process gives the rows in order, several processes give them as they finish. If a task fails, its error is
    raised. With `skip` that is called with the error, and the task is left out. If a picture cannot be read, all its
    other tasks are left out too. Each of `jobs` processes calls `start` first. Their seconds are those of a machine
    that does other work. Raises `files.WriteError` if an output exists already.
    """
    for output in itertools.chain.from_iterable(task.outputs() for task in todo if task.out):
        files.check_free(output, force=todo[0].force)
    bad: set[Path] = set()

    def meet(task: Task, error: Exception) -> None:
        if skip is None or not isinstance(error, ValueError | OSError | ImportError):
            raise error
        if isinstance(error, picture.PictureError):
            if task.path in bad:
                return
            bad.add(task.path)
        skip(error)

    if jobs == 1:
        for task in todo:
            if task.path in bad:
                continue
            try:
                row = examine(task)
            except Exception as error:
                meet(task, error)
                continue
            yield row
        return
    # JAX does not survive a fork
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(start,)
    )
    try:
        at_work = {pool.submit(examine, task): task for task in todo}
        for done in as_completed(at_work):
            try:
                row = done.result()
            except Exception as error:
                meet(at_work[done], error)
                continue
            yield row
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(start: Callable[[], object] | None) -> None:
    """Prepare a process that measures. It ends with the process that began it, even if that process was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    if start is not None:
        start()


def in_order(rows: Iterable[Row], tasks: Iterable[Task]) -> list[Row]:
    """Rows in the order of their tasks: several processes end in another."""
    order = {task.key: number for number, task in enumerate(tasks)}
    return sorted(rows, key=lambda row: order[key_of(row)])


def examine(task: Task) -> Row:
    """Encode, decode and measure. Raises `PictureError`, `files.WriteError`, and what the codec raises."""
    image, contestant = _read(task.path, task.convert), task.contestant
    forget_peak()
    data, encoding = timed(lambda: contestant.encode(image))
    decoded, decoding = timed(lambda: contestant.decode(data, image.shape))
    peak = None if contestant.outside else peak_mb()
    if task.out is not None:
        files.make_folder(task.out.parent)
        for output in task.outputs():
            files.check_free(output, force=task.force)
        stream, decoded_picture = task.outputs()
        files.write(stream, data)
        picture.write(decoded_picture, decoded)
    costs = {"encode_seconds": encoding, "decode_seconds": decoding, "peak_mb": peak}
    return measure(task.name, image, decoded, len(data), codec=contestant.codec, setting=contestant.setting, **costs)


@functools.lru_cache(maxsize=1)
def _read(path: Path, convert: bool) -> np.ndarray:
    """The picture, for several tasks in turn."""
    return picture.read(path, convert=convert)


def _folder(contestant: Contestant, contestants: Sequence[Contestant]) -> Path:
    """The contestant's folder under the output. Some systems allow no colon in the name of a folder."""
    of_it = [other for other in contestants if other.codec == contestant.codec]
    path = Path(contestant.codec.replace(":", "")) if len(of_it) < len(contestants) else Path()
    return path / f"quality-{contestant.setting:g}" if len(of_it) > 1 else path


def _names(pictures: list[tuple[Path, str]], folders: list[Path], suffixes: set[str]) -> list[str]:
    """Names with numbers that make each free: no two rows or outputs share a name, and no output replaces a picture."""
    inputs = {path.resolve() for path, _ in pictures}
    names: dict[str, None] = {}
    for _, wanted in pictures:
        for name in itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2))):
            outputs = {(folder / f"{name}.{suffix}").resolve() for folder in folders for suffix in suffixes}
            if name not in names and inputs.isdisjoint(outputs):
                names[name] = None
                break
    return list(names)
