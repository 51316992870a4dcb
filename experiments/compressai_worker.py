"""CompressAI's side of `against_compressai`: for every line read, "encode", "decode" or "train", one call; prints its
seconds. For "macs" it prints the multiply-accumulates of the whole model, forward, a pixel.

    python experiments/compressai_worker.py Cheng2020Anchor 128 photograph.png

Runs where torch and compressai are installed, and needs nothing of this package. Weights are random.
"""

import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

BATCH, CROP = 8, 256


def crops(pixels: np.ndarray) -> np.ndarray:
    """BATCH windows of [height, width, 3], the same ones whoever cuts them."""
    rng = np.random.default_rng(0)
    corners = [(rng.integers(side - CROP + 1, size=BATCH)) for side in pixels.shape[:2]]
    return np.stack([pixels[top : top + CROP, left : left + CROP] for top, left in zip(*corners, strict=True)])


def calls(torch: Any, model: Any, pixels: np.ndarray) -> dict[str, Callable[[], object]]:
    """What can be asked for, by name."""
    from torch.utils.flop_counter import FlopCounterMode

    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    # contiguous: strided ones crash in the backward pass of torch 2.13 on a CPU
    x, batch = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous() for a in (pixels[None], crops(pixels)))
    out: dict[str, Any] = {}

    def encode() -> None:
        with torch.no_grad():
            out.update(model.eval().compress(x))

    def decode() -> None:
        with torch.no_grad():
            model.eval().decompress(out["strings"], out["shape"])

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

    return {"encode": encode, "decode": decode, "train": train, "macs": macs}


def main(name: str, width: str, image: str) -> None:
    """Answers until the input ends."""
    # imported over there and not used here; the builds of torchvision do not always match torch's
    vision: Any = types.ModuleType("torchvision")
    vision.transforms = types.ModuleType("torchvision.transforms")
    sys.modules |= {"torchvision": vision, "torchvision.transforms": vision.transforms}
    import torch
    from compressai import models

    torch.manual_seed(0)
    model = getattr(models, name)(int(width))
    model.update(force=True)
    asked = calls(torch, model, np.asarray(Image.open(image).convert("RGB"), np.float32) / 255)
    print(f"compressai on torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        answer = asked[line.strip()]()
        print(answer or time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
