"""The loss of runs over their time, from the log that every run writes.

    python experiments/training_plot.py runs/light-vr/lmbda_0.0008-0.1200/log.csv -o loss.png

Several logs are drawn one after the other, for a run that began with the weights of the run before.
"""

import argparse
import csv
from pathlib import Path

from matplotlib.figure import Figure

from gllmm_jax.evaluate import plots


def main() -> None:
    """Arguments, then the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("logs", nargs="+", type=Path, metavar="CSV")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG")
    arguments = parser.parse_args()
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    begun = 0.0
    for number, log in enumerate(arguments.logs):
        with log.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if number:
            axes.axvline(begun, color="black", linewidth=0.8, linestyle=":")
        for split, colour, marker in (("train", plots.GREY, ""), ("validation", plots.BLUE, "o")):
            found = [(begun + float(row["seconds"]) / 60, float(row["loss"])) for row in rows if row["split"] == split]
            if found:
                minutes, losses = zip(*found, strict=True)
                label = f"{split}, {losses[-1]:.4f} at the end" if log == arguments.logs[-1] else None
                axes.plot(minutes, losses, color=colour, marker=marker, label=label)
        begun += float(rows[-1]["seconds"]) / 60
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend()
    plots.save(figure, arguments.output, made_of=arguments.logs)


if __name__ == "__main__":
    main()
