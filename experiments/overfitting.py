"""What latent overfitting is worth: real files of pictures with and without it.

    python experiments/overfitting.py IMAGES_DIR --steps 50 --count 6

For every picture: bytes and PSNR of the file without the search, after it, and after a fifth as many rounds more at
half of the lambda, or twice of it, whichever brings the PSNR back to that of the first. As many rounds follow again, up
to five times, until the PSNR is back. Between the last two files, on a line in PSNR and the logarithm of bytes, lies
the size at that PSNR. Then how much of what the loss fell by is rate and how much distortion, the loss after 1, 2, 5,
10 ... rounds, and how far the bytes that were written are from those that the search told (0.5 % is allowed: exit
status 1). At the end the means of all pictures; seconds are medians, which compiling does not change, and means.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from gllmm_jax import load, metrics, zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.config import Search
from gllmm_jax.lof import Overfit, Refined
from gllmm_jax.picture import picture

FURTHER = 2.0
"""Lambda times or by this, in the rounds that come after."""

TRIES = 5
"""How often these rounds are made, at most."""

TOLERANCE = 0.005


class File(NamedTuple):
    """Bytes of a file and what it decodes to, PSNR in dB."""

    bytes: int
    psnr: float


def written(codec: Codec, image: np.ndarray, y: np.ndarray, z: np.ndarray) -> File:
    """The file of a picture's latents, decoded from its bytes."""
    data = codec.pack(y, z, image.shape)
    return File(len(data), float(metrics.psnr(image, codec.decompress(data), 255.0)))


def at_equal_psnr(wanted: float, after: File, further: File) -> float:
    """Bytes at the PSNR `wanted`, from two files around it; NaN where it is not between them."""
    low, high = sorted((after.psnr, further.psnr))
    if not low <= wanted <= high or low == high:
        return math.nan
    share = (after.psnr - wanted) / (after.psnr - further.psnr)
    return math.exp((1 - share) * math.log(after.bytes) + share * math.log(further.bytes))


class Result(NamedTuple):
    """One picture: files without the search, after it and after the rounds beyond; and the search itself."""

    without: File
    after: File
    further: File
    found: Refined

    @property
    def saved(self) -> float:
        """Share of the bytes, at equal PSNR."""
        return 1 - at_equal_psnr(self.without.psnr, self.after, self.further) / self.without.bytes

    @property
    def shares(self) -> tuple[float, float]:
        """What rate and distortion fell by, as shares of the loss without the search."""
        before, after, lmbda = self.found.before, self.found.after, self.found.lmbda
        whole = before.loss(lmbda)
        return (before.bpp - after.bpp) / whole, lmbda * (before.mse - after.mse) / whole

    @property
    def curve(self) -> dict[int, tuple[float, float]]:
        """By rounds: the share that the loss has fallen by, and seconds."""
        whole = self.found.before.loss(self.found.lmbda)
        return {point.rounds: (1 - point.loss / whole, point.seconds) for point in self.found.curve}

    @property
    def allowed(self) -> bool:
        """Whether the file has about as many bytes as was told."""
        return abs(self.after.bytes / self.found.bytes - 1) <= TOLERANCE


def examine(codec: Codec, image: np.ndarray, steps: int, method: Search) -> Result:
    """Search, search further, and write all three files."""
    y, z = codec.analyse(image)
    found = Overfit(steps=steps, method=method).search(codec, image, y, z)
    without, after = written(codec, image, y, z), written(codec, image, found.y_hat, found.z_hat)
    lmbda = found.lmbda / FURTHER if after.psnr > without.psnr else found.lmbda * FURTHER
    beyond, further, y, z = Overfit(steps=max(steps // 5, 1), method=method, lmbda=lmbda), after, *found[:2]
    for _ in range(TRIES):
        y, z = beyond.search(codec, image, y, z)[:2]
        further = written(codec, image, y, z)
        if min(after.psnr, further.psnr) <= without.psnr <= max(after.psnr, further.psnr):
            break
    return Result(without, after, further, found)


def line(name: str, result: Result) -> str:
    """For a reader."""
    files = " -> ".join(f"{file.bytes:,} bytes {file.psnr:.2f} dB" for file in result[:3])
    rate, distortion = result.shares
    search = f"loss {rate:.1%} lower by rate and {distortion:.1%} by distortion, {result.found.rounds} rounds"
    off = result.after.bytes / result.found.bytes - 1
    curve = ", ".join(f"{lower:.2%} after {rounds}" for rounds, (lower, _) in result.curve.items())
    saved = f"{result.saved:.1%} fewer bytes at equal PSNR"
    return f"{name}: {files}; {saved}; {search} ({curve}); predicted within {off:+.2%}"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="a folder of PNG pictures")
    parser.add_argument("--model", default=zoo.DEFAULT)
    parser.add_argument("--quality", type=float, help="of a model with a variable rate (its own unless given)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--count", type=int, help="so many of the folder's pictures, evenly spread; all unless given")
    parser.add_argument("--method", choices=get_args(Search), default="greedy")
    arguments = parser.parse_args()
    codec, results = load(arguments.model), []
    codec = codec if arguments.quality is None else codec.at(arguments.quality)
    paths = sorted(arguments.images.glob("*.png"))
    if not paths:
        parser.error(f"{arguments.images} has no PNG pictures")
    count = min(arguments.count or len(paths), len(paths))
    for path in (paths[i * len(paths) // count] for i in range(count)):
        results.append(examine(codec, picture.read(path), arguments.steps, arguments.method))
        print(line(path.stem, results[-1]), flush=True)
    bytes_saved = np.mean([1 - r.after.bytes / r.without.bytes for r in results])
    gained = np.mean([r.after.psnr - r.without.psnr for r in results])
    equal, (rate, distortion) = np.mean([r.saved for r in results]), np.mean([r.shares for r in results], axis=0)
    print(f"{bytes_saved:.2%} fewer bytes and {gained:+.2f} dB; at equal PSNR {equal:.2%} fewer bytes")
    print(f"the loss is {rate + distortion:.2%} lower: {rate:.2%} by rate, {distortion:.2%} by distortion")
    for rounds in results[0].curve:
        known = [r.curve[rounds] for r in results if rounds in r.curve]
        lower, seconds = zip(*known, strict=True)
        took = f"{np.median(seconds):.1f} s, with what was compiled {np.mean(seconds):.0f} s"
        print(f"{rounds:5} rounds: loss {np.mean(lower):.2%} lower after {took} ({len(known)} pictures)")
    return 0 if all(r.allowed for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
