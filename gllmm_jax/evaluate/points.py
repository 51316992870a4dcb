"""Means of rows by setting, stored and published points, and what one curve saves on another."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gllmm_jax.evaluate import rows as rowing
from gllmm_jax.evaluate.bdrate import FEW, Curve, Difference, difference, psnr_at, rising
from gllmm_jax.evaluate.rows import Row, mean_row
from gllmm_jax.peers import published

METRICS = {"PSNR": "psnr", "MS-SSIM": "msssim_db"}
"""The column of each quality that curves show, in dB."""

PUBLISHED = " (published)"
"""The end of the names of published curves."""

KODAK_PIXELS = 512 * 768
KODAK = frozenset(f"kodim{number:02}" for number in range(1, 25))


class Against(NamedTuple):
    """A codec compared with the anchor, by one metric. The difference is None if one of the two is no curve."""

    codec: str
    anchor: str
    metric: str
    difference: Difference | None


def means(rows: Iterable[Row], *, warn: Callable[[str], object] | None = None) -> list[Row]:
    """A row of means for each codec and setting, in the order of their first rows.

    `warn` is told of codecs some of whose means of PSNR or MS-SSIM are None, because single pictures have no figure.
    """
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["codec"], row["setting"]), []).append(row)
    if warn is not None:
        _warn_of_gaps(list(groups.values()), warn)
    return [mean_row(group) for group in groups.values()]


def _warn_of_gaps(groups: Sequence[Sequence[Row]], warn: Callable[[str], object]) -> None:
    for title, figure in (("PSNR", "psnr"), ("MS-SSIM", "msssim")):
        lacking: dict[str, set[str]] = {}
        for group in groups:
            images = {row["image"] for row in group if row[figure] is None}
            if 0 < len(images) < len(group):
                lacking.setdefault(group[0]["codec"], set()).update(images)
        for codec, images in lacking.items():
            warn(f"{codec} has no mean {title} at settings where a picture has none: {_some(images)}")


def complete(rows: Sequence[Row], *, warn: Callable[[str], object]) -> list[Row]:
    """Drop settings that lack a picture which others have: means over other pictures mislead. `warn` is told."""
    have: dict[tuple[str, float | None], set[str]] = {}
    for row in rows:
        have.setdefault((row["codec"], row["setting"]), set()).add(row["image"])
    most = max(have.values(), key=len, default=set())
    lacking: dict[str, set[str]] = {}
    for (codec, _), images in have.items():
        if not most <= images:
            lacking.setdefault(codec, set()).update(most - images)
    for codec, images in lacking.items():
        warn(f"{codec} lacks rows of {_some(images)}: no means of those settings")
    return [row for row in rows if most <= have[row["codec"], row["setting"]]]


def curves(mean_rows: Iterable[Row], metric: str = "psnr") -> dict[str, Curve]:
    """The curve of each codec through its means, by a column in dB. One point makes a curve of one."""
    points: dict[str, list[tuple[float, float | None]]] = {}
    for row in mean_rows:
        points.setdefault(row["codec"], []).append((row["bpp"], row[metric]))
    return {name: rising(its) for name, its in points.items()}


def published_means(names: Iterable[str], images: Iterable[str]) -> list[Row]:
    """Published rows of means on Kodak. `images` must have the names of the 24 pictures.

    Raises `ValueError` if they do not, and for a codec without a published curve.
    """
    names = list(names)
    points: dict[str, list[published.Published]] = {}
    for point in published.read("kodak"):
        points.setdefault(point.codec, []).append(point)
    found = []
    for name in _full(names, points, "no curve '{}' on Kodak is stored"):
        for point in points[name]:
            figures = {"bpp": point.bpp, "bytes": point.bpp * KODAK_PIXELS / 8, "psnr": point.psnr}
            figures |= {"msssim": point.msssim, "msssim_db": rowing.decibels(point.msssim)}
            empty: Any = dict.fromkeys(rowing.COLUMNS)
            found.append(empty | figures | {"codec": name + PUBLISHED, "image": rowing.MEAN})
    if names and {Path(image).name for image in images} != KODAK:
        raise ValueError("published points are means of kodim01 to kodim24, and say nothing of other pictures")
    return found


def stored(
    path: Path, images: Iterable[str], measured: Collection[str] = (), *, warn: Callable[[str], object]
) -> list[Row]:
    """Rows of other codecs from a file, for these pictures alone, without codecs that are `measured` anew.

    Raises `ValueError` if the file has none of these pictures.
    """
    wanted = set(images)
    kept = [row for row in rowing.read(path, warn=warn) if row["image"] in wanted]
    if not kept:
        raise ValueError(f"{path} has no row of {_some(wanted)}")
    if again := {row["codec"] for row in kept}.intersection(measured):
        warn(f"{path}: left out what is measured here, {_some(again)}")
    return [row for row in kept if row["codec"] not in again]


def anchor_of(ours: Sequence[str], others: Sequence[str], wanted: str | None) -> str:
    """The codec to compare with: `wanted`, or else the first of the `others`, or else of `ours`.

    Raises `ValueError` if none has that name.
    """
    names = list(dict.fromkeys([*others, *ours]))
    return names[0] if wanted is None else _full([wanted], names, "there is no '{}' to compare with")[0]


def against(mean_rows: Sequence[Row], anchor: str) -> list[Against]:
    """Each other codec against the anchor, by PSNR and by MS-SSIM in dB. Empty if the anchor has no means."""
    found = []
    for metric, column in METRICS.items():
        its = curves(mean_rows, column)
        if anchor not in its:
            return []
        for name, curve in its.items():
            if name != anchor:
                both = min(len(curve.bpp), len(its[anchor].bpp)) > 1
                found.append(Against(name, anchor, metric, difference(its[anchor], curve) if both else None))
    return found


def plain(comparisons: Iterable[Against]) -> list[dict[str, Any]]:
    """Dictionaries for JSON, without NaN."""
    found = []
    for one in comparisons:
        figures = {} if one.difference is None else one.difference._asdict()
        known = {name: None if np.isnan(value) else value for name, value in figures.items()}
        found.append({"codec": one.codec, "anchor": one.anchor, "metric": one.metric} | known)
    return found


def table(comparisons: Sequence[Against]) -> list[str]:
    """Lines for people: the savings of each on the anchor, and how far the two curves overlap."""
    if not comparisons:
        return []
    if all(one.difference is None for one in comparisons):
        return ["no BD-rates: they take two settings of a codec and two of the codec that it is compared with"]
    width = max(len(one.codec) for one in comparisons)
    lines = [
        f"against {comparisons[0].anchor}; BD-rate: bits at equal quality, BD-quality: dB at equal rate",
        f"{'codec':{width}} {'metric':8} {'BD-rate':>8} {'BD-quality':>10}  overlap",
    ]
    for one in comparisons:
        left = f"{one.codec:{width}} {one.metric:8} "
        if one.difference is None:
            lines.append(f"{left}{'-':>8} {'-':>10}  no curve: it takes two points of both")
            continue
        rate, quality, low, high, overlap, points = one.difference
        if not overlap:
            lines.append(f"{left}{'-':>8} {'-':>10}  none")
            continue
        few = f"; {points} points only: not to be relied on" if points < FEW else ""
        gain = "-" if np.isnan(quality) else f"{quality:+.2f} dB"
        lines.append(f"{left}{rate:+7.1f}% {gain:>10}  {low:.1f} to {high:.1f} dB, {100 * overlap:.0f} % of both{few}")
    return lines


def _full(names: Iterable[str], there: Collection[str], problem: str) -> list[str]:
    """Full names: the given name, or the first that begins with it. Raises `ValueError` with `problem` for others."""
    found = []
    for name in names:
        full = [one for one in there if one == name] or [
            one for one in there if one.startswith((f"{name}-", f"{name} "))
        ]
        if not full:
            raise ValueError(f"{problem.format(name)}; there are: {', '.join(there)}")
        found.append(full[0])
    return found


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def gains(ours: Curve, others: Mapping[str, Curve], rates: Iterable[float]) -> dict[str, list[float]]:
    """dB ahead of each other curve at each rate. NaN outside either curve."""
    rates = list(rates)
    return {name: [psnr_at(ours, rate) - psnr_at(curve, rate) for rate in rates] for name, curve in others.items()}
