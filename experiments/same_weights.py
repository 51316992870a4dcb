"""The same weights, picture and machine: CompressAI's `compress` and `decompress`, and ours, in turn.

    make peers PEERS='--steps 60 --widths 128 192'
    python experiments/same_weights.py .venv/peers/made kodim05.png --peer-python .venv/peers/bin/python \\
        --models mbt2018 cheng2020-anchor --widths 128 192

CompressAI runs in a process of its own, which answers one call at a time. Seconds are medians of the calls after the
first. Then one thread decodes each file, where all cores encoded it: the table says by how many of 255 steps any sample
of CompressAI's picture differs, and whether our latents are the same.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from against_compressai import Peer, coder, medians
from compressai_reference import MODELS, parts

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.export import make_weights
from gllmm_jax.foreign import compressai
from gllmm_jax.picture import picture


def imported(checkpoint: Path, name: str, path: Path) -> Codec:
    """Our codec of a state dict, by a weights file."""
    zoo.save(path, make_weights(name, *compressai.read(checkpoint, name), parts(), short=False))
    return load(path)


def same_by_one_core(weights: Path, data: bytes, crc32: int) -> bool:
    """Whether a process that may use one core alone decodes those latents."""
    file, image = weights.with_suffix(".gllm"), weights.with_suffix(".png")
    file.write_bytes(data)
    line = ["taskset", "-c", "0", sys.executable, "-m", "gllmm_jax", "decompress", file, "-o", image]
    line += ["--model", weights, "--force", "--json"]
    told = subprocess.run(line, capture_output=True, check=True, text=True).stdout
    return json.loads(told)["latents_crc32"] == crc32


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="state dicts that `make peers` made")
    parser.add_argument("image", type=Path, nargs="+")
    parser.add_argument("--peer-python", required=True, metavar="PYTHON", help="one that has compressai")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--widths", nargs=2, default=("32", "48"), help="N and M of those state dicts")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    titles = ["model", "picture", "bytes, theirs", "ours", "encode, theirs", "ours", "decode, theirs", "ours"]
    titles += ["theirs by one thread", "ours by one core"]
    print("|", " | ".join(titles), f"|\n|{' --- |' * len(titles)}")
    for name in arguments.models:
        kind, count = MODELS[name]
        checkpoint, widths = arguments.folder / f"{name}.pth.tar", ",".join(arguments.widths[:count])
        for image in arguments.image:
            pixels = picture.read(image)
            with tempfile.TemporaryDirectory() as folder:
                codec = imported(checkpoint, name, path := Path(folder, f"{name}.npz"))
                peer = Peer(arguments.peer_python, (kind, widths), image, checkpoint)
                calls = {"theirs": peer, "ours": coder(codec, pixels)}
                taken = medians(calls, ["encode", "decode"], arguments.repeats)
                encoded = codec.encode(pixels)
                whether = "equal" if same_by_one_core(path, encoded.data, encoded.report.latents_crc32) else "DIFFERENT"
                cells = [name, image.stem, f"{peer('bytes'):,.0f}", f"{len(encoded.data):,}"]
                cells += [f"{taken[who, what]:.2f} s" for what in ("encode", "decode") for who in calls]
                print("|", " | ".join([*cells, f"{peer('threads 1'):.3g} of 255", whether]), "|", flush=True)


if __name__ == "__main__":
    main()
