"""Entropy coding of this checkout beside that of another one: seconds and bytes of the same pictures, in turn.

    git worktree add ../before c54fae5
    python experiments/against_version.py ../before --image kodim05.png light-0.0130.npz light-vr.npz

Each weights file is loaded by one process a checkout. The processes take turns, call by call, so both see the same
machine. The columns are medians of the stage "entropy", in seconds, and how many times as long this checkout takes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

WORKER = """
import json, sys
import numpy as np
from PIL import Image
from gllmm_jax.codec.codec import load
codec, image = load(sys.argv[1]), np.asarray(Image.open(sys.argv[2]).convert("RGB"))
for _ in sys.stdin:
    encoded = codec.encode(image, estimate=False)
    found = codec.decode(encoded.data).report.seconds["entropy"]
    print(json.dumps([len(encoded.data), encoded.report.seconds["entropy"], found]), flush=True)
"""


def start(checkout: Path, weights: Path, image: Path) -> subprocess.Popen[str]:
    """A process that measures once for every line it is given."""
    command = [sys.executable, "-c", WORKER, str(weights.resolve()), str(image.resolve())]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=checkout, env=environment, text=True)


def call(worker: subprocess.Popen[str]) -> list[float]:
    """Bytes, seconds of entropy encoding, seconds of entropy decoding."""
    assert worker.stdin and worker.stdout
    print(file=worker.stdin, flush=True)
    return json.loads(worker.stdout.readline())


def main() -> None:
    """Arguments, then a line for each weights file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", type=Path, metavar="CHECKOUT")
    parser.add_argument("weights", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print(f"{'':24} {'bytes before, now':>20} {'encoding':>16} {'':>6} {'decoding':>16}")
    for weights in arguments.weights:
        workers = [start(path, weights, arguments.image) for path in (arguments.other, Path(__file__).parent.parent)]
        found = [[call(worker) for worker in workers] for _ in range(1 + arguments.repeats)][1:]
        (sizes, *before), (sizes_now, *now) = (zip(*side, strict=True) for side in zip(*found, strict=True))
        cells = [f"{sizes[0]:>9,} {sizes_now[0]:>9,}"]
        for old, new in zip(before, now, strict=True):
            ratio = statistics.median(b / a for a, b in zip(old, new, strict=True))
            cells.append(f"{statistics.median(old):.3f} {statistics.median(new):.3f} {ratio:5.2f}x")
        print(f"{weights.stem:24} {'   '.join(cells)}", flush=True)
        for worker in workers:
            worker.kill()


if __name__ == "__main__":
    main()
