"""`evaluate_files` with a stand-in codec: the rows must be those of the bytes it makes."""

import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate.files import evaluate_files, line, mean_row
from gllmm_jax.files import WriteError
from gllmm_jax.picture.picture import PictureError


class Coarse:
    """Keeps the upper five bits, or loses nothing."""

    quality = None

    def __init__(self, step: int = 8) -> None:
        self.step = step

    def compress(self, image: np.ndarray) -> bytes:
        coarse = image // self.step
        return bytes(image.shape) + zlib.compress(coarse.tobytes())

    def decompress(self, data: bytes) -> np.ndarray:
        return np.frombuffer(zlib.decompress(data[3:]), np.uint8).reshape(tuple(data[:3])) * self.step


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(3)
    for folder, shape in (("a", (40, 30, 3)), ("b", (20, 50))):
        (tmp_path / folder).mkdir()
        Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8)).save(tmp_path / folder / "same.png")
    return [tmp_path / "a" / "same.png", tmp_path / "b" / "same.png"]


def test_rows_describe_the_files_that_are_written(paths, tmp_path):
    out = tmp_path / "made" / "here"
    codec: Any = Coarse()
    rows = list(evaluate_files(codec, paths, out))
    assert [row["image"] for row in rows] == ["same", "same-2"]
    for row, path in zip(rows, paths, strict=True):
        assert row["bytes"] == (out / f"{row['image']}.gllm").stat().st_size
        original = np.asarray(Image.open(path)).astype(float)
        decoded = np.asarray(Image.open(out / f"{row['image']}.decoded.png")).astype(float)
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / np.prod(original.shape[:2]))
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean((original - decoded) ** 2)), abs=1e-4)
    mean = mean_row(rows)
    assert mean["image"] == "mean"
    for column in ("bytes", "bpp", "psnr", "msssim"):
        assert mean[column] == pytest.approx(sum(row[column] or 0 for row in rows) / 2)


def test_names_count_up_until_one_is_free(tmp_path, paths):
    (tmp_path / "x").mkdir()
    same = [tmp_path / "a.png", tmp_path / "a-2.png", tmp_path / "x" / "a.jpg"]
    for path in same:
        Image.open(paths[0]).save(path)
    codec: Any = Coarse()
    rows = list(evaluate_files(codec, same, tmp_path / "out"))
    assert [row["image"] for row in rows] == ["a", "a-2", "a-3"]
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_the_originals_stay(tmp_path, paths):
    """Even where they lie in the output's folder and are called as a decoded picture would be."""
    folder = paths[0].parent
    Image.open(paths[0]).save(folder / "same.decoded.png")
    inputs = [paths[0], folder / "same.decoded.png"]
    before = [path.read_bytes() for path in inputs]
    codec: Any = Coarse()
    rows = list(evaluate_files(codec, inputs, folder))
    assert [row["image"] for row in rows] == ["same-2", "same.decoded"]
    assert [path.read_bytes() for path in inputs] == before
    assert (folder / "same-2.decoded.png").exists()


def test_a_folder_that_cannot_be_made(tmp_path, paths):
    codec: Any = Coarse()
    for folder, words in (
        (paths[0], "there is a file of that name"),
        (paths[0] / "in", "a part of that path is a file"),
    ):
        with pytest.raises(WriteError, match=f"cannot make the folder {folder}: {words}"):
            next(evaluate_files(codec, [tmp_path / "none.png"], folder))


def test_what_loses_something_needs_the_option(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 20), 257, np.uint16)).save(path)
    codec: Any = Coarse()
    with pytest.raises(PictureError, match="convert=True"):
        next(evaluate_files(codec, [path]))
    assert len(list(evaluate_files(codec, [path], convert=True))) == 1


def test_no_figure_is_no_number(paths):
    codec: Any = Coarse(step=1)
    (row,) = evaluate_files(codec, paths[:1])
    assert row["psnr"] is None
    assert mean_row([row])["psnr"] is None
    assert "-" in line(row, 5)


def test_nothing_to_evaluate():
    codec: Any = Coarse()
    with pytest.raises(ValueError, match="no pictures"):
        next(evaluate_files(codec, []))


def test_rows_come_one_by_one_past_what_cannot_be_read(paths, tmp_path):
    codec: Any = Coarse()
    bad, skipped = tmp_path / "bad.png", []
    bad.write_text("no picture")
    rows = evaluate_files(codec, [paths[0], bad, paths[1]], skip=skipped.append)
    assert (next(rows)["image"], skipped) == ("same", [])
    assert [row["image"] for row in rows] == ["same-2"]
    assert [str(error) for error in skipped] == [f"{bad} is not a picture that can be read here"]
    with pytest.raises(PictureError):
        list(evaluate_files(codec, [paths[0], bad]))
