"""Measuring with stand-in codecs: the rows must be those of the bytes they make, whoever measures."""

import itertools
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate import contestants, spent
from gllmm_jax.evaluate.files import evaluate, examine, tasks
from gllmm_jax.evaluate.rows import key_of
from gllmm_jax.files import WriteError
from gllmm_jax.picture.picture import PictureError


class Coarse(NamedTuple):
    """Keeps the upper bits, or loses nothing."""

    codec: str = "coarse"
    setting: float | None = None
    step: int = 8
    suffix: str = "z"
    outside: bool = False

    def encode(self, image: np.ndarray) -> bytes:
        return zlib.compress((image // self.step).tobytes())

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape) * self.step


class Failing(Coarse):
    def encode(self, image: np.ndarray) -> bytes:
        raise ValueError("it cannot")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(3)
    for folder, shape in (("a", (40, 30, 3)), ("b", (20, 50))):
        (tmp_path / folder).mkdir()
        Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8)).save(tmp_path / folder / "same.png")
    return [(tmp_path / "a" / "same.png", "same"), (tmp_path / "b" / "same.png", "same")]


def test_rows_describe_the_files_that_are_written(pictures, tmp_path):
    out = tmp_path / "made" / "here"
    rows = list(evaluate(tasks([Coarse()], pictures, out)))
    assert [row["image"] for row in rows] == ["same", "same-2"]
    for row, (path, _) in zip(rows, pictures, strict=True):
        assert row["bytes"] == (out / f"{row['image']}.z").stat().st_size
        original = np.asarray(Image.open(path)).astype(float)
        decoded = np.asarray(Image.open(out / f"{row['image']}.decoded.png")).astype(float)
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / np.prod(original.shape[:2]))
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean((original - decoded) ** 2)), abs=1e-4)
        assert row["msssim_db"] == pytest.approx(-10 * np.log10(1 - (row["msssim"] or 0)))
        assert (row["encode_seconds"] or 0) > 0 and (row["decode_seconds"] or 0) > 0


def test_every_codec_at_every_setting_meets_every_picture(pictures, tmp_path):
    everyone = [Coarse("x", 1, 8), Coarse("x", 2, 4), Coarse("y:z", None, 2, "y")]
    rows = list(evaluate(tasks(everyone, pictures, tmp_path / "out")))
    found = [(row["image"], row["codec"], row["setting"]) for row in rows]
    who = [("x", 1), ("x", 2), ("y:z", None)]
    assert found == [(name, *one) for name, one in itertools.product(["same", "same-2"], who)]
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("same.*")}
    folders = {"x/quality-1": "z", "x/quality-2": "z", "yz": "y"}
    assert made == {f"{folder}/same.{end}" for folder, it in folders.items() for end in (it, "decoded.png")}


def test_processes_measure_the_same(pictures, tmp_path):
    bad, skipped = tmp_path / "bad.png", []
    bad.write_text("no picture")
    peers: list[Any] = [contestants.Theirs("jpeg-4:4:4", quality) for quality in (30, 80)]
    alone = {key_of(row): row for row in evaluate(tasks(peers, pictures))}
    shared = list(evaluate(tasks(peers, [(bad, "bad"), *pictures]), jobs=2, skip=skipped.append))
    assert len(shared) == len(alone) == 4
    assert [str(error) for error in skipped] == [f"{bad} is not a picture that can be read here"]
    for row in shared:
        same = alone[key_of(row)]
        assert [row[name] for name in ("bytes", "psnr", "msssim")] == [
            same[name] for name in ("bytes", "psnr", "msssim")
        ]


def test_processes_end_with_the_one_that_began_them(pictures, tmp_path):
    """Which is killed while they encode; each leaves its number."""
    code = f"""
import os, pathlib, time
from gllmm_jax.evaluate import contestants, files

def slow():
    pathlib.Path({str(tmp_path)!r}, "began").write_text(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    todo = files.tasks([contestants.Theirs("webp", 5)], [(pathlib.Path({str(pictures[0][0])!r}), "a")])
    list(files.evaluate(todo, jobs=2, start=slow))
"""
    (tmp_path / "script.py").write_text(code)
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=here)
    try:
        began = tmp_path / "began"
        assert _comes(lambda: began.exists() and bool(began.read_text()))
        child = int(began.read_text())
    finally:
        process.kill()
        process.wait()
    assert _comes(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split())


def _comes(what: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def test_names_count_up_until_one_is_free(tmp_path, pictures):
    (tmp_path / "x").mkdir()
    same = [tmp_path / "a.png", tmp_path / "a-2.png", tmp_path / "x" / "a.jpg"]
    for path in same:
        Image.open(pictures[0][0]).save(path)
    rows = list(evaluate(tasks([Coarse()], [(path, path.stem) for path in same], tmp_path / "out")))
    assert [row["image"] for row in rows] == ["a", "a-2", "a-3"]
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_the_originals_stay(tmp_path, pictures):
    """Even where they lie in the output's folder and are called as a decoded picture would be."""
    path = pictures[0][0]
    Image.open(path).save(path.with_name("same.decoded.png"))
    inputs = [path, path.with_name("same.decoded.png")]
    before = [path.read_bytes() for path in inputs]
    rows = list(evaluate(tasks([Coarse()], [(path, path.stem) for path in inputs], path.parent)))
    assert [row["image"] for row in rows] == ["same-2", "same.decoded"]
    assert [path.read_bytes() for path in inputs] == before
    assert (path.parent / "same-2.decoded.png").exists()


def test_what_is_there_is_not_replaced(pictures, tmp_path):
    (tmp_path / "same-2.z").write_text("mine")
    todo = tasks([Coarse()], pictures, tmp_path)
    with pytest.raises(WriteError, match="is there already"):
        next(evaluate(todo))
    assert not (tmp_path / "same.z").exists()
    assert len(list(evaluate(tasks([Coarse()], pictures, tmp_path, force=True)))) == 2
    assert (tmp_path / "same-2.z").read_bytes() != b"mine"


def test_a_folder_that_cannot_be_made(pictures):
    path = pictures[0][0]
    for folder, words in ((path, "there is a file of that name"), (path / "in", "a part of that path is a file")):
        with pytest.raises(WriteError, match=f"cannot make the folder {folder}: {words}"):
            tasks([Coarse()], pictures, folder)


def test_what_loses_something_needs_the_option(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 20), 257, np.uint16)).save(path)
    with pytest.raises(PictureError, match="convert=True"):
        list(evaluate(tasks([Coarse()], [(path, "deep")])))
    assert len(list(evaluate(tasks([Coarse()], [(path, "deep")], convert=True)))) == 1


def test_a_perfect_picture_has_no_figure(pictures):
    row = examine(tasks([Coarse(step=1)], pictures[:1])[0])
    assert row["psnr"] is None and row["msssim_db"] is None and row["msssim"] == pytest.approx(1)


def test_nothing_to_evaluate():
    with pytest.raises(ValueError, match="no pictures"):
        tasks([Coarse()], [])


def test_rows_come_past_what_cannot_be_read(pictures, tmp_path):
    bad, skipped = tmp_path / "bad.png", []
    bad.write_text("no picture")
    todo = tasks([Coarse("x"), Coarse("y")], [(bad, "bad"), pictures[0]])
    assert {row["image"] for row in evaluate(todo, skip=skipped.append)} == {"same"}
    assert [str(error) for error in skipped] == [f"{bad} is not a picture that can be read here"]
    with pytest.raises(PictureError):
        list(evaluate(todo))


def test_a_codec_that_fails_does_not_stop_the_others(pictures):
    skipped: list[Exception] = []
    rows = list(evaluate(tasks([Failing("x"), Coarse("y")], pictures[:1]), skip=skipped.append))
    assert [row["codec"] for row in rows] == ["y"] and str(skipped[0]) == "it cannot"


def test_seconds_leave_compiling_out(monkeypatch):
    calls = []

    def call() -> int:
        if not calls:
            spent.compiled.append(1.0)  # as JAX's listener does
        calls.append(len(calls))
        return len(calls)

    assert spent.timed(call)[0] == 2 and len(calls) == 2
    assert spent.timed(call)[0] == 3 and len(calls) == 3


def test_jax_tells_when_it_compiles():
    import jax

    spent.timed(lambda: None)
    before = len(spent.compiled)
    jax.jit(lambda x: x * 1.2345 + 6)(np.float32(1)).block_until_ready()
    assert len(spent.compiled) > before


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell")
def test_the_peak_is_that_of_the_call():
    spent.forget_peak()
    before = spent.peak_mb() or 0
    block = np.ones(10_000_000)
    high = spent.peak_mb() or 0
    assert high - before == pytest.approx(80, abs=25)
    del block
    spent.forget_peak()
    assert (spent.peak_mb() or 0) < high - 40
