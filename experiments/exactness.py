"""Two hundred pictures of many sizes at every preset: does each file decode to the latents it was made from?

    python experiments/exactness.py write DIR                      # makes the files, and decodes them here
    taskset -c 0 python experiments/exactness.py read DIR          # again on one core
    JAX_DISABLE_JIT=1 python experiments/exactness.py read DIR --up-to 400   # without a compiler, up to 400 pixels
    python experiments/exactness.py read DIR --small --entropy gpu # a walk on an accelerator, where each step is slow

Pictures are crops of a photograph that scikit-image brings along; weights are the sparse ones of the tests' golden
files. `read` on another machine or device needs the folder and a checkout. Exit status 1 on any mismatch. On two cores
`write` takes some minutes for the largest presets, whose transforms compile for every size.
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.evaluate.demo import photograph
from gllmm_jax.presets import PRESETS

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
SIZES = [(1, 1), (1, 2), (2, 1), (7, 5), (15, 17), (16, 16), (17, 15), (1, 67), (67, 1), (32, 32), (33, 48), (64, 64),
         (65, 63), (100, 90), (5, 300), (300, 5), (128, 128), (129, 190), (200, 160), (257, 320)]  # fmt: skip
EACH = 10
SMALL, OF_SMALL = (64, 64), 12
"""The one size of `--small`, and how many pictures of it."""


def codec_of(preset: str, entropy: str | None) -> Codec:
    """With the stored weights of the golden files."""
    return Codec(zoo.read(GOLDEN / f"{preset}-golden.npz"), entropy=entropy)


def write(folder: Path, presets: list[str], small: bool, entropy: str | None) -> int:
    """Number of mismatches; the files are left in `folder`."""
    image, rng, wrong = photograph("astronaut"), np.random.default_rng(0), 0
    folder.mkdir(parents=True, exist_ok=True)
    for preset in presets:
        codec, started, count, size = codec_of(preset, entropy), time.perf_counter(), 0, 0
        for height, width in [SMALL] if small else SIZES:
            for number in range(OF_SMALL if small else EACH):
                top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
                crop = image[top : top + height, left : left + width]
                y_hat, z_hat = codec.analyse(crop)
                data = codec.pack(y_hat, z_hat, crop.shape)
                _, *back = codec.unpack(data)
                wrong += not all(map(np.array_equal, back, (y_hat, z_hat)))
                (folder / f"{preset}.{height}x{width}.{number}.gllm").write_bytes(data)
                count, size = count + 1, size + len(data)
        seconds = time.perf_counter() - started
        print(f"{preset:10} {count} pictures, {size:,} bytes, {seconds:.0f} s, {wrong} mismatches", flush=True)
    return wrong


def read(folder: Path, presets: list[str], up_to: int | None, small: bool, entropy: str | None) -> int:
    """Number of files of `folder` whose latents are not the encoder's, told by their checksum."""
    wrong = 0
    for preset in presets:
        codec, count, started = codec_of(preset, entropy), 0, time.perf_counter()
        sizes = f"{SMALL[0]}x{SMALL[1]}" if small else "*"
        for path in sorted(folder.glob(f"{preset}.{sizes}.*.gllm")):
            data = path.read_bytes()
            header, _ = container.unpack(data)
            if up_to and header.height * header.width > up_to:
                continue
            try:
                codec.unpack(data)
            except BitstreamError as error:
                print(f"{path.name}: {error}")
                wrong += 1
            count += 1
        print(f"{preset:10} {count} files, {time.perf_counter() - started:.0f} s, {wrong} mismatches", flush=True)
    return wrong


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("folder", type=Path)
    stored = sorted(preset for preset in PRESETS if (GOLDEN / f"{preset}-golden.npz").exists())
    parser.add_argument("--presets", nargs="+", choices=stored, default=stored, help="those with golden files")
    parser.add_argument("--up-to", type=int, metavar="PIXELS", help="read: leave larger pictures out")
    parser.add_argument("--small", action="store_true", help=f"{OF_SMALL} pictures of {SMALL[0]}x{SMALL[1]} alone")
    parser.add_argument("--entropy", metavar="DEVICE", help="where the exact path runs: cpu, gpu")
    arguments = parser.parse_args()
    print(f"JAX {jax.__version__}, {jax.devices()[0]}, jit {'off' if jax.config.values['jax_disable_jit'] else 'on'}")
    if arguments.what == "write":
        return 1 if write(arguments.folder, arguments.presets, arguments.small, arguments.entropy) else 0
    return 1 if read(arguments.folder, arguments.presets, arguments.up_to, arguments.small, arguments.entropy) else 0


if __name__ == "__main__":
    sys.exit(main())
