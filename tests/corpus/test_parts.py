"""What a corpus is made of, without a cluster."""

import io
import math
import os
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gllmm_jax import cli, corpus
from gllmm_jax.codec.codec import load
from gllmm_jax.corpus import table
from gllmm_jax.corpus.cluster import shared
from gllmm_jax.corpus.pictures import listed, with_size
from gllmm_jax.corpus.place import Place, outputs
from gllmm_jax.corpus.workers import Compressor, Job, Verifier
from gllmm_jax.zoo import WeightsError

SETTINGS = {"model": "m", "weights": "a1", "quality": 50.0, "into_rows": False, "convert": False, "max_pixels": 99}


def test_a_place_keeps_files(place):
    assert place.names() == []
    place.write("b.txt", b"old")
    place.write("sub/a.txt", b"one")
    place.write("b.txt", b"two")
    assert place.names() == ["b.txt", "sub/a.txt"]
    assert place.names("a.txt") == ["sub/a.txt"]
    assert (place.read("b.txt"), place.read("sub/a.txt")) == (b"two", b"one")
    with place.opened("b.txt") as file:
        assert file.read(1) == b"t"
    place.write("._b.txt", b"of another system")
    place.write(".hidden/b.txt", b"of a program")
    place.remove("b.txt")
    assert place.names() == ["sub/a.txt"]
    with pytest.raises(FileNotFoundError):
        place.read("b.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_a_pipe_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    os.mkfifo(tmp_path / "b.png")
    assert Place(str(tmp_path)).names() == ["a.png"]


def test_a_path_is_no_chain_of_systems(tmp_path):
    place = Place.of(tmp_path / "memory::b")
    place.write("a.txt", b"one")
    assert (tmp_path / "memory::b" / "a.txt").read_bytes() == b"one"
    assert place.names() == ["a.txt"]


def test_outputs_never_meet():
    names = ["a.png", "sub/a.png", "b.png", "b.jpg", "c"]
    found = outputs(names, ".gllm")
    assert found == {"a.png": "a.gllm", "sub/a.png": "sub/a.gllm", "b.png": "b.png.gllm", "b.jpg": "b.jpg.gllm",
                     "c": "c.gllm"}  # fmt: skip
    tricky = outputs(["a.png", "a.jpg", "a.png.webp"], ".gllm")
    assert len(set(tricky.values())) == 3
    assert outputs(["a.jpg"], ".gllm", done={"a.png": "a.gllm"}) == {"a.jpg": "a.jpg.gllm"}
    # of a run that was cut the other picture has a row, and a.jpg.gllm may be there
    assert outputs(["a.png", "a.jpg"], ".gllm", done={"a.png": "a.png.gllm"}) == {"a.jpg": "a.jpg.gllm"}
    with pytest.raises(ValueError, match="which another picture became"):
        outputs(["a.jpg"], ".gllm", done={"a.png": "a.gllm", "b": "a.jpg.gllm"})


def test_paths_are_those_of_the_caller(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Place.of("a/b").address == str(tmp_path / "a" / "b")
    assert Place.of("memory://a").address == "memory://a"


def write_rows(place, name, rows):
    stream = io.BytesIO()
    pq.write_table(table.batch(rows), stream)
    place.write(f"rows/{name}.parquet", stream.getvalue())


def test_rows_count_once_and_a_success_counts(place):
    write_rows(place, "1", [table.row("a", bytes=10, bpp=1.0), table.row("b", error="a full disk")])
    write_rows(place, "2", [table.row("b", bytes=30, bpp=3.0), table.row("c", error="no picture")])
    write_rows(place, "0", [table.row("c", error="no picture")])
    place.write("rows/3.parquet", place.read("rows/1.parquet")[:-20])
    found, damaged = table.rows(place)
    assert damaged == ["rows/3.parquet"] and damaged[0] in place.names()
    assert sorted((one["name"], one["bytes"]) for one in found) == [("a", 10), ("b", 30), ("c", 0)]
    assert table.rows(place, mend=True)[1] == damaged
    assert "rows/3.parquet" not in place.names() and "rows/3.parquet.damaged" in place.names()
    assert table.rows(place)[1] == []
    summary = table.summed(found)
    assert (summary.pictures, summary.bytes, summary.bpp, summary.failed) == (2, 40, 2.0, {"c": "no picture"})
    assert math.isnan(summary.psnr)


def test_a_row_counts_where_its_file_is(place):
    place.write("a.gllm", b"")
    found = [table.row("a.png", output="a.gllm"), table.row("b.png", output="b.gllm"), table.row("c.png", data=b"c")]
    assert table.summed(table.with_files(place, found)).failed == {"b.png": "its file is gone"}


def test_a_target_has_one_kind_of_rows(place):
    with pytest.raises(ValueError, match="holds no corpus"):
        table.settings(place)
    place.write("p1.gllm", b"somebody's")
    with pytest.raises(ValueError, match=r"holds p1\.gllm already, of no corpus"):
        table.settle(place, SETTINGS, ["p1.png", "p2.png"])
    place.remove("p1.gllm")
    table.settle(place, SETTINGS, ["p1.png"])
    place.write("p1.gllm", b"ours")
    table.settle(place, SETTINGS | {"convert": True}, ["p1.png"])
    assert table.settings(place)["convert"]
    table.settle(place, SETTINGS | {"quality": 60.0}, ["p1.png"])  # no picture has a row yet
    table.settle(place, SETTINGS, ["p1.png"])
    write_rows(place, "1", [table.row("p1.png")])
    for name, value in {"weights": "b2", "quality": 60.0, "into_rows": True}.items():
        with pytest.raises(ValueError, match=f"whose {name} is .*, and {value} is asked for"):
            table.settle(place, SETTINGS | {name: value}, ["p1.png"])


def test_what_cannot_be_is_told_before_a_cluster_starts(tmp_path, pictures, mu_file):
    (tmp_path / "empty" / ".hidden").mkdir(parents=True)
    for name in ("._p0.png", "no picture.txt", ".hidden/p0.png"):
        (tmp_path / "empty" / name).write_bytes(b"")
    with pytest.raises(ValueError, match="empty has neither pictures nor Parquet files"):
        corpus.compress(tmp_path / "empty", tmp_path / "packed")
    with pytest.raises(ValueError, match=r"there is no .*nothing$"):
        corpus.compress(tmp_path / "nothing", tmp_path / "packed")
    with pytest.raises(ValueError, match=r"p1\.png is a file, not a folder"):
        corpus.compress(pictures / "p1.png", tmp_path / "packed")
    with pytest.raises(ValueError, match=r"target of a corpus cannot have '\?' in its name: '.*what\?'"):
        corpus.compress(pictures, tmp_path / "what?")
    (tmp_path / "link").symlink_to(pictures)
    (pictures / "out").mkdir()
    (pictures / "out" / "rows.parquet").write_bytes(b"")
    assert len(listed(Place.of(tmp_path / "link"), Place.of(pictures / "out"))[0]) == 14
    shutil.rmtree(pictures / "out")
    with pytest.raises(ValueError, match="both the source and the target"):
        corpus.compress(pictures, tmp_path / "link")
    with pytest.raises(ValueError, match="holds no corpus"):
        corpus.verify(tmp_path / "nothing")
    with pytest.raises(ValueError, match="holds no corpus"):
        corpus.evaluate(pictures, tmp_path / "nothing")
    with pytest.raises(WeightsError, match="there is no model 'nothere'"):
        corpus.compress(pictures, tmp_path / "packed", model="nothere")
    with pytest.raises(ValueError, match="has one quality"):
        corpus.compress(pictures, tmp_path / "packed", model=mu_file, quality=50)
    with pytest.raises(ValueError, match="from 0 to 100"):
        corpus.compress(pictures, tmp_path / "packed", quality=101)
    assert not (tmp_path / "packed").exists()
    (pictures / "rows.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="both pictures and Parquet files"):
        corpus.compress(pictures, tmp_path / "packed")
    for path in pictures.rglob("*.png"):
        path.unlink()
    (pictures / "p11.webp").unlink()
    with pytest.raises(ValueError, match="into_rows=True"):
        corpus.compress(pictures, tmp_path / "packed")


def test_a_message_names_the_option(pictures, tmp_path, capsys):
    for path in [*pictures.rglob("*.png"), pictures / "p11.webp"]:
        path.unlink()
    (pictures / "rows.parquet").write_bytes(b"")
    assert cli.main(["corpus", "compress", str(pictures), str(tmp_path / "packed")]) == cli.FAILED
    assert "become rows: --into-rows asks for that" in capsys.readouterr().err


def test_a_corpus_is_verified_with_its_own_weights_wherever_they_are(pictures, mu_file, tmp_path):
    target = Place(str(tmp_path / "packed"))
    table.settle(target, SETTINGS | {"model": "/gone.npz", "quality": None}, [])
    with pytest.raises(WeightsError, match=r"there is no weights file /gone\.npz"):
        corpus.verify(target.address)
    with pytest.raises(ValueError, match=f"other weights than {re.escape(str(mu_file))}: model= names the right ones"):
        corpus.evaluate(pictures, target.address, model=mu_file)


def test_rows_of_a_source_have_names_of_their_own(place, tmp_path):
    write_rows(place, "1", [table.row("a.png"), table.row("b.png")])
    write_rows(place, "2", [table.row("c.png"), table.row("a.png")])
    table.check_source(place, ["rows/1.parquet"], ("name", "data"))
    with pytest.raises(ValueError, match=r"2 rows of .* have the name a\.png"):
        corpus.compress(place.address, tmp_path / "packed", into_rows=True, columns=("name", "data"))
    with pytest.raises(ValueError, match="no column id"):
        corpus.compress(place.address, tmp_path / "packed", into_rows=True, columns=("id", "data"))
    with pytest.raises(ValueError, match=r"the column height of .* must be of type string, not int32"):
        corpus.compress(place.address, tmp_path / "packed", into_rows=True, columns=("height", "data"))
    with pytest.raises(ValueError, match="cannot be both the source and the target"):
        corpus.compress(place.address, place.address, into_rows=True)
    assert not (tmp_path / "packed").exists()


def test_workers_do_what_the_codec_does(mu_file, pictures, tmp_path, mu_codec):
    source, target = Place(str(pictures)), Place(str(tmp_path / "packed"))
    given = [{"name": "p1.png", "output": "p1.gllm"}, {"name": "bad.png", "output": "bad.gllm"}]
    job = Job(str(mu_file), source, target)
    good, bad = made = Compressor(job)(pa.Table.from_pylist(given)).to_pylist()
    pixels = np.asarray(Image.open(pictures / "p1.png"))
    encoded = mu_codec.encode(pixels, estimate=False)
    assert target.read("p1.gllm") == encoded.data
    assert (good["width"], good["height"], good["bytes"]) == (24, 24, len(encoded.data))
    assert (good["bpp"], good["crc32"]) == (encoded.report.bpp, encoded.report.latents_crc32)
    error = np.mean((pixels.astype(float) - mu_codec.decompress(encoded.data)) ** 2)
    assert good["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-3)
    assert "bad.png is not a picture" in bad["error"]
    assert target.names() == ["p1.gllm"]

    verifier = Verifier(job)
    assert verifier(table.batch(made[:1])).to_pylist()[0]["error"] == ""
    other = mu_codec.encode(pixels[::-1], estimate=False).data
    for data, error in ((other, "another than the one that was written"), (other[:-3], "cut short")):
        target.write("p1.gllm", data)
        assert error in verifier(table.batch(made[:1])).to_pylist()[0]["error"]
    target.remove("p1.gllm")
    assert verifier(table.batch(made[:1])).to_pylist()[0]["error"]


def test_files_may_lie_in_the_rows(mu_file, photograph):
    stream = io.BytesIO()
    Image.fromarray(photograph(16, 24)).save(stream, "png")
    job = Job(str(mu_file), None, None, psnr=False)
    given = pa.Table.from_pylist([{"name": "a.png", "picture": stream.getvalue()}])
    made = Compressor(job)(given)
    (row,) = made.to_pylist()
    assert row["data"] == load(mu_file).encode(photograph(16, 24), estimate=False).data
    assert math.isnan(row["psnr"])
    assert Verifier(job)(made).to_pylist()[0]["error"] == ""


def test_pictures_are_sized_by_their_headers(pictures):
    found = [with_size(Place(str(pictures)), {"name": name}) for name in ("p0.png", "p1.png", "bad.png", "none.png")]
    assert [(one["height"], one["width"]) for one in found] == [(0, 0), (24, 24), (0, 0), (0, 0)]


@pytest.mark.parametrize(("cores", "asked", "workers"), [(1, None, 1), (1, 3, 3), (4, None, 3), (4, 3, 3), (4, 4, 4)])
def test_a_whole_core_is_left_to_reading_and_writing(cores, asked, workers):
    # two nodes of two cores would have half a core each, if four workers took three quarters each
    found, share = shared(0, cores, asked)
    assert found == workers
    assert share["num_cpus"] in (0, 1)
    assert cores - workers * share["num_cpus"] >= 1
    assert shared(2, cores, asked) == (asked or 2, {"num_gpus": 1})
