"""Whether bytes and PSNR grow with every one of the 256 qualities, on every picture.

    python experiments/every_quality.py IMAGES_DIR --output falls.txt

For each picture: a real file of every quality, and the PSNR of its latents' picture. g_a runs once a picture. A line
names the picture, its smallest and largest file, its PSNR at both ends, and each quality (0 to 255) at which bytes or
PSNR fall below those of the quality before, with the fall. Pictures that are in the output already are skipped. About
a minute a picture of Kodak.
"""

import argparse
from pathlib import Path

import numpy as np

from gllmm_jax import cache, load, zoo
from gllmm_jax.codec import transforms
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.quality import quality_of
from gllmm_jax.codec.wish import psnr_of
from gllmm_jax.config import QUALITIES
from gllmm_jax.picture import picture


def points(codec: Codec, image: np.ndarray) -> tuple[list[int], list[float]]:
    """Bytes and PSNR in dB at every quality."""
    y, sizes, decibels = transforms.ungained(codec.config, codec.params, image), [], []
    for index in range(QUALITIES):
        chosen = codec.at(quality_of(index))
        y_hat, z_hat = chosen.quantise(y)
        sizes.append(len(chosen.pack(y_hat, z_hat, image.shape)))
        decibels.append(psnr_of(chosen, image, y_hat))
    return sizes, decibels


def falls(values: list[int] | list[float], unit: str) -> str:
    """The qualities at which values fall, for a reader."""
    found = [(index + 1, fall) for index, fall in enumerate(np.diff(values)) if fall < 0]
    return "; ".join(f"{unit} at {index}: {fall:.3g}" for index, fall in found)


def main() -> None:
    """A line a picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, metavar="IMAGES_DIR")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    cache.enable()
    codec = load(arguments.model)
    lines = arguments.output.read_text().splitlines() if arguments.output.exists() else []
    done = {line.partition(":")[0] for line in lines}
    for path in sorted(arguments.images.glob("*.png")):
        if path.stem not in done:
            sizes, decibels = points(codec, picture.read(path))
            ends = f"{sizes[0]:,} to {sizes[-1]:,} bytes, {decibels[0]:.2f} to {decibels[-1]:.2f} dB"
            fallen = [text for text in (falls(sizes, "bytes"), falls(decibels, "dB")) if text]
            line = f"{path.stem}: {ends}; {'; '.join(fallen) or 'both grow with every quality'}"
            with arguments.output.open("a") as file:
                print(line, file=file)
            print(line, flush=True)


if __name__ == "__main__":
    main()
