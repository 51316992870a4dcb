"""Charts of means for the page: plain dictionaries, as Plotly draws them, and the library's own text."""

import html
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gllmm_jax.evaluate.plots import OURS, PALE, looks_of_others
from gllmm_jax.evaluate.rows import Row


class Chart(NamedTuple):
    """A chart over the rate: a `column` of rows on an axis with this text and `scale`."""

    title: str
    column: str
    axis: str
    scale: str = "linear"


CHARTS = {
    "psnr": Chart("PSNR", "psnr", "PSNR of RGB (dB)"),
    "msssim": Chart("MS-SSIM", "msssim_db", "MS-SSIM (dB)"),
    "encoding": Chart("Encoding", "encode_seconds", "seconds a picture", "log"),
    "decoding": Chart("Decoding", "decode_seconds", "seconds a picture", "log"),
}
"""Charts by the id of their place in the page."""

_SYMBOLS = ("square", "diamond", "triangle-down", "triangle-up", "cross", "x", "star", "hexagon")
_DASHES = ("solid", "dash", "dot")


def library() -> str:
    """The JavaScript of all of Plotly. Raises `ImportError` if the package is missing."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("a report needs Plotly: pip install 'gllmm-jax[report]'") from error
    return get_plotlyjs()


def figures(means: Sequence[Row], ours: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Charts of `CHARTS` for columns that some row has, each with `data` and `layout`. Codecs of `ours` are bold."""
    looks = dict(_looks(list(dict.fromkeys(row["codec"] for row in means)), ours))
    found = {}
    for place, chart in CHARTS.items():
        traces = [_trace(name, look, means, chart.column) for name, look in looks.items()]
        traces = [trace for trace in traces if trace["x"]]
        if traces:
            found[place] = {"data": traces, "layout": _layout(chart.axis, chart.scale)}
    return found


def _looks(names: Sequence[str], ours: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Line and marker of each codec. The colours are those of `evaluate.plots`, which everybody can tell apart."""
    own = itertools.cycle(OURS)
    others = itertools.cycle(itertools.product(_DASHES, looks_of_others(_SYMBOLS, len(ours))))
    for name in names:
        if name in ours:
            yield name, {"line": {"color": next(own), "width": 3}, "marker": {"symbol": "circle", "size": 8}}
        else:
            dash, (colour, symbol) = next(others)
            line = {"color": colour, "width": 1.5, "dash": dash}
            yield name, {"line": line, "marker": {"symbol": symbol, "size": 6}}


def _trace(name: str, look: dict[str, Any], means: Sequence[Row], column: str) -> dict[str, Any]:
    rows = sorted(
        (row for row in means if row["codec"] == name and row[column] is not None), key=lambda row: row["bpp"]
    )
    settings = ["" if row["setting"] is None else f", at {row['setting']:g}" for row in rows]
    return look | {
        "type": "scatter",
        "mode": "lines+markers",
        "name": html.escape(name),  # Plotly reads names as HTML
        "x": [row["bpp"] for row in rows],
        "y": [row[column] for row in rows],
        "text": settings,
        "hovertemplate": "%{fullData.name}%{text}<br>%{x:.3f} bits per pixel<br>%{y:.4g}<extra></extra>",
    }


def _layout(axis: str, scale: str) -> dict[str, Any]:
    lines = {"gridcolor": PALE, "zeroline": False, "automargin": True}
    return {
        "xaxis": {"title": {"text": "bits per pixel"}, "rangemode": "tozero", **lines},
        "yaxis": {"title": {"text": axis}, "type": scale, "dtick": 1 if scale == "log" else None, **lines},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "margin": {"t": 32, "r": 12, "l": 48, "b": 90},
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hovermode": "closest",
        "plot_bgcolor": "white",
    }
