"""Times beside CompressAI's models of the same kind, call by call on the same machine.

    python -m venv peer
    peer/bin/pip install torch==2.13.0 scipy pillow && peer/bin/pip install --no-deps compressai==1.2.8
    python experiments/against_compressai.py --image kodim05.png --peer-python peer/bin/python
    python experiments/against_compressai.py --image kodim05.png --peer-python peer/bin/python --what train

Both sides have random weights: what is compared is speed, of encoding and decoding the picture, or of a training step
on eight 256x256 crops of it. CompressAI runs in processes of its own, which answer one call at a time, in turn with
ours; medians are of the calls after the first. Some minutes on two cores.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jax
import numpy as np
from compressai_worker import BATCH, CROP, crops
from timings import random_weights

from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.config import Compute, TrainConfig
from gllmm_jax.evaluate.cost import costs
from gllmm_jax.nn.model import init_params
from gllmm_jax.picture import picture
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.step import create_state, make_train_step

PEERS = {"cheng2020-anchor N=128": ("Cheng2020Anchor", "128"), "cheng2020-attn N=192": ("Cheng2020Attention", "192")}
WORKER = Path(__file__).with_name("compressai_worker.py")

Call = Callable[[str], float]


class Peer:
    """One of CompressAI's models in a process of its own."""

    def __init__(self, python: str, model: tuple[str, str], image: Path, *state: Path) -> None:
        command = [python, str(WORKER), *model, str(image), *map(str, state)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the peer's process has ended: does its Python have torch and compressai?")
        return line

    def __call__(self, what: str) -> float:
        """The answer to one line, as the worker tells."""
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return float(self._line())


def untrained(preset: str, folder: Path) -> Codec:
    """Our codec of random weights."""
    random_weights(preset, folder / f"{preset}.npz")
    return load(folder / f"{preset}.npz")


def coder(codec: Codec, pixels: np.ndarray) -> Call:
    """The same for this library: encode and decode."""
    data = codec.compress(pixels)

    def call(what: str) -> float:
        start = time.perf_counter()
        codec.compress(pixels) if what == "encode" else codec.decompress(data)
        return time.perf_counter() - start

    return call


def trainer(preset: str, pixels: np.ndarray, compute: Compute) -> Call:
    """The same for this library: train and macs."""
    model, config = PRESETS[preset], TrainConfig("", lmbda=0.0130, steps=1, compute=compute)
    step, batch = make_train_step(model, config), crops(pixels)
    state = create_state(config, init_params(model, jax.random.key(0)), jax.random.key(1))

    def call(what: str) -> float:
        nonlocal state
        if what == "macs":
            return 1e3 * sum(costs(model).values())
        start = time.perf_counter()
        state, metrics = step(state, batch, 0.0)
        jax.block_until_ready((state, metrics))
        return time.perf_counter() - start

    return call


def main() -> None:
    """Calls in turn, then the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PYTHON", help="one that has compressai")
    parser.add_argument("--preset", default="gllmm-128")
    parser.add_argument(
        "--what", choices=("code", "train"), default="code", help="encode and decode, or training steps"
    )
    parser.add_argument("--alone", action="store_true", help="this library, and no other process beside it")
    parser.add_argument("--compute", choices=get_args(Compute), default="float32", help="of our training steps")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    pixels = picture.read(arguments.image)
    with tempfile.TemporaryDirectory() as name:
        training = arguments.what == "train"
        preset = arguments.preset
        ours = trainer(preset, pixels, arguments.compute) if training else coder(untrained(preset, Path(name)), pixels)
        asked = {} if arguments.alone else PEERS
        peers = {label: Peer(arguments.peer_python, model, arguments.image) for label, model in asked.items()}
        about = {f"{peer.about}; " for peer in peers.values()}
        print(f"JAX {jax.__version__} on {jax.devices()[0]}; {''.join(about)}seconds, medians\n")
        calls = {preset: ours, **peers}
        if training:
            print_training(calls, medians(calls, ["train"], arguments.repeats))
        else:
            print_coding(preset, calls, medians(calls, ["encode", "decode"], arguments.repeats))


def medians(calls: dict[str, Call], whats: list[str], repeats: int) -> dict[tuple[str, str], float]:
    """Seconds by model and call, taken in turn; the first of each is not counted."""
    seconds = {(label, what): [] for what in whats for label in calls}
    for turn in range(1 + repeats):
        for label, what in seconds:
            taken = calls[label](what)
            if turn:
                seconds[label, what].append(taken)
    return {key: statistics.median(taken) for key, taken in seconds.items()}


def print_coding(preset: str, calls: dict[str, Call], seconds: dict[tuple[str, str], float]) -> None:
    """Seconds, and how many times ours the peers take."""
    print(f"{'':24} {'encode':>8} {'decode':>8} {'encode':>9} {'decode':>9}")
    for label in calls:
        line = f"{label:24} " + " ".join(f"{seconds[label, what]:7.2f}s" for what in ("encode", "decode"))
        if label != preset:
            ratios = (seconds[label, what] / seconds[preset, what] for what in ("encode", "decode"))
            line += "".join(f" {ratio:8.1f}x" for ratio in ratios)
        print(line)


def print_training(calls: dict[str, Call], seconds: dict[tuple[str, str], float]) -> None:
    """Seconds a step, and those by the work: a backward pass is two forward ones."""
    print(f"{'':24} {'step':>8} {'kMAC a pixel':>13} {'GFLOP/s':>8}")
    for label, call in calls.items():
        macs, taken = call("macs"), seconds[label, "train"]
        flops = 2 * 3 * macs * BATCH * CROP**2
        print(f"{label:24} {taken:7.2f}s {macs / 1e3:13.1f} {flops / taken / 1e9:8.1f}")
    memory = jax.devices()[0].memory_stats()  # none of a CPU
    if memory:
        print(f"at most {memory['peak_bytes_in_use'] / 2**30:.1f} GiB of the device's memory")


if __name__ == "__main__":
    main()
