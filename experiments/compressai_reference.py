"""CompressAI side of `compressai_weights`: its models, trained a little, and what they make of photographs.

    python experiments/compressai_reference.py FOLDER --steps 200 --widths 32 48

For each model FOLDER/NAME.pth.tar, its state dict, and FOLDER/NAME.npz: every tensor of one photograph, and of each of
three the bits of its likelihoods and the bytes of its strings. Runs where torch, compressai and scikit-image are
installed, and needs nothing of this package. `--steps 0` leaves models at random.
"""

import argparse
import importlib.abc
import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

MODELS = {
    "bmshj2018-factorized": ("FactorizedPrior", 2),
    "bmshj2018-hyperprior": ("ScaleHyperprior", 2),
    "mbt2018-mean": ("MeanScaleHyperprior", 2),
    "mbt2018": ("JointAutoregressiveHierarchicalPriors", 2),
    "cheng2020-anchor": ("Cheng2020Anchor", 1),
    "cheng2020-attn": ("Cheng2020Attention", 1),
}
"""Class, and how many widths it takes."""

PHOTOGRAPHS = {"astronaut": (512, 512), "coffee": (384, 576), "rocket": (384, 640)}
"""Of scikit-image's wheel, cut to whole hyper-latents: height and width."""

LMBDA, BATCH, CROP = 0.0130, 4, 128


def photographs() -> dict[str, np.ndarray]:
    """uint8 by name."""
    from skimage import data

    return {name: getattr(data, name)()[:height, :width] for name, (height, width) in PHOTOGRAPHS.items()}


def parts(side: int = 256) -> list[np.ndarray]:
    """Two squares of each photograph, to calibrate integer twins on."""
    corners = ((0, 0), (128, 256))
    return [whole[top:, left:][:side, :side] for whole in photographs().values() for top, left in corners]


class _Empty(types.ModuleType):
    # a module in whose place nothing is needed: its names are classes that do nothing
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda *_, **__: None, "__call__": lambda _, given: given})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    # what CompressAI imports for point clouds and video, and its image models do not use
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.split(".")[0] in ("torchvision", "torch_geometric"):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> Any:
        return _Empty(spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing to do."""


def models() -> Any:
    """CompressAI's module of models."""
    sys.meta_path.insert(0, _Finder())
    from compressai import models

    return models


def train(torch: Any, model: Any, pictures: list[np.ndarray], steps: int) -> None:
    """Adam on crops of the photographs, from the same seed every time."""
    optimizer, rng = torch.optim.Adam(model.parameters(), 1e-3), np.random.default_rng(0)
    model.train()
    for _ in range(steps):
        crops = []
        for _ in range(BATCH):
            picture = pictures[int(rng.integers(len(pictures)))]
            top, left = (int(rng.integers(side - CROP + 1)) for side in picture.shape[:2])
            crops.append(picture[top : top + CROP, left : left + CROP])
        x = tensor(torch, np.stack(crops))
        out = model(x)
        bits = sum(-torch.log2(likelihoods).sum() for likelihoods in out["likelihoods"].values())
        loss = bits / (BATCH * CROP**2) + LMBDA * 255**2 * torch.mean((out["x_hat"] - x) ** 2)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def tensor(torch: Any, pictures: np.ndarray) -> Any:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in [0, 1]."""
    return torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()


def layers(model: Any, x: Any) -> dict[str, Any]:
    """Every tensor on the way, as `forward` makes them."""
    y, out = model.g_a(x), model(x)
    found = {"y": y, "x_hat": out["x_hat"]} | {f"likelihoods_{k}": v for k, v in out["likelihoods"].items()}
    if hasattr(model, "h_a"):
        z = model.h_a(abs(y) if type(model).__name__ == "ScaleHyperprior" else y)
        z_hat, _ = model.entropy_bottleneck(z)
        params = model.h_s(z_hat)
        found |= {"z": z, "z_hat": z_hat}
        if hasattr(model, "context_prediction"):
            joined = model.context_prediction(y.round())
            params = model.entropy_parameters(__import__("torch").cat((params, joined), dim=1))
        scales, *means = params.chunk(2, 1) if params.shape[1] == 2 * y.shape[1] else (params,)
        found |= {"scales": scales} | ({"means": means[0]} if means else {})
    return {name: value.permute(0, 2, 3, 1).numpy() for name, value in found.items()}


def main() -> None:
    """All models in turn."""
    parser = argparse.ArgumentParser(description="CompressAI's models, their tensors, rates and bytes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--widths", nargs=2, type=int, default=(32, 48), help="N and M; Cheng's have the first alone")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cut", type=int, default=1024, help="pixels that photographs have on a side at most")
    parser.add_argument("--legacy", action="store_true", help="state dicts in the format before PyTorch 1.6")
    parser.add_argument("--bare", action="store_true", help="state dicts without the tables of CompressAI's coder")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    theirs = models()
    import torch

    pictures = photographs()
    for name in arguments.models:
        kind, count = MODELS[name]
        torch.manual_seed(0)
        model = getattr(theirs, kind)(*arguments.widths[:count])
        train(torch, model, list(pictures.values()), arguments.steps)
        model.update(force=True, update_quantiles=True)
        model.eval()
        state, path = model.state_dict(), arguments.folder / f"{name}.pth.tar"
        for key in [key for key in state if arguments.bare and key.endswith("_quantized_cdf")]:
            del state[key]
        torch.save({"epoch": 0, "state_dict": state}, path, _use_new_zipfile_serialization=not arguments.legacy)
        facts: dict[str, Any] = {"median": model.entropy_bottleneck.quantiles[:, 0, 1].detach().numpy()}
        with torch.no_grad():
            for number, (title, picture) in enumerate(pictures.items()):
                x = tensor(torch, picture[None, : arguments.cut, : arguments.cut])
                found = layers(model, x) if number == 0 else {}
                likelihoods = model(x)["likelihoods"].values()
                facts |= found | {f"{title}.bits": float(sum(-torch.log2(a).sum() for a in likelihoods))}
                facts[f"{title}.bytes"] = sum(len(string) for (string,) in model.compress(x)["strings"])
        np.savez_compressed(arguments.folder / f"{name}.npz", **facts)
        print(name, {key: value for key, value in facts.items() if "." in key}, flush=True)


if __name__ == "__main__":
    main()
