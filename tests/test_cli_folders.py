"""Folders, patterns and several files: what becomes of each, and a run that goes on."""

import argparse
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gllmm_jax import files
from gllmm_jax.cli import codecs, main, pairs
from gllmm_jax.container import container
from gllmm_jax.picture.formats import is_picture

pytestmark = pytest.mark.usefixtures("only_mu", "no_cache")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with empty files in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/sub/b.JPG", "in/sub/notes.txt", "in/.hidden.png", "in/.git/c.png", "more/a.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def planned(*paths: str, output: str | None = None, force: bool = False) -> dict[str, str]:
    plan = pairs.plan(list(paths), output, ".gllm", wanted=is_picture, force=force)
    return {str(pair.source): str(pair.output) for pair in plan.pairs}


def test_what_becomes_of_each(here, monkeypatch):
    tree = {"in/a.png": "out/a.gllm", "in/sub/b.JPG": "out/sub/b.gllm"}
    for path in ("in", "in/", "in/**/*.*[gG]"):
        assert planned(path, output="out") == tree
    assert planned("in") == {"in/a.png": "in/a.gllm", "in/sub/b.JPG": "in/sub/b.gllm"}
    two = {"in/a.png": "out/in/a.gllm", "in/sub/b.JPG": "out/in/sub/b.gllm", "more/a.png": "out/more/a.gllm"}
    assert planned("in", "more", output="out/") == planned("*", output="out") == two
    assert planned("in", "in/a.png", output="out")["in/a.png"] == "out/in/a.gllm"  # each once
    assert planned("in/a.png", "none.png", output="out") == {"in/a.png": "out/a.gllm", "none.png": "out/none.gllm"}
    monkeypatch.chdir(here / "in" / "sub")
    assert planned("..", ".", output="out") == {"../a.png": "out/in/a.gllm", "../sub/b.JPG": "out/in/sub/b.gllm"}


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="this system has no files of the kernel")
def test_a_redirected_input_lends_no_name():
    # as /dev/stdin, behind which a shell may have put a file
    with pytest.raises(ValueError, match="say where to write with -o"):
        planned("/proc/self/status")


def test_names_that_would_meet(here):
    Path("in/a.jpg").touch()
    assert planned("in", output="out") == {
        "in/a.png": "out/a.png.gllm", "in/a.jpg": "out/a.jpg.gllm", "in/sub/b.JPG": "out/sub/b.gllm"
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"^in/a\.png and more/a\.png would both become out/a\.png\.gllm: "):
        planned("in/a.png", "more/a.png", output="out")


def test_an_output_that_may_be_of_another_picture_is_told(capsys, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        shutil.copy(photo, name)
    assert run(capsys, "compress", "in/*.png", "-o", "out")[1] == []
    for name in ("in/a.jpg", "in/d.jpg", "in/b.txt"):
        shutil.copy(photo, name)
    assert run(capsys, "compress", "in/?.jpg", "-o", "out")[1] == [
        "gllmm-jax: in/a.jpg is left out: out/a.gllm is there already, and may be of a.png"
    ]
    assert run(capsys, "decompress", "out", "-o", "in")[1] == []
    assert run(capsys, "compress", "in/?.jpg", "-o", "out", "--force")[1] == []


def test_names_with_a_line_break_are_one_line(capsys, photo, tmp_path):
    source = tmp_path / "a\nb.png"
    shutil.copy(photo, source)
    shutil.copy(photo, tmp_path / "c\nd.png")
    assert run(capsys, "compress", source)[1] == []
    shown = str(source).replace("\n", "\\n")
    line = run(capsys, "compress", source, status=2)[1]
    assert line == [f"gllmm-jax: {shown.replace('png', 'gllm')} is there already: --force replaces it"]
    (tmp_path / "c\nd.png").write_bytes(b"no picture")
    line = run(capsys, "compress", tmp_path, status=1)[1]
    assert line == [f"gllmm-jax: {tmp_path}/c\\nd.png is not a picture that can be read here"]


def test_where_there_is_nothing_to_do(here):
    Path("empty").mkdir()
    Path("file").touch()
    for path, words in (("empty", "the folder empty has no file of a kind read here"), ("*.tiff", "no file matches ")):
        with pytest.raises(ValueError, match=words):
            planned(path, output="out")
    with pytest.raises(ValueError, match="many files go into a folder, and file is none: name one with -o"):
        planned("in", output="file")


def run(capsys, *arguments, status=0) -> tuple[list[str], list[str]]:
    """Lines on stdout and on stderr."""
    assert main([str(argument) for argument in arguments]) == status
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def test_a_bad_picture_does_not_end_a_run_and_a_second_one_goes_on(capsys, photo, tmp_path):
    source, packed, back = tmp_path / "in", tmp_path / "packed", tmp_path / "back"
    (source / "sub").mkdir(parents=True)
    for name in ("a.png", "c.png", "sub/d.png"):
        shutil.copy(photo, source / name)
    (source / "bad.png").write_text("no picture")
    out, err = run(capsys, "compress", source, "-o", packed, status=1)
    assert err == [f"gllmm-jax: {source / 'bad.png'} is not a picture that can be read here"]
    assert sorted(line.split(": ")[0] for line in out[:-1]) == [
        str(packed / n) for n in ("a.gllm", "c.gllm", "sub/d.gllm")
    ]
    sizes = 3 * photo.stat().st_size, sum(path.stat().st_size for path in packed.rglob("*.gllm"))
    assert out[-1].startswith(
        f"3 pictures, {sizes[0]:,} bytes in, {sizes[1]:,} out, {8 * sizes[1] / 1200:.3f} bits a pixel, "
    )
    assert out[-1].endswith(" s, 1 failed")

    (packed / "c.gllm").unlink()  # as after a run that was killed
    before = {path: path.stat().st_mtime_ns for path in packed.rglob("*.gllm")}
    shutil.copy(photo, source / "bad.png")
    out, err = run(capsys, "compress", source, "-o", packed)
    assert (len(out), err) == (3, [])
    assert out[-1].startswith("2 pictures, ")
    assert out[-1].endswith(", 2 left out, whose outputs are there already (--force replaces them)")
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    out, _ = run(capsys, "compress", source, "-o", packed, "--force", "--json")
    found = json.loads("".join(out))
    assert (found["summary"]["pictures"], found["summary"]["there"]) == (4, 0)
    assert {row["output"] for row in found["files"]} == {str(path) for path in packed.rglob("*.gllm")}

    data = (packed / "a.gllm").read_bytes()
    (packed / "a.gllm").write_bytes(data[:-5])
    (packed / "e.gllm").write_bytes(container.pack(container.unpack(data)[0]._replace(fingerprint=b"none"), b""))
    out, err = run(capsys, "decompress", packed, "-o", back, "--format", "webp", status=1)
    assert len(err) == 2
    assert any(line.startswith(f"gllmm-jax: {packed / 'a.gllm'}: the file is cut short") for line in err)
    assert any(line.startswith(f"gllmm-jax: {packed / 'e.gllm'}: it needs the weights 'mu-random'") for line in err)
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*.webp")) == ["bad.webp", "c.webp", "sub/d.webp"]
    with Image.open(back / "c.webp") as image:
        assert np.asarray(image).shape == (20, 20, 3)


def test_what_no_picture_would_survive_is_told_once(capsys, here):
    out, err = run(capsys, "compress", "in", "-o", "out", "--model", "tiny", status=2)
    assert (out, err) == ([], ["gllmm-jax: there is no model 'tiny'; there are: mu-random"])
    Path("taken").touch()
    why = "gllmm-jax: cannot make the folder taken/out: a part of that path is a file"
    assert run(capsys, "compress", "in", "-o", "taken/out", status=2)[1] == [why]
    assert len(run(capsys, "decompress", "in/a.png", "more/a.png", "--format", "xyz", status=2)[1]) == 1


def test_large_pictures_are_worked_on_one_at_a_time():
    arguments = argparse.Namespace(transforms=None, entropy=None, model=None)
    loaded, begun = codecs.Codecs(arguments), []
    with loaded.room_for(codecs.LARGE):
        other = threading.Thread(target=lambda: [begun.append(1) for _ in [loaded.room_for(codecs.LARGE).__enter__()]])
        other.start()
        with loaded.room_for(codecs.LARGE - 1):
            pass
        other.join(0.2)
        assert not begun
    other.join(5)
    assert begun


def test_pipes_are_passed_over_and_links_followed_once(here):
    os.mkfifo("in/waits.png")
    Path("in/sub/up").symlink_to("..")
    Path("in/lost.png").symlink_to("nowhere.png")
    expected = {"in/a.png", "in/lost.png", "in/sub/b.JPG"}  # a link to nowhere is told of when it is read
    assert set(planned("in", output="out")) == expected
    assert set(planned("in/**/*.[pJ]*", output="out")) == expected | {"in/waits.png"}  # this one was named


def test_a_folder_that_is_missing_is_told_before_the_work(here):
    with pytest.raises(files.WriteError, match=r"^there is no folder none for a\.gllm$"):
        planned("in/a.png", output="none/a.gllm")
