"""The golden files of the tests: small random weights of the `mu` preset and three files that were made with them.

    python -m experiments.make_golden tests/golden

Files that are out in the world must decode for ever. What this writes is therefore written once: should these files
no longer decode to the same latents, or the same latents give other bytes, then the format has changed and needs a new
version in `codec.container`, with golden files of its own beside the old ones.
"""

import argparse
import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import PRESETS, ModelConfig
from gllmm_jax.nn.model import init_params

NAME = "mu-golden"
PICTURES = {"rgb-40x56": (40, 56, 3), "gray-17x9": (17, 9, 1), "one-pixel": (1, 1, 3)}


def coarse_params(config: ModelConfig, seed: int = 0) -> Any:
    """Random parameters of any config; kernels take seven values each, so that the file stays small."""
    rng = np.random.default_rng(seed)

    def leaf(path: Any, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        match path[-1].key:
            case "beta":
                return np.ones(shape.shape, np.float32)
            case "gamma":
                return np.sqrt(0.1) * np.eye(*shape.shape, dtype=np.float32)
            case "kernel":
                step = 0.5 * (1.5 / np.prod(shape.shape[:-1])) ** 0.5
                return (step * rng.integers(-3, 4, shape.shape)).astype(np.float32)
            case _:
                return rng.uniform(-0.3, 0.3, shape.shape).astype(np.float32)

    shapes = jax.eval_shape(functools.partial(init_params, config), jax.random.PRNGKey(0))
    return jax.tree_util.tree_map_with_path(leaf, shapes)


def picture(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Waves with some noise, uint8."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width] / 12
    waves = [np.sin(i * a + j * b + c) for a, b, c in rng.uniform(-1, 1, (channels, 3))]
    noise = rng.normal(0, 12, (height, width, channels))
    return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def make(folder: Path) -> dict[str, Any]:
    """Write the weights and the files to an empty folder, and return the facts that go with them."""
    config = PRESETS["mu"]
    calibration = [picture(96, 96, 3, seed) for seed in range(2)]
    weights = make_weights(NAME, config, coarse_params(config), calibration)
    zoo.save(folder / f"{NAME}.npz", weights)
    codec, facts = Codec(zoo.read(folder / f"{NAME}.npz")), {}
    for name, shape in PICTURES.items():
        data, report = codec.encode(picture(*shape, seed=7), estimate=False)
        (folder / f"{name}.gllm").write_bytes(data)
        facts[name] = {"latents_crc32": report.latents_crc32, "bytes": len(data), "shape": shape}
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the golden files, once.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} holds golden files already: a change of the format needs a new version, not new files")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.json").write_text(json.dumps(make(folder), indent=2) + "\n")


if __name__ == "__main__":
    main()
