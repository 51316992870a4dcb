"""How near files come to a size or a PSNR that is asked for, and what looking for it costs.

    python experiments/targets.py IMAGES_DIR --count 6

For each picture: a plain encode, then wishes spread over what the picture can have. There are sizes that must not be
passed, rates, and PSNRs; each is timed against the plain encode, after a first round that compiles. A second a wish.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from gllmm_jax import metrics, zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.picture import picture

SHARES = 0.1, 0.4, 0.75
"""Where between the lowest and the highest quality's value a wish lies."""


def timed(codec: Codec, image: np.ndarray, **wish: float) -> tuple[bytes, float]:
    """The file, and the seconds it took."""
    started = time.perf_counter()
    data = codec.compress(image, **wish)
    return data, time.perf_counter() - started


def psnr_of(codec: Codec, image: np.ndarray, data: bytes) -> float:
    """Of the decoded picture, in dB."""
    return float(metrics.psnr(image, codec.decompress(data), 255.0))


def misses(codec: Codec, image: np.ndarray) -> tuple[dict[str, list[float]], list[float]]:
    """By wish, how far files are from it (bytes and rates as shares, PSNR in dB); times over a plain encode's."""
    plain = statistics.median(timed(codec, image)[1] for _ in range(3))
    ends = [codec.compress(image, quality=quality) for quality in (0, 100)]
    sizes, psnrs = [len(data) for data in ends], [psnr_of(codec, image, data) for data in ends]
    found: dict[str, list[float]] = {"max_bytes": [], "bpp": [], "psnr": []}
    times = []
    for share in SHARES:
        size = round(sizes[0] * (sizes[1] / sizes[0]) ** share)
        data, seconds = timed(codec, image, max_bytes=size)
        found["max_bytes"].append(len(data) / size - 1)
        times.append(seconds / plain)
        data, seconds = timed(codec, image, bpp=8 * size / image[..., 0].size)
        found["bpp"].append(len(data) / size - 1)
        times.append(seconds / plain)
        wanted = psnrs[0] + share * (psnrs[1] - psnrs[0])
        data, seconds = timed(codec, image, psnr=wanted)
        found["psnr"].append(psnr_of(codec, image, data) - wanted)
        times.append(seconds / plain)
    return found, times


def main() -> None:
    """Arguments, then a line a picture and the farthest of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, metavar="IMAGES_DIR")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument("--count", type=int, default=6, help="so many pictures, evenly spread (%(default)s)")
    arguments = parser.parse_args()
    paths = sorted(arguments.images.glob("*.png"))
    paths = [paths[i * len(paths) // arguments.count] for i in range(min(arguments.count, len(paths)))]
    codec, whole, times = load(arguments.model), {"max_bytes": [], "bpp": [], "psnr": []}, []
    misses(codec, picture.read(paths[0]))  # compiles
    for path in paths:
        found, taken = misses(codec, picture.read(path))
        times += taken
        for name, values in found.items():
            whole[name] += values
        sizes = [100 * value for name in ("max_bytes", "bpp") for value in found[name]]
        line = f"{path.stem:12} sizes {min(sizes):+.2f} ... {max(sizes):+.2f} %"
        line += f", PSNR {max(map(abs, found['psnr'])):.3f} dB"
        print(f"{line}, {statistics.median(taken):.2f} times a plain encode", flush=True)
    print(f"max_bytes: {100 * min(whole['max_bytes']):+.2f} ... {100 * max(whole['max_bytes']):+.2f} %")
    print(f"bpp:       {100 * min(whole['bpp']):+.2f} ... {100 * max(whole['bpp']):+.2f} %")
    print(f"psnr:      {min(whole['psnr']):+.3f} ... {max(whole['psnr']):+.3f} dB")
    print(f"time:      {statistics.median(times):.2f} times a plain encode, at most {max(times):.2f}")


if __name__ == "__main__":
    main()
