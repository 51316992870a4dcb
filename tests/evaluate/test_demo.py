"""The demonstration, with a tiny random model and one photograph."""

import numpy as np
from PIL import Image

from gllmm_jax.evaluate import demo


def test_the_photographs_need_no_network():
    for name in demo.PHOTOGRAPHS:
        image = demo.photograph(name)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


def test_run_leaves_files_and_a_table(mu_file, tmp_path, monkeypatch, capsys):
    part = np.ascontiguousarray(demo.photograph("chelsea")[100:260, 80:300])
    monkeypatch.setattr(demo, "photograph", lambda name: part)
    monkeypatch.setattr(demo, "PHOTOGRAPHS", ("chelsea",))
    rows = demo.run(tmp_path / "out", mu_file)
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {f"chelsea.{kind}" for kind in ("png", "gllm", "jpg", "decoded.png", "comparison.png")}
    assert rows[0]["bytes"] == (tmp_path / "out" / "chelsea.gllm").stat().st_size
    assert (tmp_path / "out" / "chelsea.jpg").stat().st_size >= rows[0]["bytes"]
    with Image.open(tmp_path / "out" / "chelsea.decoded.png") as decoded:
        assert decoded.size == (220, 160)
    printed = capsys.readouterr().out
    assert "mu-random" in printed
    assert f"{rows[0]['psnr']:.2f}" in printed
