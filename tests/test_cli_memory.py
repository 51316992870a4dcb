"""`--max-memory`: kept by the system, and said in a sentence."""

import subprocess
import sys

import pytest

from gllmm_jax import cli, zoo
from gllmm_jax.cli import options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps the limit")

HUNGRY = """
import resource, sys
from gllmm_jax import cli
from gllmm_jax.cli import pictures
def read(path):
    {}
    return b"nothing"
pictures.read_stream = read
before = resource.getrlimit(resource.RLIMIT_DATA)
status = cli.main(["decompress", "x.gllm", "--max-memory", "{}"])
assert resource.getrlimit(resource.RLIMIT_DATA) == before
sys.exit(status)
"""

TAKES = {
    "Python": "bytearray(1_500_000_000)",
    "NumPy": "import numpy; numpy.ones(200_000_000)",
    "XLA": "import jax; jax.numpy.ones(400_000_000).block_until_ready()",
}


def said(take: str, limit: str) -> str:
    done = subprocess.run([sys.executable, "-c", HUNGRY.format(take, limit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
def test_more_is_not_taken(take):
    assert said(take, "0.9") == "gllmm-jax: out of memory: it takes more than the 0.9 GB of --max-memory\n"
    assert said(take, "2.5") == "gllmm-jax: x.gllm: this is not a .gllm file\n"


def test_a_limit_beyond_all_memory():
    assert said("pass", "1e300") == "gllmm-jax: x.gllm: this is not a .gllm file\n"


def test_a_limit_that_is_none(capsys, monkeypatch):
    assert cli.main(["info", zoo.DEFAULT, "--max-memory", "0.1"]) == 2
    assert (
        capsys.readouterr().err == "gllmm-jax: --max-memory 0.1 is too little: JAX and weights need 0.6 GB at least\n"
    )
    monkeypatch.setattr(options.sys, "platform", "darwin")
    assert cli.main(["info", zoo.DEFAULT, "--max-memory", "9"]) == 2
    assert capsys.readouterr().err == "gllmm-jax: --max-memory is kept by Linux alone\n"


def test_there_and_back_in_little_memory(mu_file, photo, tmp_path):
    limit = ["--model", str(mu_file), "--max-memory", str(options.LEAST)]
    packed, shown = str(tmp_path / "a.gllm"), str(tmp_path / "a.png")
    for command in (["compress", str(photo), "-o", packed], ["decompress", packed, "-o", shown]):
        done = subprocess.run([sys.executable, "-m", "gllmm_jax", *command, *limit], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
