"""Two trainings never share a folder, and one that was killed leaves nothing in the way."""

import subprocess
import sys

import pytest

from gllmm_jax.checkpoints.lock import FolderInUseError, locked

fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")

HOLD = """
import sys
from pathlib import Path
from gllmm_jax.checkpoints.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that trains in `tmp_path`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_process_is_refused_until_it_is_killed(other, tmp_path):
    with pytest.raises(FolderInUseError) as caught, locked(tmp_path):
        pass
    assert str(caught.value) == f"another training runs in {tmp_path}: stop it, or use another workdir"
    other.kill()
    other.wait()
    for _ in range(2):  # and a lock given back can be had again
        with locked(tmp_path):
            pass


def test_a_file_system_without_locks_refuses_nothing(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path / "run"), locked(tmp_path / "run"):
        pass
