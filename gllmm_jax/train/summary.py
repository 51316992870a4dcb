"""One page about a run, written when the run ends or stops."""

import csv
from pathlib import Path

import jax

from gllmm_jax import files
from gllmm_jax.checkpoints.record import Record, lmbda_name
from gllmm_jax.optimizer.state import state_shapes

NAME = "summary.txt"
ROWS = 12
"""Validations that the page shows: evenly spread, with the last."""


def write_summary(folder: Path, record: Record, message: str) -> None:
    """Write the page into the run's `folder`. It reads `log.csv` there. Raises `files.WriteError`."""
    files.write(folder / NAME, _summary(folder, record, message).encode())


def _summary(folder: Path, record: Record, message: str) -> str:
    model, train = record.model, record.train
    count = sum(leaf.size for leaf in jax.tree.leaves(state_shapes(model, train).params))
    device = jax.devices()[0]
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    speeds = [float(row["images_per_second"]) for row in rows if row["split"] == "train"]
    speed = f"{sum(speeds) / len(speeds):.1f} images/s" if speeds else "not measured"
    changed = {k: v for k, v in train.to_dict().items() if v is not None and k not in ("data", "lmbda")}
    devices = f"{jax.device_count()} x {device.device_kind}, {jax.process_count()} processes"
    facts = {
        "model": f"{model.preset}, {count:,} parameters",
        "lambda": f"{lmbda_name(train.lmbda)}, {train.distortion}",
        "photographs": train.data,
        "devices": f"{devices}, JAX {jax.__version__}",
        "length": f"{record.step:,} steps, {record.seconds / 60:.1f} minutes, {speed}",
        "settings": ", ".join(f"{name} {value}" for name, value in changed.items()),
    }
    lines = [message, "", *(f"{name:12} {value}" for name, value in facts.items()), "", *_validations(rows)]
    export = f"gllmm-jax export {folder} -o {model.preset}.npz    makes a weights file of the best"
    return "\n".join([*lines, "", export, ""])


def _validations(rows: list[dict[str, str]]) -> list[str]:
    found = [row for row in rows if row["split"] == "validation"]
    if not found:
        return ["no validation yet"]
    best = min(found, key=lambda row: float(row["loss"]))
    shown = sorted({round(i * (len(found) - 1) / ROWS) for i in range(ROWS + 1)} | {found.index(best)})
    lines = [f"{'step':>10} {'minutes':>8} {'loss':>9} {'bpp':>8} {'PSNR':>7} {'MS-SSIM':>8}"]
    for row in (found[i] for i in shown):
        figures = (float(row[name] or "nan") for name in ("seconds", "loss", "bpp", "psnr", "ms_ssim"))
        seconds, loss, bpp, psnr, ms_ssim = figures
        text = f"{row['step']:>10} {seconds / 60:8.1f} {loss:9.4f} {bpp:8.4f} {psnr:7.2f} {ms_ssim:8.4f}"
        lines.append(text + ("  the best" if row is best else ""))
    return lines
