"""CompressAI's side of `against_compressai`: for every line read, "encode" or "decode", one call; prints its seconds.

    python experiments/compressai_worker.py Cheng2020Anchor 128 photograph.png

Runs where torch and compressai are installed, and needs nothing of this package. Weights are random.
"""

import sys
import time
import types
from typing import Any

import numpy as np
from PIL import Image


def main(name: str, width: str, image: str) -> None:
    """Answers until the input ends."""
    # imported over there and not used here; the builds of torchvision do not always match torch's
    vision: Any = types.ModuleType("torchvision")
    vision.transforms = types.ModuleType("torchvision.transforms")
    sys.modules |= {"torchvision": vision, "torchvision.transforms": vision.transforms}
    import torch
    from compressai import models

    torch.manual_seed(0)
    model = getattr(models, name)(int(width)).eval()
    model.update(force=True)
    pixels = np.asarray(Image.open(image).convert("RGB"), np.float32) / 255
    x, out = torch.from_numpy(pixels).permute(2, 0, 1)[None], None
    print(f"compressai on torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        with torch.no_grad():
            if line.strip() == "encode":
                out = model.compress(x)
            elif out is not None:
                model.decompress(out["strings"], out["shape"])
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
