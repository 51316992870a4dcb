"""The rate-distortion curve of a model: real files of a folder of pictures at several qualities, beside other codecs.

    python experiments/rd_plot.py IMAGES_DIR --points kodak.csv --peers PEERS.csv --published elic --plot kodak.png

Points that the CSV holds already are not measured again, as by `gllmm-jax evaluate --rows`. Then the means by quality,
pictures whose rate or PSNR falls from one quality to the next, and against each codec of --peers (columns codec,
setting, image, bytes, bpp, psnr, msssim) and --published: the BD-rate of the mean curves, where they overlap, and the
gain in dB at equal rate. A second a point on two cores, and another for MS-SSIM. An error where decoded latents differ.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.evaluate import contestants, files, plots, points
from gllmm_jax.evaluate.rows import File, Row, key_of, read

QUALITIES = [round(100 * i / 11, 2) for i in range(12)]
RATES = 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.2


def complete(model: str, paths: list[Path], kept: Path) -> list[Row]:
    """All rows of the model, those that are missing measured and added to the file one by one."""
    file = File(kept)
    ours = contestants.qualities_of(model, QUALITIES)
    tasks = files.tasks(ours, [(path, path.stem) for path in paths])
    known, wanted = {key_of(row) for row in file.rows}, {task.key for task in tasks}
    for row in files.evaluate([task for task in tasks if task.key not in known]):
        file.add(row)
        print(f"\r{row['image']}", end="", file=sys.stderr, flush=True)
    return [row for row in file.rows if key_of(row) in wanted]


def exceptions(rows: Sequence[Row]) -> list[str]:
    """Pictures whose rate or PSNR is not higher at a higher quality."""
    by_image: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_image[row["image"]].append(row)
    found = []
    for name, its in by_image.items():
        its.sort(key=lambda row: row["setting"] or 0)
        for figure in ("bytes", "psnr"):
            steps = np.diff([row[figure] or np.inf for row in its])
            found += [f"{name}: {figure} from quality {its[i]['setting']:g}" for i in np.flatnonzero(steps <= 0)]
    return found


def decibels(gain: float) -> str:
    """A gain as text; a dash where there is none."""
    return "-" if np.isnan(gain) else f"{gain:+.2f} dB"


def main() -> None:
    """Arguments, measurements, tables, plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, metavar="IMAGES_DIR")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument("--points", type=Path, required=True, metavar="CSV", help="measured points are kept here")
    parser.add_argument("--peers", type=Path, metavar="CSV", help="points of other codecs on the same pictures")
    parser.add_argument("--published", nargs="+", default=[], metavar="CODEC", help="curves of papers, for Kodak alone")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    parser.add_argument("--title", help="of the plot, as in Kodak; the folder's name unless given")
    parser.add_argument("--drawn", nargs="+", metavar="CODEC", help="the other codecs in the plot; all unless given")
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, metavar="BPP", help="of the gains")
    arguments = parser.parse_args()
    rows = complete(arguments.model, sorted(arguments.images.glob("*.png")), arguments.points)
    means = points.means(rows)
    print("| quality | bpp | PSNR | MS-SSIM | encode | decode |\n| --- | --- | --- | --- | --- | --- |")
    for row in means:
        figures = f"{row['bpp']:.4f} | {row['psnr']:.2f} | {row['msssim']:.4f}"
        print(f"| {row['setting']:g} | {figures} | {row['encode_seconds']:.2f} s | {row['decode_seconds']:.2f} s |")
    print("\nnot higher at the next quality:", "; ".join(exceptions(rows)) or "nowhere")

    name = means[0]["codec"]
    peers = read(arguments.peers) if arguments.peers else []
    papers = points.published_means(arguments.published, {row["image"] for row in rows})
    curves = points.curves(points.means(points.complete([*rows, *peers], warn=print)) + papers)
    ours = curves.pop(name)
    print(f"\n| against | BD-rate | {' | '.join(f'{rate:g} bpp' for rate in arguments.rates)} |")
    print(f"| --- | --- |{' --- |' * len(arguments.rates)}")
    for peer, ahead in points.gains(ours, curves, arguments.rates).items():
        saved = points.difference(curves[peer], ours).rate
        print(f"| {peer} | {saved:+.1f} % | {' | '.join(map(decibels, ahead))} |")
    if arguments.plot:
        drawn = {peer: curve for peer, curve in curves.items() if peer in (arguments.drawn or curves)}
        title, most = (
            f"{arguments.title or arguments.images.name}: means of {len(rows) // len(means)} pictures",
            1.1 * max(ours.bpp),
        )
        figure = plots.rate_distortion(drawn | {name: ours}, ours=[name], max_bpp=most, title=title)
        plots.save(figure, arguments.plot, made_of=[path for path in (arguments.points, arguments.peers) if path])


if __name__ == "__main__":
    main()
