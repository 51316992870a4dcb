"""What a small file with true checksums costs that announces a large picture: seconds, and memory of the process.

    python experiments/announced.py light-msp-0.0130 1 1000000

The stream is random bytes. Memory is the most that the process had before decoding, and after it.
"""

import argparse
import resource
import time

import numpy as np

from gllmm_jax.codec.codec import load
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError


def peak() -> float:
    """Gigabytes that this process had at most; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Arguments, then one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", metavar="NAME|FILE")
    parser.add_argument("height", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("--bytes", type=int, default=258, help="of the stream (%(default)s)")
    arguments = parser.parse_args()
    codec = load(arguments.model)
    header, _ = container.unpack(codec.compress(np.zeros((64, 64, 3), np.uint8)))
    noise = np.random.default_rng(0).integers(0, 256, arguments.bytes - 1, dtype=np.uint8)
    stream = b"\0" + noise.tobytes()  # no outliers
    data = container.pack(header._replace(height=arguments.height, width=arguments.width), stream)
    before, started = peak(), time.perf_counter()
    try:
        codec.decompress(data, max_pixels=None)
        outcome = "decoded"
    except BitstreamError as error:
        outcome = str(error)
    seconds = time.perf_counter() - started
    size = f"{arguments.height} x {arguments.width}"
    print(
        f"{codec.name}, {size}, {len(data)} bytes: {seconds:.1f} s, {before:.2f} GB before, {peak():.2f} GB: {outcome}"
    )


if __name__ == "__main__":
    main()
