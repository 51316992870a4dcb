"""A large picture there and back on the command line: seconds, and the most memory each way.

    python experiments/large.py --side 10000                                   # 100 megapixels with the default model
    python experiments/large.py --side 10000 --model tests/golden/gllmm-128-golden.npz

The picture is a photograph that scikit-image brings along, repeated as in a mirror, and noise of one grey level.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gllmm_jax import zoo
from gllmm_jax.container.container import MAX_PIXELS
from gllmm_jax.evaluate.demo import photograph


def picture(side: int) -> Image.Image:
    """Of `side` x `side` pixels, 8-bit RGB."""
    tile = photograph("astronaut")
    times = -(-side // (2 * len(tile)))
    mirror = np.concatenate([tile, tile[::-1]])
    mirror = np.concatenate([mirror, mirror[:, ::-1]], axis=1)
    image = np.tile(mirror, (times, times, 1))[:side, :side]
    image ^= np.random.default_rng(0).integers(0, 2, image.shape, np.uint8)
    return Image.fromarray(image)


def run(*arguments: str | Path) -> None:
    """One command in a process of its own: prints its seconds and its peak."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "gllmm_jax", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments[0]} failed")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{arguments[0]:10} {time.perf_counter() - started:8.1f} s {peak / 1e9:6.2f} GB", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=10_000, help="pixels (default: %(default)s)")
    parser.add_argument("--model", default=zoo.DEFAULT, help="an installed model or a weights file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, file, back = (Path(folder) / name for name in ("picture.bmp", "picture.gllm", "back.bmp"))
        picture(arguments.side).save(source)
        limit = max(MAX_PIXELS, arguments.side**2)
        run("compress", source, "-o", file, "--model", arguments.model, "--max-pixels", str(limit))
        print(f"{file.stat().st_size:,} bytes")
        run("decompress", file, "-o", back, "--model", arguments.model, "--max-pixels", str(limit))


if __name__ == "__main__":
    main()
