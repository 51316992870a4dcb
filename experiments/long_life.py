"""Does a process grow that reads and writes pictures of any size for a month? A picture of another size at every turn.

    python -m experiments.long_life --pictures 1000

Every third file is also cut short and refused. It prints the memory of the process (resident, MB) and the seconds that
a picture took, the median of each tenth of the run. Programs in JAX's own cache on disk are not used.
"""

import argparse
import contextlib
import gc
import os
import time
from pathlib import Path

import numpy as np
import skimage.data

from gllmm_jax import zoo
from gllmm_jax.codec.codec import load
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError


def resident() -> float:
    """MB of this process, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of random sizes, one after the other, in one process.")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--largest", type=int, default=768, help="pixels on a side")
    arguments = parser.parse_args()
    codec, rng, taken = load(arguments.model), np.random.default_rng(0), []
    photograph = np.tile(skimage.data.astronaut(), (-(-arguments.largest // 512), -(-arguments.largest // 512), 1))
    begin = resident()
    print(f"{arguments.model}: {begin:,.0f} MB at the start")
    for number in range(1, arguments.pictures + 1):
        height, width = rng.integers(1, arguments.largest + 1, 2)
        start = time.perf_counter()
        data = codec.compress(photograph[:height, :width])
        codec.decompress(data)
        taken.append(time.perf_counter() - start)
        if number % 3 == 0:
            header, stream = container.unpack(data)
            with contextlib.suppress(BitstreamError):  # true checksums, and half of the stream
                codec.decompress(container.pack(header, stream[: len(stream) // 2]))
        if number % max(arguments.pictures // 10, 1) == 0:
            gc.collect()
            seconds, taken = np.median(taken), []
            print(f"{number:6} pictures  {resident() - begin:+7,.0f} MB  {seconds:6.3f} s a picture", flush=True)


if __name__ == "__main__":
    main()
