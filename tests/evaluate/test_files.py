"""`evaluate_files` with a stand-in codec: the rows must be those of the bytes it makes."""

import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate.files import evaluate_files, table


class Coarse:
    """Keeps the upper five bits, or loses nothing."""

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
    rows = evaluate_files(codec, paths, out)
    assert [row["image"] for row in rows] == ["same", "same-2", "mean"]
    for row, path in zip(rows, paths, strict=False):
        assert row["bytes"] == (out / f"{row['image']}.gllm").stat().st_size
        original = np.asarray(Image.open(path)).astype(float)
        decoded = np.asarray(Image.open(out / f"{row['image']}.png")).astype(float)
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / np.prod(original.shape[:2]))
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean((original - decoded) ** 2)), abs=1e-4)
    for column in ("bytes", "bpp", "psnr", "msssim"):
        assert rows[2][column] == pytest.approx(sum(row[column] or 0 for row in rows[:2]) / 2)


def test_no_figure_is_no_number(paths):
    codec: Any = Coarse(step=1)
    rows = evaluate_files(codec, paths[:1])
    assert rows[0]["psnr"] is None
    assert rows[1]["psnr"] is None
    assert "-" in table(rows).splitlines()[1]


def test_nothing_to_evaluate():
    codec: Any = Coarse()
    with pytest.raises(ValueError, match="no pictures"):
        evaluate_files(codec, [])
