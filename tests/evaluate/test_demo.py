"""The demonstration, with a tiny random model and one photograph."""

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate import demo, plots


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_photographs_need_no_network():
    for name in demo.PHOTOGRAPHS:
        image = demo.photograph(name)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


@pytest.fixture
def figures(monkeypatch):
    """All figures that the demonstration saves."""
    found, save = [], plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: found.append(figure) or save(figure, path))
    return found


def test_run_leaves_files_and_a_table(mu_file, mu_codec, figures, tmp_path, monkeypatch, capsys):
    part = np.ascontiguousarray(demo.photograph("chelsea")[100:260, 80:300])
    monkeypatch.setattr(demo, "photograph", lambda name: part)
    monkeypatch.setattr(demo, "PHOTOGRAPHS", ("chelsea",))
    out = tmp_path / "out"
    rows = demo.run(out, mu_file)
    made = {path.name for path in out.iterdir()}
    assert made == {f"chelsea.{kind}" for kind in ("png", "gllm", "jpg", "decoded.png", "comparison.png")}
    assert rows[0]["bytes"] == (out / "chelsea.gllm").stat().st_size
    assert (out / "chelsea.jpg").stat().st_size >= rows[0]["bytes"]
    ours, jpeg = pixels(out / "chelsea.decoded.png"), pixels(out / "chelsea.jpg")
    assert np.array_equal(pixels(out / "chelsea.png"), part)
    assert np.array_equal(ours, mu_codec.decompress((out / "chelsea.gllm").read_bytes()))
    (figure,) = figures
    for axis, column, caption, wanted in zip(
        figure.axes, range(3), ("original", "mu-random: ", "JPEG-4:"), (part, ours, jpeg), strict=False
    ):
        assert (axis.get_subplotspec().rowspan.start, axis.get_subplotspec().colspan.start) == (0, column)
        assert axis.get_title().startswith(caption)
        assert np.array_equal(axis.images[0].get_array(), wanted), caption
    printed = capsys.readouterr().out
    assert "mu-random" in printed
    assert f"{rows[0]['psnr']:.2f}" in printed
