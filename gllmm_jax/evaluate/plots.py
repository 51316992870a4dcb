"""Figures. Each function returns a Matplotlib `Figure`. A notebook shows it, and `save` writes it. No global state.

Colours are those of Okabe and Ito. People with any kind of colour vision can tell them apart.
"""

import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gllmm_jax import files
from gllmm_jax.evaluate.bdrate import Curve, psnr_at
from gllmm_jax.evaluate.labels import End, name_ends
from gllmm_jax.evaluate.mixture import ChannelFit

try:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError("figures need Matplotlib: pip install 'gllmm-jax[eval]'") from error

BLUE, ORANGE, GREEN, VERMILION, PINK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
FRAMES = (ORANGE, "#56B4E9")
OURS = (BLUE, VERMILION, GREEN, PINK)
OTHERS = ("#222222", ORANGE, GREEN, PINK, "#3A9BDC", VERMILION, "#8A6D00", "#777777")
INK, GREY, PALE = "#222222", "#777777", "#C8C8C8"
FAMILY_COLOURS = {"gaussian": BLUE, "laplace": ORANGE, "logistic": GREEN}

STRETCH = 4
"""Height over width that a picture in a figure has at most, and the inverse at least."""

Box = tuple[int, int, int, int]
"""Top, left, height, width, in pixels."""


MADE_OF = "Made of"
"""Field of a PNG file: the `digest` of the files of figures that it was drawn from."""


def digest(figures: Iterable[Path]) -> str:
    """SHA-256 of the files, one after the other."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in figures)).hexdigest()


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 130, made_of: Sequence[Path] = ()) -> None:
    """Write a figure, `made_of` files of figures, as PNG, whole or not at all. Raises `files.WriteError`."""
    text = {MADE_OF: digest(made_of)} if made_of else {}
    with files.replacing(path) as file:
        figure.savefig(file, format="png", dpi=dpi, metadata=text)


def rate_distortion(
    curves: Mapping[str, Curve],
    *,
    ours: Sequence[str] = (),
    max_bpp: float | None = None,
    quality: str = "PSNR (dB)",
    title: str = "Rate and distortion",
) -> Figure:
    """Rate-distortion curves. Each is named right of the plot, in its colour. Those in `ours` are bold.

    With `max_bpp`, longer curves end there. The others have colours that none of `ours` has, each with a marker of its
    own. Further curves repeat them with another line.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    ends, others = [], itertools.cycle(itertools.product(("-", "--", ":"), looks_of_others("sD^vP<X>", len(ours))))
    for name, curve in curves.items():
        own = name in ours
        if own:
            look: dict[str, Any] = {"color": OURS[list(ours).index(name) % len(OURS)], "linewidth": 2.4, "marker": "o"}
        else:
            style, (colour, marker) = next(others)
            look = {"color": colour, "linestyle": style, "linewidth": 1.2, "marker": marker}
        points = [(bpp, psnr) for bpp, psnr in zip(*curve, strict=True) if max_bpp is None or bpp <= max_bpp]
        if not points:
            continue
        shown = len(points)
        if max_bpp is not None and max(curve.bpp) > max_bpp:
            points.append((max_bpp, psnr_at(curve, max_bpp)))
        axes.plot(*zip(*points, strict=True), markersize=5 if own else 3.5, markevery=range(shown), **look)
        ends.append(End(name, points[-2:], look["color"], own))
    name_ends(axes, ends)
    axes.set(xlabel="bits per pixel", ylabel=quality, title=title)
    axes.grid(color=PALE, linewidth=0.5)
    _plain(axes)
    return figure


def looks_of_others(markers: Sequence[str], ours: int) -> list[tuple[str, str]]:
    """A colour of `OTHERS` and one of eight markers for each, without colours that the first `ours` of `OURS` have."""
    return [look for look in zip(OTHERS, markers, strict=True) if look[0] not in OURS[:ours]]


def side_by_side(panels: Sequence[tuple[str, np.ndarray]], boxes: Sequence[Box]) -> Figure:
    """Pictures of one size beside each other, uint8 [height, width, 3 or 1], and enlarged crops under each.

    `panels` are captions and pictures, the original first. The original shows the places of the crops in coloured
    frames.
    """
    height, width = panels[0][1].shape[:2]
    ratios = [height / width, *(box[2] / box[3] for box in boxes)]
    figure = Figure(figsize=(4.2 * len(panels), 4.2 * sum(ratios) + 0.5), layout="constrained")
    axes = figure.subplots(len(ratios), len(panels), squeeze=False, height_ratios=ratios)
    for column, (caption, image) in enumerate(panels):
        _picture(axes[0, column], image, caption)
        for axis, (top, left, tall, wide), colour in zip(axes[1:, column], boxes, FRAMES, strict=False):
            _picture(axis, image[top : top + tall, left : left + wide])
            axis.spines[:].set(visible=True, color=colour, linewidth=2.5)
            if column == 0:
                corner = (left - 0.5, top - 0.5)
                axes[0, 0].add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor="white", linewidth=3.5))
                axes[0, 0].add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=colour, linewidth=2))
    return figure


def interesting_boxes(image: np.ndarray, side: int = 88) -> list[Box]:
    """Two crops chosen from uint8 [height, width, C] alone: the place with most detail, and a calm place.

    The calm crop is at the lower tenth by detail, not at the lowest: a flat sky shows nothing. A small picture has one
    crop.
    """
    height, width = image.shape[:2]
    tall, wide = min(side, height), min(3 * side // 2, width)
    step = max(1, side // 4)
    gray = image.mean(axis=-1)
    corners = [(top, left) for top in range(0, height - tall + 1, step) for left in range(0, width - wide + 1, step)]
    detail = [float(_roughness(gray[top : top + tall, left : left + wide])) for top, left in corners]
    order = np.argsort(detail)
    chosen = dict.fromkeys([corners[order[-1]], corners[order[len(order) // 10]]])
    return [(top, left, tall, wide) for top, left in chosen]


def maps(image: np.ndarray, named: Mapping[str, np.ndarray], *, unit: str, stride: int = 16, title: str = "") -> Figure:
    """A photograph, uint8 [height, width, C], beside maps with one value per latent [h, w], all on one scale.

    `stride` is the number of pixels per latent, on each axis. A strip of more than 4 to 1 is shown as one of 4 to 1.
    """
    height, width = image.shape[:2]
    shape = min(max(height / width, 1 / STRETCH), STRETCH)
    figure = Figure(figsize=(3.4 * (1 + len(named)), 3.4 * shape + 1.2), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1, 1 + len(named))
    _picture(axes[0], image, "photograph")
    every = np.concatenate([values.ravel() for values in named.values()])
    limits = {"vmin": every.min(), "vmax": every.max()}
    for axis, (name, values) in zip(axes[1:], named.items(), strict=True):
        extent = (0, values.shape[1] * stride, values.shape[0] * stride, 0)
        axis.imshow(values, cmap="cividis", interpolation="nearest", extent=extent, **limits)
        axis.set(xlim=(0, width), ylim=(height, 0))
        _picture(axis, None, name)
    for axis in axes:
        axis.set_aspect("equal" if shape == height / width else "auto")
    figure.colorbar(axes[-1].images[0], ax=list(axes), orientation="horizontal", shrink=0.5, aspect=30, label=unit)
    return figure


def fitted_channel(fit: ChannelFit) -> Figure:
    """Bars of how often each value occurs in a channel, beside bars of how often the mixture expects it, by family."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.4
    axes.bar(fit.values - width / 2, fit.observed, width, color=GREY, label="in the photograph")
    base = np.zeros(len(fit.values))
    for i, family in enumerate(fit.families):
        part = fit.predicted[:, i]
        axes.bar(
            fit.values + width / 2, part, width, bottom=base, color=FAMILY_COLOURS[family], label=f"expected, {family}"
        )
        base = base + part
    axes.set(xlabel="value of the latent", ylabel="share of positions", title=f"channel {fit.channel}")
    present = fit.values[(fit.observed > 0) | (base > 0.002)]
    if present.size:
        axes.set_xlim(float(present[0]) - 1, float(present[-1]) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)
    _plain(axes)
    return figure


def lines(named: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x: str, y: str, title: str = "") -> Figure:
    """Lines through (x values, y values) by name, on axes labelled `x` and `y`. Families have their colours."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    colours = itertools.cycle(OTHERS)
    for name, values in named.items():
        axes.plot(*values, color=FAMILY_COLOURS.get(name) or next(colours), marker=".", label=name)
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(color=PALE, linewidth=0.5)
    _legend(axes)
    _plain(axes)
    return figure


def stacked(shares: Mapping[str, Sequence[float]], *, x: str, y: str, title: str = "") -> Figure:
    """A bar for each place, numbered from 1, with the shares of the families one above the other."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    base = np.zeros(len(next(iter(shares.values()))))
    for family, part in shares.items():
        axes.bar(np.arange(1, 1 + len(base)), part, 0.9, bottom=base, color=FAMILY_COLOURS[family], label=family)
        base = base + np.asarray(part)
    axes.set(xlabel=x, ylabel=y, title=title)
    _legend(axes)
    _plain(axes)
    return figure


def rounds(named: Mapping[str, np.ndarray]) -> Figure:
    """Maps [h, w] of the round that codes each position of the latents, counted from 1."""
    figure = Figure(figsize=(4.2 * len(named), 3.4), layout="constrained")
    for axis, (name, values) in zip(figure.subplots(1, len(named), squeeze=False)[0], named.items(), strict=True):
        shown = axis.imshow(values, cmap="cividis", interpolation="nearest")
        axis.set(xlabel="column of the latents", ylabel="row")
        axis.set_title(f"{name}: {values.max():,} rounds", fontsize=11, color=INK)
        ticks = MaxNLocator(6, integer=True)
        figure.colorbar(shown, ax=axis, orientation="horizontal", shrink=0.8, label="round", ticks=ticks)
    return figure


def _legend(axes: Any) -> None:
    """Put a legend right of the plot, where it hides no data."""
    axes.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", borderaxespad=0)


def _roughness(gray: np.ndarray) -> np.floating:
    return np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()


def _picture(axis: Any, image: np.ndarray | None, caption: str = "") -> None:
    if image is not None:
        gray = image.shape[-1] == 1
        axis.imshow(image[..., 0] if gray else image, cmap="gray" if gray else None, vmin=0, vmax=255)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    if caption:
        axis.set_title(caption, fontsize=11, color=INK)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
