"""What each part of a model is worth: mixture, block, attention, transforms, entropy model; changed and trained alike.

    python experiments/ablation.py --data PHOTOGRAPHS --workdir runs/ablation --preset gllmm-128 --steps 20000
    python experiments/ablation.py --data PHOTOGRAPHS --workdir runs/ablation --preset mu --steps 200     # a rehearsal

Prints a table: the best validation of each, and its loss against the whole model's. Runs that are there already go on
or are only read. The paper has such a table, whose numbers could not be had.
"""

import argparse
import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from gllmm_jax.config import ModelConfig, Progressive, TrainConfig
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.loop import train

SWITCHES: dict[str, dict[str, object]] = {
    "whole": {},
    "mixture G": {"families": ("gaussian",), "components": 1},
    "mixture GMM3": {"families": ("gaussian",)},
    "mixture LaMM3": {"families": ("laplace",)},
    "mixture LoMM3": {"families": ("logistic",)},
    "block plain": {"block": "plain"},
    "block leaky": {"block": "leaky"},
    "block crm3": {"block": "crm3"},
    "no attention": {"attention": False},
    "checkerboard": {"order": "checkerboard"},
    "msp": {"msp": Progressive()},
    "residual": {"transform": "residual"},
    "residual, msp": {"transform": "residual", "msp": Progressive()},
}


def variants(preset: str) -> Iterator[tuple[str, ModelConfig]]:
    """The models by what was changed."""
    for name, changes in SWITCHES.items():
        yield name, dataclasses.replace(PRESETS[preset], **changes)


def best(log: Path) -> dict[str, float]:
    """The validation row of the lowest loss."""
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    row = min(rows, key=lambda row: float(row["loss"]))
    return {name: float(row[name]) for name in ("loss", "bpp", "psnr")}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="gllmm-128")
    parser.add_argument("--lmbda", type=float, default=0.013)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--only", nargs="+", choices=list(SWITCHES), default=list(SWITCHES))
    arguments = parser.parse_args()
    config = TrainConfig(
        arguments.data, lmbda=arguments.lmbda, steps=arguments.steps, batch=arguments.batch, crop=arguments.crop
    )
    found = {}
    for name, model in variants(arguments.preset):
        if name in arguments.only:
            outcome = train(model, config, arguments.workdir / name.replace(", ", "-").replace(" ", "-"))
            if not outcome.finished:
                return
            found[name] = best(outcome.folder / "log.csv")
    print(f"{'':14} {'loss':>8} {'bpp':>7} {'PSNR':>6} {'loss over the whole model':>26}")
    for name, row in found.items():
        over = f"{row['loss'] / found['whole']['loss'] - 1:+.1%}" if "whole" in found else ""
        print(f"{name:14} {row['loss']:8.4f} {row['bpp']:7.4f} {row['psnr']:6.2f} {over:>26}")


if __name__ == "__main__":
    main()
