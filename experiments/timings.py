"""How long a picture takes: by stage in one process, and for whole command-line calls.

    python experiments/timings.py                               # the default weights
    python experiments/timings.py --preset gllmm-128            # a preset with random weights
    python experiments/timings.py --size 1361 1913 --image photograph.png

First calls compile; the medians are of the calls after them. The command line is called twice with an empty compilation
cache of its own: cold, then warm. With `light` at 512x768 about a minute on two cores, with `gllmm-128` a few.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.export import make_weights
from gllmm_jax.evaluate.cost import stand_in
from gllmm_jax.nn.model import init_params
from gllmm_jax.picture import picture
from gllmm_jax.presets import PRESETS


def random_weights(preset: str, path: Path) -> None:
    """A weights file of untrained parameters: right in every shape, useless as a codec."""
    # this generator compiles in a fraction of the default one's time, most of all on older JAX
    params = init_params(PRESETS[preset], jax.random.key(0, impl="unsafe_rbg"))
    zoo.save(path, make_weights(f"{preset}-random", PRESETS[preset], params, [stand_in(256, 256)]))


def stages(codec: Codec, image: np.ndarray, repeats: int) -> None:
    """Print seconds of every stage: first call, and median of `repeats` more."""
    calls = {"encode": [], "decode": []}
    for _ in range(1 + repeats):
        start = time.perf_counter()
        encoded = codec.encode(image, estimate=False)
        calls["encode"].append(encoded.report.seconds | {"whole": time.perf_counter() - start})
        start = time.perf_counter()
        decoded = codec.decode(encoded.data)
        calls["decode"].append(decoded.report.seconds | {"whole": time.perf_counter() - start})
    print(f"{'one process':24} {'first':>8} {'median of ' + str(repeats):>14}")
    for name, seconds in calls.items():
        for stage in seconds[0]:
            later = statistics.median(call[stage] for call in seconds[1:])
            print(f"{name + ', ' + stage:24} {seconds[0][stage]:7.3f}s {later:13.3f}s")


def many(codec: Codec, image: np.ndarray, count: int) -> None:
    """Print seconds a picture for `count` at once, beside a loop."""
    images = [image] * count
    files = codec.compress_many(images)
    print(f"\n{f'{count} pictures, each':24} {'loop':>8} {'at once':>14}")
    calls = {
        "compress": (lambda: [codec.compress(one) for one in images], lambda: codec.compress_many(images)),
        "decompress": (lambda: [codec.decompress(one) for one in files], lambda: codec.decompress_many(files)),
    }
    for name, ways in calls.items():
        seconds = {way: [] for way in ways}
        for way in ways * 3:  # in turn, so that both see the same machine
            start = time.perf_counter()
            way()
            seconds[way].append((time.perf_counter() - start) / count)
        loop, at_once = (statistics.median(taken) for taken in seconds.values())
        print(f"{name:24} {loop:7.3f}s {at_once:13.3f}s")


def tiles(codec: Codec, count: int) -> None:
    """Print milliseconds a tile of 64x64 pixels, decoded in threads and in programs of 32."""
    whole, rng = stand_in(512, 512), np.random.default_rng(0)
    places = rng.integers(0, 449, (count, 2))
    files = codec.compress_many(whole[top : top + 64, left : left + 64] for top, left in places)
    print(f"\n{count} tiles of 64x64, each; first call, and median of 3")
    for name, options in (("threads", {}), ("batch=32", {"batch": 32})):
        taken = []
        for _ in range(4):
            start = time.perf_counter()
            codec.decompress_many(files, **options)
            taken.append(1000 * (time.perf_counter() - start) / count)
        print(f"{name:24} {taken[0]:7.2f} ms {statistics.median(taken[1:]):12.2f} ms")


def commands(model: str, image: np.ndarray, folder: Path) -> None:
    """Print seconds of whole calls, the second with the cache that the first has filled."""
    source, made, back = folder / "in.png", folder / "in.gllm", folder / "back.png"
    picture.write(source, image)
    environment = os.environ | {"GLLMM_JAX_CACHE": str(folder / "cache")}
    print(f"\n{'command line':24} {'cold cache':>11} {'warm cache':>11}")
    for name, source_file, target in (("compress", source, made), ("decompress", made, back)):
        seconds = []
        for _ in range(2):
            files = [str(source_file), "-o", str(target), "--force"]
            command = [sys.executable, "-m", "gllmm_jax", name, *files, "--model", model]
            start = time.perf_counter()
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(f"{name:24} {seconds[0]:10.2f}s {seconds[1]:10.2f}s")


def main() -> None:
    """Arguments, then both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    which.add_argument("--preset", choices=sorted(PRESETS), help="random weights of this preset")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 768), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--image", type=Path, help="a photograph in place of the stand-in")
    parser.add_argument("--entropy", metavar="DEVICE", help="where the exact path runs: cpu, gpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--many", type=int, default=8, metavar="N", help="pictures at once (0: leave that out)")
    parser.add_argument("--tiles", type=int, default=128, metavar="N", help="tiles of 64x64 (0: leave that out)")
    parser.add_argument("--no-commands", action="store_true", help="leave the command line out")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), arguments.model
        if arguments.preset:
            model = str(folder / "random.npz")
            random_weights(arguments.preset, Path(model))
        image = picture.read(arguments.image) if arguments.image else stand_in(*arguments.size)
        codec = load(model, entropy=arguments.entropy)
        print(f"{codec.name}, {image.shape[0]}x{image.shape[1]}, JAX {jax.__version__}, {jax.devices()[0]}\n")
        stages(codec, image, arguments.repeats)
        if arguments.many:
            many(codec, image, arguments.many)
        if arguments.tiles:
            tiles(codec, arguments.tiles)
        if not arguments.no_commands:
            commands(model, image, folder)


if __name__ == "__main__":
    main()
