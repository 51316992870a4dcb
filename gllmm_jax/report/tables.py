"""Tables of a report as HTML. The page sorts them by any column. Names are escaped here."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gllmm_jax.evaluate import points
from gllmm_jax.evaluate.bdrate import FEW
from gllmm_jax.evaluate.rows import Row
from gllmm_jax.report.pictures import Shown

COLUMNS = {
    "codec": ("codec", ""),
    "setting": ("setting", "g"),
    "image": ("picture", ""),
    "bytes": ("bytes", ",.0f"),
    "bpp": ("bits per pixel", ".3f"),
    "psnr": ("PSNR, dB", ".2f"),
    "msssim_db": ("MS-SSIM, dB", ".2f"),
    "encode_seconds": ("encoding, s", ".3f"),
    "decode_seconds": ("decoding, s", ".3f"),
    "peak_mb": ("memory, MB", ",.0f"),
}
"""Columns of `Row` that the page shows: the heading of each, and the format of its numbers."""


class Cell(NamedTuple):
    """A cell's sort value, None for an absent figure, and the text that it shows."""

    value: str | float | None
    text: str


def rows(its: Iterable[Row]) -> str:
    """A line for each row. Empty columns are left out."""
    its = list(its)
    columns = {name: how for name, how in COLUMNS.items() if any(row[name] not in (None, "") for row in its)}
    lines = [[_cell(row[name], form) for name, (_, form) in columns.items()] for row in its]
    return _table([head for head, _ in columns.values()], lines)


def differences(means: Sequence[Row], anchor: str) -> str:
    """Each other codec compared with the anchor, by each metric."""
    heads = ("codec", "metric", "BD-rate, %", "BD-quality, dB", "overlap")
    return _table(heads, [_difference(one) for one in points.against(means, anchor)])


def matched(pictures: Sequence[Shown]) -> str:
    """Both files of each picture. The names are buttons that show it."""
    own, other = _both(pictures[0])
    heads = [f"{row['codec']}, {what}" for row in (own, other) for what in ("bytes", "dB")]
    return _table(["picture", *heads, "dB ahead"], [_pair(*_both(one)) for one in pictures], buttons=True)


def _difference(one: points.Against) -> list[Cell]:
    names = [_cell(one.codec), _cell(one.metric)]
    if one.difference is None:
        return [*names, _cell(None), _cell(None), Cell(0, "no curve: it takes two points of both")]
    rate, quality, low, high, overlap, count = one.difference
    text = f"{low:.1f} to {high:.1f} dB, {100 * overlap:.0f} % of both" if overlap else "none"
    if overlap and count < FEW:
        text += f"; {count} points only: not to be relied on"
    return [*names, _cell(rate, "+.1f"), _cell(quality, "+.2f"), Cell(overlap, text)]


def _both(one: Shown) -> tuple[Row, Row]:
    own, other = (view.row for view in one.views[1:])
    assert own is not None
    assert other is not None
    return own, other


def _pair(own: Row, other: Row) -> list[Cell]:
    ahead = None if own["psnr"] is None or other["psnr"] is None else own["psnr"] - other["psnr"]
    figures = [_cell(row[name], COLUMNS[name][1]) for row in (own, other) for name in ("bytes", "psnr")]
    return [_cell(own["image"]), *figures, _cell(ahead, "+.2f")]


def _cell(value: str | float | None, form: str = "") -> Cell:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell(None, "-")
    return Cell(value, format(value, form))


def _table(heads: Iterable[str], lines: Sequence[Sequence[Cell]], *, buttons: bool = False) -> str:
    """Headings are buttons that sort. With `buttons` the first column's buttons show a picture by its number."""
    top = "".join(f'<th scope="col"><button type="button">{html.escape(head)}</button></th>' for head in heads)
    body = []
    for number, (first, *others) in enumerate(lines):
        name = html.escape(first.text)
        if buttons:
            name = f'<button type="button" data-picture="{number}">{name}</button>'
        body.append(f"<tr><td{_sorted_by(first)}>{name}</td>{''.join(map(_data, others))}</tr>")
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _data(cell: Cell) -> str:
    return f"<td{_sorted_by(cell)}>{html.escape(cell.text)}</td>"


def _sorted_by(cell: Cell) -> str:
    """Sort keys: numbers by their value, names by the shown text."""
    if isinstance(cell.value, str):
        return ""
    return ' data-value=""' if cell.value is None else f' data-value="{cell.value:.7g}"'
