"""The golden files of the tests: small random weights of every model in `MODELS`, and files that were made with them.

    python -m experiments.make_golden tests/golden      # with the extra `tfc`, so that both coders write

Models whose files are there already are left alone.
Files that are out in the world must decode for ever. What this writes is therefore written once: should these files
no longer decode to the same latents, or the same latents give other bytes, then the format has changed and needs a new
version in `container.container`, with golden files of its own beside the old ones.
"""

import argparse
import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import ModelConfig
from gllmm_jax.container.container import CODERS
from gllmm_jax.nn.model import init_params
from gllmm_jax.presets import BASELINES, PRESETS

PICTURES = {"rgb-40x56": (40, 56, 3), "gray-17x9": (17, 9, 1), "one-pixel": (1, 1, 3)}
"""Of every preset by `rans`; by `tfc` the first alone."""

QUALITIES = (0, 23, 77, 100)
"""Of presets with a variable rate, beside their own quality."""

MU = {"widths": (16,), "latents": 16, "hidden": (32, 32)}

MODELS = {name: config for name, config in PRESETS.items() if name not in BASELINES} | {
    "mu-hyperprior": dataclasses.replace(PRESETS["mu"], preset="mu-hyperprior", order="none"),
    "mu-factorized": dataclasses.replace(PRESETS["mu"], preset="mu-factorized", hyper=0),
    **{
        name: dataclasses.replace(BASELINES[preset], preset=name, hyper=hyper, **MU)
        for name, preset, hyper in (
            ("mu-bmshj2018-factorized", "bmshj2018-factorized-192", 0),
            ("mu-bmshj2018-hyperprior", "bmshj2018-hyperprior-192", 16),
            ("mu-mbt2018-mean", "mbt2018-mean-192", 16),
            ("mu-mbt2018", "mbt2018-192", 16),
            ("mu-cheng2020", "cheng2020-gmm-128", 16),
        )
    },
    "mu-elic2022": dataclasses.replace(
        BASELINES["elic2022-320"], preset="mu-elic2022", hyper=16, features=None, splits=(4, 8), **MU
    ),
}
"""The presets but the baselines, and a small model of each entropy model that none of them has."""

INPUTS = 6
"""How many inputs each output of a kernel sees, of hundreds or thousands: the files stay small."""


def sparse_params(config: ModelConfig, seed: int = 0) -> Any:
    """Random parameters of any config; kernels are nearly empty, and what is there takes six values."""
    rng = np.random.default_rng(seed)

    def leaf(path: Any, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        match path[-1].key:
            case "beta":
                return np.ones(shape.shape, np.float32)
            case "gamma":
                return np.sqrt(0.1) * np.eye(*shape.shape, dtype=np.float32)
            case "kernel" | "place" | "out":
                fan_in = int(np.prod(shape.shape[:-1]))
                kernel = np.zeros((fan_in, shape.shape[-1]), np.float32)
                places = rng.integers(0, fan_in, (INPUTS, shape.shape[-1]))
                values = rng.choice([-3, -2, -1, 1, 2, 3], places.shape) * (0.6 / INPUTS**0.5)
                np.put_along_axis(kernel, places, values.astype(np.float32), axis=0)
                return kernel.reshape(shape.shape)
            case "rows" if path[-2].key in ("analysis", "synthesis"):
                sign = 1 if path[-2].key == "analysis" else -1
                return np.broadcast_to(sign * np.linspace(-1, 1, shape.shape[0])[:, None], shape.shape)
            case _:
                return (rng.integers(-4, 5, shape.shape) / 16).astype(np.float32)

    shapes = jax.eval_shape(functools.partial(init_params, config), jax.random.PRNGKey(0))
    return jax.tree_util.tree_map_with_path(leaf, shapes)


def picture(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Waves with some noise, uint8."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width] / 12
    waves = [np.sin(i * a + j * b + c) for a, b, c in rng.uniform(-1, 1, (channels, 3))]
    noise = rng.normal(0, 12, (height, width, channels))
    return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def make(folder: Path, model: str) -> dict[str, Any]:
    """Write the weights and the files of one model, and return the facts that go with them, by the files' names."""
    name, config = f"{model}-golden", MODELS[model]
    calibration = [picture(96, 96, 3, seed) for seed in range(2)]
    zoo.save(folder / f"{name}.npz", make_weights(name, config, sparse_params(config), calibration))
    codec, facts = Codec(zoo.read(folder / f"{name}.npz")), {}
    kinds = list(PICTURES.items())
    todo = [(kind, shape, coder, None) for coder in CODERS for kind, shape in (kinds if coder == "rans" else kinds[:1])]
    if config.rate is not None:
        todo += [(f"quality-{quality}", kinds[0][1], coder, quality) for quality in QUALITIES for coder in CODERS]
    for kind, shape, coder, quality in todo:
        data, report = codec.encode(picture(*shape, seed=7), quality=quality, estimate=False, coder=coder)
        file = f"{model}.{kind}.{coder}.gllm"
        (folder / file).write_bytes(data)
        facts[file] = {"latents_crc32": report.latents_crc32, "bytes": len(data), "shape": shape}
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the golden files, once: of models that have none yet.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "facts.json"
    facts = json.loads(listed.read_text()) if listed.exists() else {}
    new = sorted(MODELS.keys() - {file.split(".")[0] for file in facts})
    if not new:
        parser.error(f"{folder} holds all golden files already: a change of the format needs a new version of it")
    facts |= {file: fact for model in new for file, fact in make(folder, model).items()}
    listed.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
