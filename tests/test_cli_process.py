"""The command line in processes of its own: what it imports, its cache, and how it stops."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gllmm_jax
from gllmm_jax import __main__, cli
from gllmm_jax.cli import cache

HEAVY = ("optax", "orbax", "grain", "tensorflow", "tensorflow_compression", "matplotlib")


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("GLLMM_JAX_CACHE", "")


def test_the_installed_command_is_the_one_tested_here():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"gllmm-jax": f"{__main__.__name__}:{__main__.main.__name__}"}
    assert __main__.INTERRUPTED == cli.INTERRUPTED


def test_interruption_before_the_command_line_is_there():
    code = """
import builtins
from gllmm_jax import __main__
real = builtins.__import__
def interrupted(name, *rest):
    if name == "argparse":
        raise KeyboardInterrupt
    return real(name, *rest)
builtins.__import__ = interrupted
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "gllmm-jax: interrupted\n")


def test_interruption_of_a_process_at_work(mu_file, photo, tmp_path):
    command = ["compress", str(photo), "--model", str(mu_file)]
    code = f"""
import signal, threading, time, sys
from gllmm_jax import __main__, cli
sys.argv[1:] = {command}
threading.Timer(2.5, lambda: signal.raise_signal(signal.SIGINT)).start()
cli.pictures._load = lambda *_: [time.sleep(0.05) for _ in range(600)]
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "gllmm-jax: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def python(code: str, **environment: str) -> str:
    """Output of a fresh interpreter."""
    variables = {**os.environ, **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout


def test_version():
    out = subprocess.run([sys.executable, "-m", "gllmm_jax", "--version"], check=True, capture_output=True, text=True)
    assert out.stdout == f"gllmm-jax {gllmm_jax.__version__}\n"


def test_nothing_heavy_is_imported(mu_file, photo, tmp_path):
    """Neither by the package nor by compressing and decompressing; and the package alone leaves even JAX out."""
    source, packed, output, model = (str(path) for path in (photo, tmp_path / "a.gllm", tmp_path / "a.png", mu_file))
    code = f"""
import sys, gllmm_jax
from gllmm_jax.cli import main
assert "jax" not in sys.modules
assert main({["compress", source, "--model", model, "-o", packed]}) == 0
assert main({["decompress", packed, "--model", model, "-o", output]}) == 0
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert python(code).splitlines()[-1] == "[]"


def test_the_cache_folder(monkeypatch, tmp_path):
    assert cache.folder() is None
    monkeypatch.setenv("GLLMM_JAX_CACHE", str(tmp_path))
    assert cache.folder() == tmp_path
    monkeypatch.delenv("GLLMM_JAX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache.folder() == tmp_path / "gllmm_jax" / "xla"


CACHED = """
import jax, jax.numpy as jnp
from gllmm_jax.cli import cache
cache.WORTH_KEEPING = 0
cache.enable()
assert jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((4, 4))).shape == (4, 4)
"""


def test_the_cache_fills(tmp_path):
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir())


def test_a_cache_that_cannot_be_used_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "below", "/proc/nowhere"):
        assert python(CACHED, GLLMM_JAX_CACHE=str(place)) == ""


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:100], lambda data: b"no program" * 9])
def test_a_damaged_cache_heals_in_silence(tmp_path, damage):
    """JAX alone reads, rejects and recompiles such an entry at every call."""
    python(CACHED, GLLMM_JAX_CACHE=str(tmp_path))
    whole = {path: path.read_bytes() for path in tmp_path.glob("*-cache")}
    for path, data in whole.items():
        path.write_bytes(damage(data))
    command = [sys.executable, "-c", CACHED]
    variables = {**os.environ, "GLLMM_JAX_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    assert whole and (done.stdout, done.stderr) == ("", "")
    assert all(len(path.read_bytes()) > len(data) / 2 for path, data in whole.items())
