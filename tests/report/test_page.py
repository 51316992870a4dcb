"""A report holds every row, no address, and no markup but its own; its pictures are small."""

import html
import re
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.evaluate import demo, points
from gllmm_jax.report import charts, page, pictures
from tests.report import made


class Reader(HTMLParser):
    """What a browser would make of the page: its tags, the cells of its tables, the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.lines: list[list[str]] = []
        self.scripts: list[str] = []
        self.attributes: set[str] = set()
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._within = tag
        if tag == "tr":
            self.lines.append([])
        elif tag in ("td", "th"):
            self.lines[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[-1] += data
        elif self.lines and self.lines[-1]:
            self.lines[-1][-1] += data


@pytest.fixture(scope="module")
def report():
    return made.a_report()


@pytest.fixture(scope="module")
def text(report):
    return page.build(report)


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def test_every_row_and_every_difference_is_there(report, read):
    for row in report.rows:
        assert [row["codec"], f"{row['setting']:g}", row["image"], f"{row['bytes']:,.0f}"] in [
            line[:4] for line in read.lines
        ]
    for one in points.against(report.means, made.OTHER):
        assert one.difference is not None
        figures = [one.codec, one.metric, f"{one.difference.rate:+.1f}", f"{one.difference.quality:+.2f}"]
        assert figures in [line[:4] for line in read.lines]


def test_names_are_no_markup(text, read):
    assert read.tags.count("script") == 3 and read.tags.count("img") == 3  # the viewer's
    assert "b" not in read.tags
    assert not {name for name in read.attributes if name.startswith("on")}
    assert html.escape(made.OURS) in text and made.OURS not in text


def test_nothing_is_loaded(text, read):
    _, library, _ = read.scripts
    assert library == charts.library()
    rest = text.replace(library, "")
    assert not re.findall(r"https?:|//\w|url\(|@import|\bimport\(|\bfetch\(", re.sub(r"(?m)^\s*//.*|; //.*", "", rest))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', rest)
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert len(re.findall("'sha256-", policy)) == 2 and "unsafe-eval" not in policy


def test_without_pictures_there_is_no_viewer():
    read = Reader(page.build(made.a_report(pictures=0)))
    assert "img" not in read.tags and "table" in read.tags


def test_charts_keep_codecs_apart(report):
    found = charts.figures(report.means, report.ours)
    assert list(found) == list(charts.CHARTS)
    own, other = found["psnr"]["data"]
    assert own["name"] == html.escape(made.OURS) and own["line"] != other["line"]
    assert own["x"] == sorted(own["x"]) and len(own["y"]) == 4
    without = [row | {"encode_seconds": None} for row in report.means]
    assert "encoding" not in charts.figures(without, [])


class Same(NamedTuple):
    """A codec that gives back what it got."""

    image: np.ndarray
    codec = "same"
    setting = None
    suffix = "same"
    outside = False

    def encode(self, image):
        return bytes(9000)

    def decode(self, data, shape):
        return self.image


def test_pictures_of_kodak_fit_into_thirty_megabytes(tmp_path, monkeypatch):
    image = demo.photograph("astronaut")[:256, 128:384]
    Image.fromarray(image).save(tmp_path / "a.png")
    found = pictures.shown(Same(image), "jpeg-4:2:0", tmp_path / "a.png", "a")
    assert found.fidelity > 38 and not found.middle
    own, other = (view.row for view in found.views[1:])
    assert own is not None and other is not None
    assert own["psnr"] is None and own["bytes"] == 9000 <= other["bytes"] < 9600
    a_pixel = sum(len(view.avif) for view in found.views) / image[..., 0].size
    assert 24 * 512 * 768 * a_pixel * 4 / 3 + len(charts.library()) < 27e6
    monkeypatch.setattr(pictures, "LONGEST", 100)
    part = pictures.shown(Same(image), "jpeg-4:2:0", tmp_path / "a.png", "a")
    assert (part.middle, part.height, part.width) == (True, 100, 100)
