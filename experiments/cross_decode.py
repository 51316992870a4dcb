"""Files made in one environment, decoded in another: the latents must be equal to the bit.

    python experiments/cross_decode.py write DIR        # with one JAX
    python experiments/cross_decode.py read DIR...      # with another; exit status 1 where anything differs

`write` compresses pictures of several sizes and kinds with the default model and with a random one of the preset `mu`,
through every coder that is here. Where the rate is variable, it also writes files of 16 qualities. Each other installed
model gets one small picture and 4 of the qualities. With `--model NAME` it writes all files of that model, and no
others. It leaves the files, the weights of the random one and a list of what their latents are. `read` leaves out, and
counts, files of a coder whose extra is not installed. A few seconds a size.
"""

import argparse
import itertools
import json
import platform
import sys
from pathlib import Path

import jax
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import load
from gllmm_jax.codec.export import make_weights
from gllmm_jax.container.container import CODERS
from gllmm_jax.errors import BitstreamError
from gllmm_jax.nn.model import init_params
from gllmm_jax.presets import PRESETS
from gllmm_jax.walk.coder import named

SIZES = ((1, 1), (7, 5), (1, 67), (257, 576))
QUALITIES = [index * 100 / 15 for index in range(16)]
"""Of models with a variable rate."""

RANDOM = "mu-random"


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Gradients, edges and noise, the same everywhere: whole numbers only. uint8 [height, width, channels]."""
    i, j = np.mgrid[:height, :width].astype(np.int64)
    planes = [(3 * i + 2 * j, i * j // 16, 96 * ((i // 24 + j // 40) % 3))[c % 3] for c in range(channels)]
    noise = np.random.RandomState(height * 1000 + width).randint(0, 16, (height, width, channels))
    waves = np.abs(np.stack(planes, -1) % 480 - 240)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def write(folder: Path, only: str | None) -> None:
    """Compress everything into `folder`, or all of one model."""
    folder.mkdir(parents=True, exist_ok=True)
    # this generator compiles in a fraction of the default one's time, most of all on older JAX
    params = init_params(PRESETS["mu"], jax.random.key(0, impl="unsafe_rbg"))
    zoo.save(folder / f"{RANDOM}.npz", make_weights(RANDOM, PRESETS["mu"], params, [picture(128, 192)]))
    pictures = [picture(*size) for size in SIZES] + [picture(90, 50, channels=1)]
    if zoo.DEFAULT not in zoo.names():
        print(f"the default model {zoo.DEFAULT} is not installed: no files of it are made")
    rows = []
    for model in (*zoo.names(), RANDOM) if only is None else (only,):
        codec, whole = load(_weights(folder, model)), model in (only, zoo.DEFAULT, RANDOM)
        images = pictures if whole else pictures[-1:]
        todo = [(image, coder, None) for image, coder in itertools.product(images, filter(installed, CODERS))]
        if codec.config.rate is not None:
            small, qualities = picture(90, 130), QUALITIES if whole else QUALITIES[::5]
            todo += [(small, coder, quality) for quality in qualities for coder in filter(installed, CODERS)]
        for number, (image, coder, quality) in enumerate(todo):
            data, report = codec.encode(image, quality=quality, estimate=False, coder=coder)
            name = f"{model}.{number}.{'x'.join(map(str, image.shape))}.{coder}.gllm"
            (folder / name).write_bytes(data)
            facts = {"model": model, "coder": coder, "latents_crc32": report.latents_crc32}
            rows.append({"file": name, "shape": image.shape, **facts})
    (folder / "list.json").write_text(json.dumps({"made_by": environment(), "files": rows}))
    print(f"{len(rows)} files made by {environment()}")


def read(folder: Path) -> bool:
    """Decompress everything in `folder` -> whether all latents and shapes are as they were written."""
    listed = json.loads((folder / "list.json").read_text())
    models = dict.fromkeys(row["model"] for row in listed["files"])
    codecs = {model: load(_weights(folder, model)) for model in models}
    wrong = []
    readable = [row for row in listed["files"] if installed(row["coder"])]
    for row in readable:
        try:
            image, report = codecs[row["model"]].decode((folder / row["file"]).read_bytes())
        except BitstreamError as error:
            wrong.append(f"{row['file']}: {error}")
            continue
        if report.latents_crc32 != row["latents_crc32"] or list(image.shape) != row["shape"]:
            wrong.append(f"{row['file']}: other latents or another shape")
    count, left = len(readable), len(listed["files"]) - len(readable)
    print(f"{count - len(wrong)} of {count} files by {listed['made_by']} have equal latents in {environment()}")
    if left:
        print(f"  {left} more need a coder that is not installed here")
    for sentence in wrong:
        print(f"  wrong: {sentence}")
    return not wrong


def installed(coder: str) -> bool:
    """Whether files of this coder can be written and read here."""
    try:
        named(coder)
    except ImportError:
        return False
    return True


def environment() -> str:
    """Versions, and the kind of device."""
    return f"JAX {jax.__version__}, Python {platform.python_version()}, {jax.default_backend()}"


def _weights(folder: Path, model: str) -> str | Path:
    return folder / f"{RANDOM}.npz" if model == RANDOM else model


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--model", metavar="NAME", help="write files of this one alone")
    arguments = parser.parse_args()
    if arguments.what == "write":
        for folder in arguments.folders:
            write(folder, arguments.model)
        return 0
    good = [read(folder) for folder in arguments.folders]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
