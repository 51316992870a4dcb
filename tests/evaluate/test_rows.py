"""Files of rows: what was written comes back, a run that was killed goes on, what is foreign is named."""

import json

import numpy as np
import pytest

from gllmm_jax.evaluate.rows import COLUMNS, File, Row, heading, key_of, line, mean_row, measure, read


def row(image: str = "a", psnr: float | None = 30.25, **other) -> Row:
    figures = {"bytes": 1000, "bpp": 0.5, "psnr": psnr, "msssim": 0.9, "msssim_db": 10.0}
    costs = {"encode_seconds": 1.5, "decode_seconds": 0.5, "peak_mb": 300.0}
    return {"codec": "x", "setting": 25.0, "image": image, **figures, **costs, **other}  # type: ignore


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_rows_come_back(tmp_path, name):
    rows = [row(), row("b/c, d", None, setting=None, peak_mb=None), row("é", 1 / 3)]
    file = File(tmp_path / name)
    for one in rows:
        file.add(one)
    assert file.rows == rows
    back = File(tmp_path / name).rows
    assert back[:2] == rows[:2] and back[2]["psnr"] == pytest.approx(1 / 3, rel=1e-6)
    assert [key_of(one) for one in back] == [("x", "25", "a"), ("x", "", "b/c, d"), ("x", "25", "é")]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_torn_row_is_dropped_and_the_file_goes_on(tmp_path, name):
    path = tmp_path / name
    file = File(path)
    file.add(row("a"))
    file.add(row("b"))
    whole = path.read_bytes()
    for cut in range(1, 25):
        path.write_bytes(whole[:-cut])
        again = File(path)
        assert [one["image"] for one in again.rows] == ["a"]
        again.add(row("b"))
        assert path.read_bytes() == whole


def test_a_file_cut_in_its_heading_begins_anew(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("codec,sett")
    File(path).add(row())
    assert [one["image"] for one in read(path)] == ["a"]


def test_older_files_keep_their_columns(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("codec,setting,image,bytes,bpp,psnr,msssim\nx,1,a,10,0.5,30,0.9\n")
    File(path).add(row("b"))
    assert path.read_text().splitlines()[2] == "x,25.0,b,1000,0.5,30.25,0.9"
    old = read(path)[0]
    assert old["msssim_db"] == pytest.approx(10) and old["peak_mb"] is None


def test_unknown_columns_are_named(tmp_path):
    path, told = tmp_path / "rows.csv", []
    path.write_text("codec,setting,image,bytes,bpp,psnr,vmaf,ssim\nx,1,a,10,0.5,30,90,0.8\n")
    assert len(read(path, warn=told.append)) == 1
    assert told == [f"{path}: left out what is not known here, vmaf, ssim (known are {', '.join(COLUMNS)})"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "name,size\nx,1\n", "lacks codec, image, bytes, bpp, psnr"),
        ("a.csv", "codec,image,bytes,bpp,psnr\nx,a,ten,0.5,30\n", "is damaged: a figure is no number"),
        ("a.csv", "codec,image,bytes,bpp,psnr\nx,a,,0.5,30\n", "is damaged: a figure is no number"),
        ("a.jsonl", '{"codec": \n', "is damaged: a line is no JSON"),
        ("a.jsonl", "[1]\n", "is damaged: a line holds no figures"),
        ("a.csv", b"\x89PNG\n", "is damaged: it is no text"),
    ],
)
def test_what_holds_no_rows_says_so(tmp_path, name, text, words):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=words):
        File(tmp_path / name)


def test_means_leave_out_what_there_is_not():
    mean = mean_row([row(decode_seconds=None, peak_mb=100.0), row(psnr=20.25, bytes=3000, decode_seconds=3.0)])
    figures = mean["image"], mean["psnr"], mean["decode_seconds"], mean["bytes"], mean["peak_mb"]
    assert figures == ("mean", 25.25, 3.0, 2000, 300.0)
    # a perfect picture makes no codec worse, and a tiny one none better
    assert mean_row([row(psnr=None), row(psnr=20.0)])["psnr"] is None
    tiny = mean_row([row(msssim=None, msssim_db=None), row()])
    assert tiny["msssim"] is None and tiny["msssim_db"] is None


@pytest.mark.parametrize(("name", "line"), [("a.csv", "x,1,a,10,0.5,30"), ("a.jsonl", json.dumps(row()))])
def test_a_last_line_without_an_end_counts_where_nobody_writes(tmp_path, name, line):
    """By hand, or by another program."""
    path = tmp_path / name
    path.write_text(f"codec,setting,image,bytes,bpp,psnr\n{line}" if name.endswith("csv") else line)
    assert [one["image"] for one in read(path)] == ["a"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_file_is_left_as_it_is(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"my": "results"}')
    with pytest.raises(ValueError, match="holds no rows of figures"):
        File(path)
    assert path.read_text() == '{"my": "results"}'


def test_rows_about_the_same_are_one(tmp_path):
    path = tmp_path / "a.csv"
    file = File(path)
    for one in (row(), row("b"), row(bpp=0.75)):
        file.add(one)
    assert [(one["image"], one["bpp"]) for one in read(path)] == [("a", 0.75), ("b", 0.5)]


def test_names_with_line_breaks(tmp_path):
    path = tmp_path / "a.csv"
    File(path).add(row("a\nb\u2028c"))
    assert [one["image"] for one in File(path).rows] == ["a\nb\u2028c"]


def test_decibels_of_means_are_those_of_the_mean():
    mean = mean_row([row(msssim=0.9, msssim_db=10.0), row(msssim=0.99, msssim_db=20.0)])
    assert mean["msssim_db"] == pytest.approx(-10 * np.log10(1 - 0.945))


def test_lines_stand_under_their_headings():
    shown = [line(row(), 5, 5), line(row(psnr=None, setting=None, peak_mb=None), 5, 5)]
    assert {len(text) for text in shown} == {len(heading(5, 5))}
    assert "30.25" in shown[0] and " - " in shown[1]


def test_figures_of_a_tiny_picture(tmp_path):
    pixel = np.zeros((1, 1, 3), np.uint8)
    found = measure("tiny", pixel, pixel + np.uint8(1), 30)
    assert found["bpp"] == 240 and found["msssim"] is None and found["msssim_db"] is None
    json.dumps(found)
