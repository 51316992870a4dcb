"""The bar of long work."""

import gc
import io
import os
import re
import sys
import time

import jax
import jax.numpy as jnp
import pytest

from gllmm_jax.cli import main, progress
from gllmm_jax.codec import codec


@pytest.fixture
def terminal(capsys, monkeypatch):
    """stderr is one, and nobody is patient; gives what was written there."""
    monkeypatch.setenv("GLLMM_JAX_CACHE", "")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)  # pytest changes the object between phases
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.02)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((80, 24)))
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
    assert frames[0] == "starting, 0:00"
    assert any(re.fullmatch(r"25%\|.*\| analysis, 0:00, 0:0\d left", frame) for frame in frames)
    assert frames[-1] == "coding, 0:00"
    assert seen.endswith("\r") and not seen.split("\r")[-2].strip()  # and is gone again


def test_of_many_pictures_it_tells_how_long_the_rest_takes(terminal):
    with progress.bar(pictures=4) as show:
        show("coding", 1, 2)
        time.sleep(0.3)
        show.one_is_done()
        show.between(lambda: print("a line", file=sys.stderr))
        time.sleep(0.3)
    seen = terminal()
    frames = [frame.strip() for frame in re.split(r"[\r\n]", seen) if frame.strip()]
    assert frames[0] == "starting, 4 pictures, 0:00" or frames[0] == "coding, 4 pictures, 0:00"
    assert "a line" in frames
    assert re.fullmatch(r"25%\|.*\| 1 of 4 pictures, coding, 0:00, 0:0[0-2] left", frames[-1])


def test_it_tells_that_a_program_is_compiled(terminal, monkeypatch):
    if jax.__version_info__ < (0, 6):
        pytest.skip("this JAX does not tell when it begins")
    monkeypatch.setattr(progress, "EVERY", 0.001)
    with progress.bar() as show:
        show("analysis", 0, 1)
        jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda _, y: jnp.sin(y @ y) + 1.23, x))(jnp.ones((9, 9)))
        time.sleep(0.2)
    frames = [frame.strip() for frame in terminal().split("\r")]
    assert "compiling, 0:00" in frames
    assert [frame for frame in frames if frame][-1] == "analysis, 0:00"


def test_the_commands_tell_it(terminal, mu_file, photo, tmp_path):
    model = "--model", str(mu_file)
    assert main(["compress", str(photo), *model]) == 0
    assert "starting" in terminal()
    assert main(["decompress", str(photo.with_suffix(".gllm")), "-o", str(tmp_path / "out.png"), *model]) == 0
    assert "starting" in terminal()
    assert main(["evaluate", str(photo), *model]) == 0
    assert "measuring" in terminal()


def test_garbage_is_collected_again_after_a_command(mu_file, photo, monkeypatch):
    seen = []
    monkeypatch.setattr(codec, "load", lambda _, **places: seen.append(gc.isenabled()) or 1 / 0)
    assert gc.isenabled() and main(["compress", str(photo), "--model", str(mu_file)]) == 2
    assert seen == [False] and gc.isenabled()


def test_short_work_needs_no_bar(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    with progress.bar() as show:
        show("analysis", 1, 2)
    assert terminal() == ""


def test_nobody_looks_at_a_pipe_or_at_what_is_closed(capsys, monkeypatch, tmp_path):
    def is_shown():
        with progress.bar() as show:
            return show.live

    assert not is_shown()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert is_shown()
    with (tmp_path / "gone").open("w") as gone:
        pass
    monkeypatch.setattr(sys, "stderr", gone)
    assert not is_shown()
    monkeypatch.setattr(sys, "stderr", None)
    assert not is_shown()


class Gone(io.StringIO):
    """A terminal that takes nothing any more; `asked` says how often it was given something."""

    asked = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.asked += 1
        raise OSError("the terminal has gone")


def test_a_terminal_that_has_gone_does_no_harm(terminal, monkeypatch):
    gone = Gone()
    monkeypatch.setattr(sys, "stderr", gone)
    with progress.bar() as show:
        show("analysis", 1, 2)
        time.sleep(0.2)
    assert gone.asked
