"""CompressAI's side of `against_compressai` and `same_weights`. A line read is one call, whose seconds are printed.

    python experiments/compressai_worker.py Cheng2020Anchor 128 photograph.png
    python experiments/compressai_worker.py MeanScaleHyperprior 128,192 photograph.png mbt2018-mean.pth.tar

The calls are "encode", "decode" and "train". Three more print something else: "macs" the multiply-accumulates of the
whole model, forward, a pixel; "bytes" those of what was encoded; and "threads N" by how many of 255 steps the picture
differs, at most, when N threads decode it. Runs where torch and compressai are installed, and needs nothing of this
package. Weights are random unless a state dict is given.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from compressai_reference import models
from PIL import Image

BATCH, CROP = 8, 256


def crops(pixels: np.ndarray) -> np.ndarray:
    """BATCH windows of [height, width, 3], the same ones whoever cuts them."""
    rng = np.random.default_rng(0)
    corners = [(rng.integers(side - CROP + 1, size=BATCH)) for side in pixels.shape[:2]]
    return np.stack([pixels[top : top + CROP, left : left + CROP] for top, left in zip(*corners, strict=True)])


def calls(torch: Any, model: Any, pixels: np.ndarray) -> dict[str, Callable[..., float]]:
    """What can be asked for, by name."""
    from torch.utils.flop_counter import FlopCounterMode

    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    # contiguous: strided ones crash in the backward pass of torch 2.13 on a CPU
    x, batch = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous() for a in (pixels[None], crops(pixels)))
    out: dict[str, Any] = {}

    def encode() -> None:
        with torch.no_grad():
            out.update(model.eval().compress(x))

    def decode() -> Any:
        with torch.no_grad():
            return model.eval().decompress(out["strings"], out["shape"])["x_hat"]

    def train() -> None:
        given = model.train()(batch)
        bits = sum(-torch.log2(likelihoods).sum() for likelihoods in given["likelihoods"].values())
        loss = bits / (BATCH * CROP**2) + 0.0130 * 255**2 * torch.mean((given["x_hat"] - batch) ** 2)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def macs() -> float:
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            model(batch)
        return counted.get_total_flops() / 2 / (BATCH * CROP**2)

    def size() -> int:
        return sum(len(string) for strings in out["strings"] for string in strings)

    def threads(count: str) -> float:
        before, there = torch.get_num_threads(), decode()
        torch.set_num_threads(int(count))
        here = decode()
        torch.set_num_threads(before)
        return float(255 * (here - there).abs().max())

    timed = {"encode": encode, "decode": decode, "train": train}
    return {name: seconds(call) for name, call in timed.items()} | {"macs": macs, "bytes": size, "threads": threads}


def seconds(call: Callable[[], object]) -> Callable[[], float]:
    """The same call, which returns its seconds."""

    def timed() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return timed


def main(name: str, widths: str, image: str, state: str | None = None) -> None:
    """Answers until the input ends."""
    theirs = models()
    import torch

    torch.manual_seed(0)
    model = getattr(theirs, name)(*map(int, widths.split(",")))
    if state is not None:
        model.load_state_dict(torch.load(state, weights_only=True)["state_dict"])
    model.update(force=True)
    asked = calls(torch, model, np.asarray(Image.open(image).convert("RGB"), np.float32) / 255)
    print(f"compressai on torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for line in sys.stdin:
        what, *given = line.split()
        print(asked[what](*given), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
