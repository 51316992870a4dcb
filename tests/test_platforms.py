"""What other systems lack is not needed."""

import subprocess
import sys

POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
"""Modules that Windows lacks."""


def test_it_runs_where_posix_modules_are_missing(mu_file, photo, tmp_path):
    source, packed, output, model = (str(path) for path in (photo, tmp_path / "a.gllm", tmp_path / "a.png", mu_file))
    code = f"""
import sys
sys.modules.update(dict.fromkeys({POSIX}))
import gllmm_jax.pillow, gllmm_jax.checkpoints.lock, gllmm_jax.lof
from gllmm_jax.cli import main
assert main(["compress", {source!r}, "--model", {model!r}, "-o", {packed!r}]) == 0
assert main(["decompress", {packed!r}, "--model", {model!r}, "-o", {output!r}]) == 0
with gllmm_jax.checkpoints.lock.locked(__import__("pathlib").Path({str(tmp_path / "run")!r})):
    print("locked")
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "locked"
