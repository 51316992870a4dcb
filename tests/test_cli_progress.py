"""The bar of long work."""

import gc
import os
import sys
import time

import pytest

from gllmm_jax.cli import main, pictures, progress


@pytest.fixture
def terminal(capsys, monkeypatch):
    """stderr is one, and nobody is patient; gives what was written there."""
    monkeypatch.setenv("GLLMM_JAX_CACHE", "")
    monkeypatch.setattr(progress, "_on_a_terminal", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.02)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    return lambda: capsys.readouterr().err


def test_it_shows_the_stage_and_how_much_of_it_is_done(terminal):
    with progress.bar() as show:
        time.sleep(0.3)
        show("analysis", 1, 4)
        time.sleep(0.3)
        show("coding", 2, 2)
        time.sleep(0.3)
    seen = terminal()
    frames = [frame.strip() for frame in seen.split("\r") if frame.strip()]
    assert frames[0].startswith("starting   0%|")
    assert any(frame.startswith("analysis  25%|") for frame in frames)
    assert frames[-1].startswith("coding 100%|")
    assert seen.endswith("\r") and not seen.split("\r")[-2].strip()  # and is gone again


def test_the_commands_tell_it(terminal, mu_file, photo, tmp_path):
    model = "--model", str(mu_file)
    assert main(["compress", str(photo), *model]) == 0
    assert "starting" in terminal()
    assert main(["decompress", str(photo.with_suffix(".gllm")), "-o", str(tmp_path / "out.png"), *model]) == 0
    assert "starting" in terminal()
    assert main(["evaluate", str(photo), *model]) == 0
    assert "%|" in terminal()


def test_garbage_is_collected_again_after_a_command(mu_file, photo, monkeypatch):
    seen = []
    monkeypatch.setattr(pictures, "_load", lambda _, **places: seen.append(gc.isenabled()) or 1 / 0)
    assert gc.isenabled() and main(["compress", str(photo), "--model", str(mu_file)]) == 2
    assert seen == [False] and gc.isenabled()


def test_short_work_needs_no_bar(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    with progress.bar() as show:
        show("analysis", 1, 2)
    assert terminal() == ""


def test_nobody_looks_at_a_pipe_or_at_what_is_closed(capsys, monkeypatch, tmp_path):
    assert not progress._on_a_terminal()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert progress._on_a_terminal()
    with (tmp_path / "gone").open("w") as gone:
        pass
    monkeypatch.setattr(sys, "stderr", gone)
    assert not progress._on_a_terminal()
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress._on_a_terminal()


def test_a_terminal_that_has_gone_does_no_harm(terminal, monkeypatch, tmp_path):
    with (tmp_path / "gone").open("w") as gone:
        pass
    monkeypatch.setattr(sys, "stderr", gone)
    with progress.bar() as show:
        show("analysis", 1, 2)
        time.sleep(0.2)
