"""Encoding and decoding times beside CompressAI's models of the same kind, call by call on the same machine.

    python -m venv peer
    peer/bin/pip install torch==2.13.0 scipy pillow && peer/bin/pip install --no-deps compressai==1.2.8
    python experiments/against_compressai.py --image kodim05.png --peer-python peer/bin/python

Both sides have random weights: what is compared is speed. CompressAI runs in processes of its own, which answer one
call at a time, in turn with ours; medians are of the calls after the first. Some minutes on two cores.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
from timings import random_weights

from gllmm_jax.codec import picture
from gllmm_jax.codec.codec import load

PEERS = {"cheng2020-anchor N=128": ("Cheng2020Anchor", "128"), "cheng2020-attn N=192": ("Cheng2020Attention", "192")}
WORKER = Path(__file__).with_name("compressai_worker.py")


class Peer:
    """One of CompressAI's models in a process of its own."""

    def __init__(self, python: str, model: tuple[str, str], image: Path) -> None:
        command = [python, str(WORKER), *model, str(image)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the peer's process has ended: does its Python have torch and compressai?")
        return line

    def __call__(self, what: str) -> float:
        """Seconds of one "encode" or "decode"."""
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return float(self._line())


def ours(preset: str, image: Path, folder: Path) -> Callable[[str], float]:
    """The same call for this library."""
    random_weights(preset, folder / f"{preset}.npz")
    codec, pixels = load(folder / f"{preset}.npz"), picture.read(image)
    data = codec.compress(pixels)

    def call(what: str) -> float:
        start = time.perf_counter()
        codec.compress(pixels) if what == "encode" else codec.decompress(data)
        return time.perf_counter() - start

    return call


def main() -> None:
    """Calls in turn, then the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PYTHON", help="one that has compressai")
    parser.add_argument("--preset", default="gllmm-128")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        peers = {label: Peer(arguments.peer_python, model, arguments.image) for label, model in PEERS.items()}
        calls = {arguments.preset: ours(arguments.preset, arguments.image, Path(name)), **peers}
        print(f"JAX {jax.__version__} on {jax.devices()[0]}; {next(iter(peers.values())).about}; seconds, medians\n")
        seconds = {(label, what): [] for what in ("encode", "decode") for label in calls}
        for turn in range(1 + arguments.repeats):
            for what in ("encode", "decode"):
                for label, call in calls.items():
                    taken = call(what)
                    if turn:
                        seconds[label, what].append(taken)
        print(f"{'':24} {'encode':>8} {'decode':>8} {'encode':>9} {'decode':>9}")
        medians = {key: statistics.median(taken) for key, taken in seconds.items()}
        for label in calls:
            line = f"{label:24} " + " ".join(f"{medians[label, what]:7.2f}s" for what in ("encode", "decode"))
            if label in peers:
                ratios = (medians[label, what] / medians[arguments.preset, what] for what in ("encode", "decode"))
                line += "".join(f" {ratio:8.1f}x" for ratio in ratios)
            print(line)


if __name__ == "__main__":
    main()
