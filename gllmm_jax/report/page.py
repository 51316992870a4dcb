"""The page of a report: one HTML file with everything it shows, and a rule that lets the browser load nothing else.

All text from users, such as names, is escaped where it becomes text of the page. A browser runs only the two scripts of
the page, which it knows by their hashes.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from gllmm_jax import __version__
from gllmm_jax.evaluate.rows import Row
from gllmm_jax.report import charts, tables
from gllmm_jax.report.pictures import LONGEST, QUALITY, Shown, View


class Report(NamedTuple):
    """The contents of a page.

    `rows` are of single pictures, `means` of each codec and setting. `ours` are the names of our codecs. `anchor` is
    the codec that BD-rates compare with, until the reader chooses another. `pictures` may be empty.
    """

    title: str
    rows: Sequence[Row]
    means: Sequence[Row]
    ours: Sequence[str]
    anchor: str
    pictures: Sequence[Shown] = ()


def build(report: Report) -> str:
    """The text of the HTML file. Raises `ImportError` if Plotly is missing."""
    figures = charts.figures(report.means, report.ours)
    library, script = charts.library(), _file("page.js") + _file("viewer.js")
    shown = [_shown(one) for one in report.pictures]
    return _filled(
        "page.html",
        title=html.escape(report.title),
        about=html.escape(_about(report)),
        scripts=" ".join(map(_hash, (library, script))),
        style=_file("page.css"),
        charts="".join(_place(place) for place in figures),
        differences=_differences(report),
        pictures=_pictures(report.pictures) if report.pictures else "",
        rows=tables.rows(report.rows),
        data=_data({"figures": figures, "pictures": shown}),
        library=library,
        script=script,
    )


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _filled(name: str, **parts: str) -> str:
    return Template(_file(name)).substitute(parts)


def _about(report: Report) -> str:
    count = len({row["image"] for row in report.rows})
    codecs = ", ".join(dict.fromkeys(row["codec"] for row in report.means))
    return f"{count:,} picture{'s' * (count != 1)} by {codecs}. Made by gllmm-jax {__version__}."


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data(value: Any) -> str:
    """JSON without the characters that HTML interprets."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _place(place: str) -> str:
    title = charts.CHARTS[place].title
    return f'<figure><h3>{title}</h3><div class="chart" id="{place}"></div></figure>'


def _differences(report: Report) -> str:
    """A choice of the anchor, and a table for each anchor."""
    names = dict.fromkeys(row["codec"] for row in report.means)
    if len(names) < 2:
        return "<p>There is one codec alone, and nothing to compare it with.</p>"
    options, shown = [], []
    for name in names:
        chosen = name == report.anchor
        options.append(f"<option{' selected' * chosen}>{html.escape(name)}</option>")
        table = tables.differences(report.means, name)
        shown.append(f'<div class="table against"{" hidden" * (not chosen)}>{table}</div>')
    choice = f'<p><label>against <select id="anchor">{"".join(options)}</select></label></p>'
    return choice + "".join(shown)


def _pictures(pictures: Sequence[Shown]) -> str:
    """The viewer, its pictures, and both files of each picture."""
    # a flat picture may be exact
    least = min(99.9, *(one.fidelity for one in pictures))
    note = f"The page holds AVIF 4:4:4 of quality {QUALITY}, which keeps decoded pixels at {least:.1f} dB or more."
    if any(one.middle for one in pictures):
        note += f" Of a picture with a side above {LONGEST:,} pixels its middle is shown."
    return _filled("viewer.html", note=note, matched=tables.matched(pictures))


def _shown(one: Shown) -> dict[str, Any]:
    """Facts of one picture for the viewer."""
    views = [{"caption": _caption(view), "avif": base64.b64encode(view.avif).decode()} for view in one.views]
    return {"name": one.name, "height": one.height, "width": one.width, "views": views}


def _caption(view: View) -> str:
    row = view.row
    if row is None:
        return "original"
    setting = "" if row["setting"] is None else f" at {row['setting']:g}"
    psnr = "exact" if row["psnr"] is None else f"{row['psnr']:.2f} dB"
    return f"{row['codec']}{setting}: {row['bytes']:,.0f} bytes, {psnr}"
