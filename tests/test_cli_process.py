"""The command line in processes of its own: what it imports, its cache, and how it stops."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import pytest

import gllmm_jax
from gllmm_jax import __main__, cli, zoo
from gllmm_jax.cli import learn
from gllmm_jax.codec import codec

HEAVY = ("optax", "orbax", "grain", "tensorflow", "tensorflow_compression", "matplotlib")


pytestmark = pytest.mark.usefixtures("no_cache")


def test_the_installed_command_is_the_one_tested_here():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"gllmm-jax": f"{__main__.__name__}:{__main__.main.__name__}"}
    assert __main__.INTERRUPTED == learn.INTERRUPTED


MOMENTS = {
    "the command line is imported": "when(builtins, '__import__', lambda name, *_: name == 'argparse')",
    "JAX is imported": "when(builtins, '__import__', lambda name, *_: name == 'jax')",
    # XLA listens for it. The command collects none by itself, so this does on the encoder's way.
    "garbage is collected": "from gllmm_jax.codec import transforms; now = []; "
    "gc.callbacks.append(lambda *_: now and interrupt()); "
    "when(transforms, 'windows', lambda *_: now.append(1) or gc.collect() and False)",
    "a file is half written": "when(os, 'replace', lambda *_: True)",
}


@pytest.mark.parametrize(
    ("moment", "number", "outcome"),
    [
        *((moment, signal.SIGINT, (130, "gllmm-jax: interrupted\n")) for moment in MOMENTS),
        ("a file is half written", signal.SIGTERM, (143, "gllmm-jax: terminated\n")),
    ],
)
def test_interruption(mu_file, photo, tmp_path, moment, number, outcome):
    """One line, status 130 or 143 and no file, also where an exception would be swallowed."""
    code = f"""
import builtins, functools, gc, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have it ignored
from gllmm_jax import __main__, cli
interrupt = functools.partial(signal.raise_signal, {int(number)})
def when(owner, name, now):
    real = getattr(owner, name)
    def wrapped(*arguments, **named):
        if now(*arguments):
            interrupt()
        return real(*arguments, **named)
    setattr(owner, name, wrapped)
{MOMENTS[moment]}
sys.argv[1:] = {["compress", str(photo), "--model", str(mu_file)]}
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == outcome
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


ENTRY = """
import builtins, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
real = builtins.__import__
def storm(name, *rest):
    if name.startswith("gllmm_jax") and name != "gllmm_jax.__main__":
        for _ in range(9):
            signal.raise_signal(signal.SIGINT)
    return real(name, *rest)
builtins.__import__ = storm
from gllmm_jax.__main__ import main
main()
"""

STOPPED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from gllmm_jax import __main__, cli
from gllmm_jax.train import loop
def train():
    with loop.stop_requests():
        for _ in range(9):
            try:
                signal.raise_signal(signal.{})
            except BaseException:  # as a compiler's callback does
                pass
cli.main = train
__main__.main()
"""


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (ENTRY, (130, "gllmm-jax: interrupted\n")),
        (STOPPED.format("SIGINT"), (130, "gllmm-jax: interrupted\n")),
        (STOPPED.format("SIGTERM"), (143, "gllmm-jax: terminated\n")),
    ],
)
def test_a_storm_of_signals(code, outcome):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == outcome


def test_interruption_is_left_to_the_caller(monkeypatch, photo, tmp_path):
    def interrupted(*_, **places):
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(codec, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cli.main(["compress", str(photo)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_signal_that_is_ignored_stays_so():
    """As by a shell's background jobs."""
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
from gllmm_jax import __main__, cli
cli.main = lambda: signal.raise_signal(signal.SIGINT)
__main__.main()
"""
    assert python(code) == ""


def python(code: str, **environment: str) -> str:
    """Output of a fresh interpreter."""
    command, variables = [sys.executable, "-c", code], {**os.environ, **environment}
    variables.pop("JAX_COMPILATION_CACHE_DIR", None)  # of the tests
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout


def test_version():
    out = subprocess.run([sys.executable, "-m", "gllmm_jax", "--version"], check=True, capture_output=True, text=True)
    first, second, third = out.stdout.splitlines()
    assert first == f"gllmm-jax {gllmm_jax.__version__}"
    assert f"JAX {jax.__version__} on {jax.default_backend()}" in second
    assert third == f"weights: {', '.join(zoo.names())}"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("models >/dev/full", "cannot write to standard output: no space left on device"),
        ("models --json >/dev/full", "cannot write to standard output: no space left on device"),
        ("--help >/dev/full", "cannot write to standard output: no space left on device"),
        ("models >&-", "standard output is closed: send it to a file, or to /dev/null"),
    ],
)
def test_an_output_that_takes_nothing(command, why):
    line = f"{sys.executable} -m gllmm_jax {command}"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(line, shell=True, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gllmm-jax: {why}\n")


@pytest.mark.parametrize(
    ("command", "platform"),
    [
        (["compress"], "cuda"),
        (["compress"], "nonsense"),
        (["compress", "--entropy", "cpu"], "cuda"),
        (["train"], "cuda"),
        (["--version"], "nonsense"),
    ],
)
def test_a_platform_that_is_not_here(mu_file, photo, tmp_path, command, platform):
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU here")
    rest = {
        "compress": [str(photo), "--model", str(mu_file)],
        "train": [
            "--data",
            str(photo.parent),
            "--preset",
            "mu",
            "--lmbda",
            "1",
            "--steps",
            "1",
            "--workdir",
            str(tmp_path),
        ],
    }
    line = [sys.executable, "-m", "gllmm_jax", *command, *rest.get(command[0], [])]
    done = subprocess.run(line, env={**os.environ, "JAX_PLATFORMS": platform}, capture_output=True, text=True)
    why = f"JAX_PLATFORMS is '{platform}', and JAX finds no such device here: leave it empty for what there is"
    assert (done.returncode, done.stderr) == (2, f"gllmm-jax: {why}\n")


LONG = "n" * 300


@pytest.mark.parametrize("command", [
    ["compress", LONG], ["compress", "photo.png", "--model", LONG], ["compress", "photo.png", "-o", LONG],
    ["decompress", LONG], ["info", LONG], ["evaluate", LONG], ["export", LONG, "-o", "x.npz"],
    ["train", "--data", LONG, "--preset", "light-vr", "--steps", "1", "--workdir", "w"],
])  # fmt: skip
def test_a_name_that_is_too_long(photo, monkeypatch, capsys, command):
    monkeypatch.chdir(photo.parent)
    assert cli.main(command) == 2
    line = capsys.readouterr().err
    assert LONG in line and line.endswith(": file name too long\n") and "Errno" not in line


def test_names_that_the_terminal_cannot_write(mu_file, photo):
    source = photo.rename(photo.with_name("zä.png"))
    command = [sys.executable, "-m", "gllmm_jax", "compress", str(source), "--model", str(mu_file)]
    variables = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "z\\xe4.gllm: 20 x 20" in done.stdout


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
