"""How long entropy models take to decode one picture: several models in turn, in one process.

    python experiments/entropy_models.py --image photograph.png light-0.0130 light-checkerboard light-msp
    python experiments/entropy_models.py --size 1361 1913 gllmm-128 msp-fast

Names are those of installed weights or of files; of a preset random weights are made. Seconds are medians after a first
call that compiles, the last column how often the first model takes as long.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import jax
from timings import random_weights

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.evaluate.cost import rounds, stand_in
from gllmm_jax.picture import picture
from gllmm_jax.presets import PRESETS


def codec_of(name: str, folder: Path, entropy: str | None) -> Codec:
    """The named codec; of a preset, with random weights."""
    if name not in PRESETS or name in zoo.names():
        return load(name, entropy=entropy)
    path = folder / f"{name}.npz"
    random_weights(name, path)
    return load(path, entropy=entropy)


def main() -> None:
    """Arguments, then the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME|FILE|PRESET")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 768), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--image", type=Path, help="a photograph in place of a stand-in of --size")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--entropy", metavar="DEVICE", help="where the exact path runs: cpu, gpu")
    arguments = parser.parse_args()
    image = picture.read(arguments.image) if arguments.image else stand_in(*arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        codecs = [codec_of(name, Path(folder), arguments.entropy) for name in arguments.models]
    files = [codec.compress(image) for codec in codecs]
    seconds = [[] for _ in codecs]
    for number in range(1 + arguments.repeats):
        for codec, data, taken in zip(codecs, files, seconds, strict=True):
            found = codec.decode(data).report.seconds
            if number:
                taken.append((found["entropy"], found["synthesis"], sum(found.values())))
    size = image.shape[:2]
    print(f"{size[0]}x{size[1]}, JAX {jax.__version__}, {jax.devices()[0]}, medians of {arguments.repeats}, in turn")
    print(f"{'':22} {'rounds':>6} {'bytes':>9} {'entropy':>9} {'synthesis':>9} {'decoding':>9} {'faster':>7}")
    first = None
    for codec, data, taken in zip(codecs, files, seconds, strict=True):
        entropy, synthesis, whole = map(statistics.median, zip(*taken, strict=True))
        first = first or whole
        times = f"{entropy:8.3f}s {synthesis:8.3f}s {whole:8.3f}s {first / whole:6.2f}x"
        print(f"{codec.name:22} {rounds(codec.config, size):6} {len(data):9,} {times}")


if __name__ == "__main__":
    main()
