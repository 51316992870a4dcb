"""Means, stored and published points, and the table of differences."""

import numpy as np
import pytest

from gllmm_jax.evaluate import points
from gllmm_jax.evaluate.rows import File, Row, read
from gllmm_jax.peers import published

KODAK = sorted(points.KODAK)


def row(codec: str, setting: float, image: str, bpp: float, psnr: float | None, msssim_db: float | None = None) -> Row:
    empty = dict.fromkeys(("encode_seconds", "decode_seconds", "peak_mb"))
    figures = {"bytes": 100 * bpp, "bpp": bpp, "psnr": psnr, "msssim_db": msssim_db}
    figures["msssim"] = None if msssim_db is None else 1 - 10 ** (-msssim_db / 10)
    return {"codec": codec, "setting": setting, "image": image, **figures, **empty}  # type: ignore


def curve(codec: str, count: int = 4, factor: float = 1.0) -> list[Row]:
    return [row(codec, i, "a", factor * 2.0**i, 30.0 + 3 * i, 10.0 + i) for i in range(count)]


def test_means_are_by_codec_and_setting():
    means = points.means([row("x", 1, "a", 1, 30), row("y", 1, "a", 5, 5), row("x", 1, "b", 3, 32)])
    assert [(mean["codec"], mean["bpp"], mean["psnr"]) for mean in means] == [("x", 2, 31), ("y", 5, 5)]


def test_a_mean_that_is_none_is_told():
    told = []
    rows = [row("x", 1, "a", 1, 30, 10), row("x", 1, "b", 2, 31), row("y", 1, "a", 1, None), row("y", 1, "b", 1, None)]
    assert [mean["psnr"] for mean in points.means(rows, warn=told.append)] == [30.5, None]
    assert told == ["x has no mean MS-SSIM at settings where a picture has none: b"]


def test_settings_that_lack_a_picture_have_no_mean():
    told = []
    rows = [row("x", 1, "a", 1, 30), row("x", 1, "b", 1, 30), row("x", 2, "a", 2, 31), row("y", 1, "a", 1, 1)]
    assert points.complete(rows, warn=told.append) == rows[:2]
    assert told == [f"{name} lacks rows of b: no means of those settings" for name in "xy"]


def test_a_cheaper_codec_saves_what_it_saves():
    found = points.against([*curve("anchor"), *curve("half", factor=0.5)], "anchor")
    assert [(one.codec, one.anchor, one.metric) for one in found] == [
        ("half", "anchor", "PSNR"),
        ("half", "anchor", "MS-SSIM"),
    ]
    assert [one.difference and one.difference.rate for one in found] == [pytest.approx(-50), pytest.approx(-50)]
    lines = points.table(found)
    assert lines[0].startswith("against anchor;")
    assert "-50.0%" in lines[2] and "30.0 to 39.0 dB, 100 % of both" in lines[2] and "only" not in lines[2]
    assert points.plain(found)[0]["rate"] == pytest.approx(-50)


def test_few_points_no_curve_and_no_overlap_are_told():
    higher = [row("higher", i, "a", 1.0 + i, 60.0 + i) for i in range(4)]
    means = [*curve("anchor"), *curve("three", 3), *curve("one", 1), *higher]
    told = {line.split()[0]: line for line in points.table(points.against(means, "anchor")[:3])[2:]}
    assert told["three"].endswith("; 3 points only: not to be relied on")
    assert told["one"].endswith("no curve: it takes two points of both")
    assert told["higher"].endswith("none")
    assert points.plain(points.against(means, "anchor"))[2]["rate"] is None
    (alone,) = points.table(points.against([*curve("anchor"), *curve("one", 1), *curve("two", 1)], "anchor"))
    assert alone.startswith("no BD-rates: they take two settings")


def test_the_anchor_is_named_or_the_first_rival():
    assert points.anchor_of(["ours"], ["jpeg-4:2:0", "vtm (published)"], None) == "jpeg-4:2:0"
    assert points.anchor_of(["ours"], ["jpeg-4:2:0", "vtm (published)"], "vtm") == "vtm (published)"
    assert points.anchor_of(["ours", "other"], [], None) == "ours"
    with pytest.raises(ValueError, match="no 'bpg' to compare with; there are: jpeg, ours"):
        points.anchor_of(["ours"], ["jpeg"], "bpg")


def test_published_points_are_for_their_pictures():
    means = points.published_means(["vtm", "bpg"], KODAK)
    assert {mean["codec"] for mean in means} == {"vtm (published)", "bpg-4:4:4 (published)"}
    source = [point for point in published.read("kodak") if point.codec == "vtm"]
    assert [(mean["bpp"], mean["psnr"]) for mean in means][: len(source)] == [(one.bpp, one.psnr) for one in source]
    with pytest.raises(ValueError, match="say nothing of other pictures"):
        points.published_means(["vtm"], KODAK[1:])
    with pytest.raises(ValueError, match=r"no curve 'vtmm' on Kodak is stored; there are: .*vtm"):
        points.published_means(["vtmm"], KODAK)
    assert points.published_means([], ["other"]) == []


def test_gllmm_against_vtm_is_as_known():
    """From the papers' own points: 3 % fewer bits than VTM."""
    (found,) = (
        one
        for one in points.against(points.published_means(["vtm", "gllmm"], KODAK), "vtm (published)")
        if one.metric == "PSNR"
    )
    assert found.difference is not None
    assert found.difference.rate == pytest.approx(-3.3, abs=0.2)


def test_stored_rows_of_these_pictures(tmp_path):
    file = File(tmp_path / "rows.csv")
    for image in "ab":
        file.add(row("x", 1, image, 1, 30))
    assert [one["image"] for one in points.stored(file.path, ["b", "c"], warn=print)] == ["b"]
    with pytest.raises(ValueError, match="has no row of c, d"):
        points.stored(file.path, ["d", "c"], warn=print)
    assert len(read(file.path)) == 2


def test_gains_are_at_equal_rate():
    ours, theirs = points.curves(curve("a")), points.curves(curve("b", factor=2))
    ahead = points.gains(ours["a"], theirs, [4, 100])["b"]
    assert ahead[0] == pytest.approx(3) and np.isnan(ahead[1])
