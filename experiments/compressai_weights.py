"""CompressAI's models, read by `foreign.compressai`, beside themselves: every tensor, rates, and bytes of real files.

    python experiments/compressai_reference.py FOLDER     # in an environment with compressai: `make peers` does both
    python -m experiments.compressai_weights FOLDER

Tensors agree within 1e-4 of the largest of each, rates of the float models within 0.1 %, and both are checked. The
joint models, `mbt2018` and `cheng2020`, have two rates. CompressAI's `forward` shows round(y), and counts the bits of
round(y - mean) + mean; this is checked. Its files carry the latter and show another picture. Ours carry and show
round(y).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.compressai_reference import MODELS, parts, photographs
from gllmm_jax.codec.codec import Codec
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import ModelConfig
from gllmm_jax.foreign import compressai
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.prob import factorized, mixture

TENSORS, RATES = 1e-4, 1e-3
"""What may differ, of the largest of a tensor and of a rate."""

LEAST = factorized.LIKELIHOOD_MIN

Arrays = Mapping[str, np.ndarray]


def tensors(config: ModelConfig, params: Any, pixels: np.ndarray, median: np.ndarray, theirs: Arrays) -> Arrays:
    """What CompressAI's `forward` makes of a picture uint8 [H, W, 3], by its names.

    What is rounded is `theirs` where that is known: of half a million numbers one may lie between two whole ones.
    """

    def run(method: Any, *arrays: Any) -> Any:
        found = apply(config, params, *arrays, method=method)
        return np.asarray(found) if isinstance(found, jax.Array) else found

    y = run(Model.analysis, pixels[None].astype(np.float32) / 255)
    if not config.has_hyperprior:
        rounded = np.rint(theirs.get("y", y + median) - median)
        likelihoods = 2.0 ** -run(Model.prior_bits, rounded)
        return {"y": y + median, "x_hat": run(Model.synthesis, rounded), "likelihoods_y": likelihoods}
    z, y_known = run(Model.hyper_analysis, y), theirs.get("y", y)
    z_hat = np.rint(theirs.get("z", z + median) - median)
    given = {"y": y, "z": z + median, "z_hat": z_hat + median}
    given["likelihoods_z"] = 2.0 ** -run(Model.prior_bits, z_hat)
    found = run(Model.distributions, np.rint(y_known), z_hat)
    if config.direct:
        means = run(Model.means, z_hat) if config.centred else np.zeros_like(y)
    else:
        means = np.asarray(found.mean[..., 0, :])
    coded = np.rint(y_known - theirs.get("means", means))
    shown = coded + means if config.centred else np.rint(y_known)
    bits = np.asarray(mixture.bin_bits(jnp.asarray(coded if config.direct else coded + means), found, least=LEAST))
    given |= {"means": means} if config.design != "balle" else {}
    scales = np.asarray(found.scale[..., 0, :])
    return given | {"scales": scales, "likelihoods_y": 2.0**-bits, "x_hat": run(Model.synthesis, shown)}


def compare(name: str, folder: Path) -> list[str]:
    """A line for the tensors, a line for each photograph; raises `AssertionError` where something differs."""
    config, params = compressai.read(folder / f"{name}.pth.tar", name)
    with np.load(folder / f"{name}.npz") as stored:
        theirs, pictures = dict(stored), photographs()
    known = [theirs, *({} for _ in pictures)]  # the tensors of the first photograph
    named = {
        title: tensors(config, params, picture, theirs["median"], its)
        for (title, picture), its in zip(pictures.items(), known, strict=False)
    }
    worst = {}
    for key, value in next(iter(named.values())).items():
        wanted = np.maximum(theirs[key], mixture.SCALE_BOUND) if key == "scales" else theirs[key]
        worst[key] = float(np.abs(value - wanted).max() / np.abs(wanted).max())
    lines = [f"{name}: the tensor that differs most is {max(worst, key=worst.__getitem__)}, {max(worst.values()):.1e}"]
    assert max(worst.values()) < TENSORS, worst
    codec = Codec(make_weights(name, config, params, parts(), short=False))
    for title, picture in pictures.items():
        bits = sum(float(-np.log2(v).sum()) for k, v in named[title].items() if k.startswith("likelihoods"))
        encoded, wanted = codec.encode(picture), float(theirs[f"{title}.bits"])
        assert abs(bits / wanted - 1) < RATES, (title, bits, wanted)
        decoded = codec.decode(encoded.data).image
        mse = np.mean(np.square(decoded.astype(np.float32) - picture))
        ours, written = len(encoded.data), int(theirs[f"{title}.bytes"])
        lines.append(
            f"  {title:10} bits {100 * (bits / wanted - 1):+.4f} %, bytes {written:7,} and ours {ours:7,}: "
            f"{100 * (ours / written - 1):+.2f} %, {10 * np.log10(255**2 / mse):.2f} dB"
        )
    return lines


def main() -> None:
    """All models whose tensors are in the folder."""
    parser = argparse.ArgumentParser(description="Tensors, rates and bytes beside those of CompressAI.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in MODELS:
        if (folder / f"{name}.npz").exists():
            print("\n".join(compare(name, folder)), flush=True)


if __name__ == "__main__":
    main()
