"""A model on a folder of pictures, file by file, and against the codecs everybody has.

    python experiments/kodak.py IMAGES_DIR --model light-0.0130 --peers kodak.csv --plot rd.png

For every picture: the bytes of the real file against the float model's own estimate (they must agree within 0.5 % and
64 bytes), what the integer twin alone costs, whether the decoded latents are the encoder's, PSNR and MS-SSIM, and how
far ahead of each peer at the same rate, interpolated between that picture's own points. The points come from a CSV with
the columns codec, image, bytes, bpp, psnr, msssim, or are encoded here with Pillow (minutes; AVIF is slow).
On 24 Kodak pictures with `light` and a CSV: about half a minute on two cores. Exit status 1 where a check fails, where
JPEG's points do not reach the rate of every picture, and where the mean over either JPEG is less than --least-gain.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.container.container import CODERS
from gllmm_jax.evaluate import bdrate, contestants, files, points, rows
from gllmm_jax.evaluate.rows import Row
from gllmm_jax.peers import table
from gllmm_jax.picture import picture
from gllmm_jax.walk import latents

JPEG = ("jpeg-4:2:0", "jpeg-4:4:4")
AGAINST = (*JPEG, "webp", "avif-4:2:0", "avif-4:4:4")
"""Codecs that are measured here where no points are stored."""

TOLERANCE = 0.005, 64
"""How far a file may be from the float estimate: a share of it, and bytes."""


class Result(NamedTuple):
    """One picture: its row, the float model's estimate in bytes, the twin's cost as a share, equal latents or not."""

    row: Row
    estimate: float
    twin: float
    equal: bool

    @property
    def within(self) -> bool:
        """Whether the file keeps to the tolerance."""
        return self.excess <= TOLERANCE[1]

    @property
    def excess(self) -> float:
        """Bytes between file and estimate, less the share that is allowed."""
        return abs(self.row["bytes"] - self.estimate) - TOLERANCE[0] * self.estimate


def examine(codec: Codec, path: Path, coder: str = CODERS[0]) -> Result:
    """Compress, decompress and compare one picture."""
    image = picture.read(path)
    data, report = codec.encode(image, coder=coder)
    decoded = codec.decompress(data)
    y_hat, z_hat = codec.analyse(image)
    _, *back = codec.unpack(data)
    equal = np.array_equal(back[0], y_hat) and np.array_equal(back[1], z_hat)
    integer_bits = sum(latents.estimated_bits(codec.twin, y_hat, z_hat))
    bits = report.bits_estimated or float("nan")
    row = rows.measure(path.stem, image, decoded, len(data))
    return Result(row, bits / 8, integer_bits / bits - 1, equal)


def gains(result: Result, points: dict[str, list[Row]]) -> dict[str, float]:
    """PSNR in dB ahead of each codec at the picture's own rate; NaN outside a codec's points, or where it has none."""
    row = result.row
    theirs = {name: bdrate.psnr_at(curve(its), row["bpp"]) if its else np.nan for name, its in points.items()}
    return {name: (row["psnr"] or np.inf) - psnr for name, psnr in theirs.items()}


def average(ahead: list[dict[str, float]]) -> tuple[dict[str, float], dict[str, int]]:
    """Mean gain over each codec, and over how many pictures it is: those within the codec's points."""
    means, counts = {}, {}
    for name in ahead[0]:
        known = [row[name] for row in ahead if not np.isnan(row[name])]
        means[name], counts[name] = float(np.mean(known)) if known else np.nan, len(known)
    return means, counts


def shortcomings(means: dict[str, float], counts: dict[str, int], total: int, least: float | None) -> list[str]:
    """What is wrong with the gains over JPEG, in sentences: pictures beyond its points, or less than `least` dB."""
    wrong = [f"{name} reaches the rate of {counts.get(name, 0)} of {total} pictures" for name in JPEG
             if counts.get(name, 0) < total]  # fmt: skip
    if least is not None:
        wrong += [f"less than {least:g} dB ahead of {name}" for name in JPEG if not means.get(name, np.nan) >= least]
    return wrong


def curve(its: list[Row]) -> bdrate.Curve:
    """Of one codec on one picture."""
    return bdrate.rising((row["bpp"], row["psnr"]) for row in its)


def peer_points(path: Path, stored: list[Row] | None) -> dict[str, list[Row]]:
    """Points of every peer for one picture, read or made."""
    if stored is not None:
        names = dict.fromkeys(row["codec"] for row in stored)
        its = [row for row in stored if row["image"] == path.stem]
        return {name: [row for row in its if row["codec"] == name] for name in names}
    todo = {name: contestants.others([name]) for name in AGAINST if table.missing(name) is None}
    return {name: [files.examine(files.Task(one, path, path.stem)) for one in its] for name, its in todo.items()}


def show(result: Result, ahead: dict[str, float]) -> None:
    """One line."""
    row, excess = result.row, 100 * (result.row["bytes"] / result.estimate - 1)
    line = f"{row['image']:10} {row['bytes']:8,.0f} {excess:+6.2f}% {100 * result.twin:+6.2f}%  {row['bpp']:6.3f} "
    line += f"{row['psnr'] or np.inf:6.2f} {row['msssim'] or np.nan:7.4f} "
    line += "".join(f"{value:+16.2f}" for value in ahead.values())
    marks = ("" if result.equal else "  LATENTS DIFFER") + ("" if result.within else "  FAR FROM THE ESTIMATE")
    print(line + marks, flush=True)


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, metavar="IMAGES_DIR")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="NAME|FILE")
    parser.add_argument(
        "--peers", type=Path, metavar="CSV", help="stored points of other codecs; Pillow's unless given"
    )
    parser.add_argument("--quality", type=float, metavar="Q", help="from 0 to 100; the model's own unless given")
    parser.add_argument("--coder", choices=CODERS, default=CODERS[0])
    parser.add_argument("--least-gain", type=float, metavar="DB", help="fail where the mean over either JPEG is less")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the mean curves")
    arguments = parser.parse_args()

    paths = sorted(arguments.images.glob("*.png"))
    codec = load(arguments.model)
    if arguments.quality is not None:
        codec = codec.at(arguments.quality)
    stored = rows.read(arguments.peers) if arguments.peers else None
    results, ahead, theirs = [], [], []
    for path in paths:
        its = peer_points(path, stored)
        theirs += [row for found in its.values() for row in found]
        results.append(examine(codec, path, arguments.coder))
        ahead.append(gains(results[-1], its))
        if len(results) == 1:
            print(f"model {codec.name}; gains in dB at equal rate")
            names = "".join(f"{name:>16}" for name in ahead[0])
            print(f"{'image':10} {'bytes':>8} {'file':>7} {'twin':>7}  {'bpp':>6} {'PSNR':>6} {'MS-SSIM':>7} {names}")
        show(results[-1], ahead[-1])
    if not results:
        parser.error(f"there are no PNG files in {arguments.images}")

    mean = rows.mean_row([result.row for result in results])
    estimate, twin = np.mean([result.estimate for result in results]), np.mean([result.twin for result in results])
    averages, counts = average(ahead)
    show(Result(mean, float(estimate), float(twin), True), averages)
    for name, count in counts.items():
        if count < len(results):
            print(f"{name}: mean of {count} of {len(results)}, the others are beyond its points")
    worst = max(result.excess for result in results)
    print("\nfile, twin: bytes of the file and bits of the integer model against the float model's estimate")
    print(f"farthest from the estimate, less 0.5 % of it: {worst:.0f} bytes of {TOLERANCE[1]} allowed")
    print(f"latents equal in {sum(result.equal for result in results)} of {len(results)} files")
    wrong = shortcomings(averages, counts, len(results), arguments.least_gain)
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    if arguments.plot:
        from gllmm_jax.evaluate import plots

        curves = points.curves(points.means(points.complete(theirs, warn=print)))
        curves[codec.name] = bdrate.Curve([mean["bpp"]], [mean["psnr"] or np.nan])
        plots.save(plots.rate_distortion(curves, ours=[codec.name], max_bpp=3 * mean["bpp"]), arguments.plot)
    return 0 if not wrong and all(result.equal and result.within for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
