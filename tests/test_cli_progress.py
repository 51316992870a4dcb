"""The bar of long work."""

from gllmm_jax.cli import main, progress


def test_work_that_takes_a_while_shows_a_bar_on_a_terminal(capsys, mu_file, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("GLLMM_JAX_CACHE", "")
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    model = "--model", str(mu_file)
    assert main(["compress", str(photo), *model]) == 0
    assert capsys.readouterr().err == ""  # nobody looks at a file or a pipe
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["compress", str(photo), "-o", str(tmp_path / "again.gllm"), *model]) == 0
    seen = capsys.readouterr().err
    assert all(f"{stage} 100%" in seen for stage in ("analysis", "probabilities", "coding"))
    assert seen.endswith("\r") and not seen.split("\r")[-2].strip()  # and is gone again
    assert main(["decompress", str(photo.with_suffix(".gllm")), "-o", str(tmp_path / "out.png"), *model]) == 0
    seen = capsys.readouterr().err
    assert all(f"{stage} 100%" in seen for stage in ("decoding", "synthesis"))
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    assert main(["decompress", str(photo.with_suffix(".gllm")), "-o", str(tmp_path / "soon.png"), *model]) == 0
    assert capsys.readouterr().err == ""
