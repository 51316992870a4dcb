"""The rate-distortion curve of a model: real files of a folder of pictures at several qualities, beside other codecs.

    python experiments/rd_plot.py IMAGES_DIR --points kodak.csv --peers PEERS.csv --plot kodak.png

Every picture is compressed, decompressed and measured at every quality; its latents must come back. Points that the CSV
holds already are not measured again, so a run that was stopped goes on. Then the means by quality, pictures whose rate
or PSNR falls from one quality to the next, and against each codec of --peers (columns codec, setting, image, bytes,
bpp, psnr, msssim): the BD-rate of the mean curves (Akima; the bjontegaard package), where they overlap, and the gain in
dB at equal rate. A second a point on two cores, and another for MS-SSIM. Exit status 1 where latents differ.
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import bjontegaard
import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.evaluate import plots
from gllmm_jax.evaluate.bdrate import Curve, psnr_at
from gllmm_jax.evaluate.files import measure
from gllmm_jax.picture import picture

COLUMNS = "codec", "setting", "image", "bytes", "bpp", "psnr", "msssim", "encode_seconds", "decode_seconds"
QUALITIES = [round(100 * i / 11, 2) for i in range(12)]
RATES = 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.2

Points = list[dict[str, str]]


def examine(codec: Codec, quality: float, path: Path) -> dict[Any, Any]:
    """One row. Raises `SystemExit` where the latents are not those that were coded."""
    image, chosen = picture.read(path), codec.at(quality)
    data, report = chosen.encode(image, estimate=False)
    y_hat, z_hat = chosen.analyse(image)
    _, *back = codec.unpack(data)
    if not all(map(np.array_equal, back, (y_hat, z_hat))):
        sys.exit(f"{path.name} at quality {quality:g}: LATENTS DIFFER")
    decoded = codec.decode(data)
    row = measure(path.stem, image, decoded.image, len(data))
    seconds = [f"{sum(stages.values()):.3f}" for stages in (report.seconds, decoded.report.seconds)]
    figures = [row["bytes"], *(f"{row[name] or np.nan:.6g}" for name in ("bpp", "psnr", "msssim"))]
    return dict(zip(COLUMNS, (codec.name, f"{quality:g}", path.stem, *figures, *seconds), strict=True))


def read(path: Path | None) -> Points:
    """Rows of a CSV; none where there is no file."""
    if path is None or not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def complete(codec: Codec, paths: list[Path], points: Path) -> Points:
    """All rows, those that are missing measured and added to the CSV one by one."""
    known = {(row["codec"], row["setting"], row["image"]) for row in read(points)}
    fresh = not points.exists()
    with points.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        for path in paths:
            for quality in QUALITIES:
                if (codec.name, f"{quality:g}", path.stem) not in known:
                    writer.writerow(examine(codec, quality, path))
                    file.flush()
            print(f"\r{path.stem}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [row for row in read(points) if row["codec"] == codec.name]


def mean_curve(rows: Points) -> Curve:
    """Through the means over pictures, setting by setting."""
    settings: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        settings[row["setting"]].append((float(row["bpp"]), float(row["psnr"])))
    most = max(map(len, settings.values()))
    means = sorted(tuple(np.mean(found, axis=0)) for found in settings.values() if len(found) == most)
    return Curve(*map(list, zip(*means, strict=True)))


def exceptions(rows: Points) -> list[str]:
    """Pictures whose rate or PSNR is not higher at a higher quality."""
    by_image: dict[str, Points] = defaultdict(list)
    for row in rows:
        by_image[row["image"]].append(row)
    found = []
    for name, its in by_image.items():
        its.sort(key=lambda row: float(row["setting"]))
        for figure in ("bytes", "psnr"):
            steps = np.diff([float(row[figure]) for row in its])
            found += [f"{name}: {figure} from quality {its[i]['setting']}" for i in np.flatnonzero(steps <= 0)]
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
    parser.add_argument("--plot", type=Path, metavar="PNG")
    parser.add_argument("--drawn", nargs="+", metavar="CODEC", help="the peers in the plot; all unless given")
    arguments = parser.parse_args()
    rows = complete(load(arguments.model), sorted(arguments.images.glob("*.png")), arguments.points)
    print("| quality | bpp | PSNR | MS-SSIM | encode | decode |\n| --- | --- | --- | --- | --- | --- |")
    for quality in QUALITIES:
        its = [row for row in rows if row["setting"] == f"{quality:g}"]
        mean = {name: np.mean([float(row[name]) for row in its]) for name in COLUMNS[3:]}
        figures = f"{mean['bpp']:.4f} | {mean['psnr']:.2f} | {mean['msssim']:.4f}"
        print(f"| {quality:g} | {figures} | {mean['encode_seconds']:.2f} s | {mean['decode_seconds']:.2f} s |")
    print("\nnot higher at the next quality:", "; ".join(exceptions(rows)) or "nowhere")

    ours, curves = mean_curve(rows), {}
    print(f"\n| against | BD-rate | {' | '.join(f'{rate:g} bpp' for rate in RATES)} |")
    print(f"| --- | --- |{' --- |' * len(RATES)}")
    peers = read(arguments.peers)
    for name in dict.fromkeys(row["codec"] for row in peers):
        curve = curves[name] = mean_curve([row for row in peers if row["codec"] == name])
        arrays = [np.asarray(values) for values in (*curve, *ours)]
        saved = bjontegaard.bd_rate(*arrays, method="akima", require_matching_points=False, min_overlap=0)
        ahead = [psnr_at(ours, rate) - psnr_at(curve, rate) for rate in RATES]
        print(f"| {name} | {saved:+.1f} % | {' | '.join(map(decibels, ahead))} |")
    if arguments.plot:
        curves = {name: curve for name, curve in curves.items() if name in (arguments.drawn or curves)}
        curves[rows[0]["codec"]] = ours
        plots.save(plots.rate_distortion(curves, ours=[rows[0]["codec"]], max_bpp=1.5), arguments.plot)


if __name__ == "__main__":
    main()
