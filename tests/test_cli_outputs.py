"""Where commands write: what is there stays, folders are made and filled, pipes are neither."""

import io
import os
import subprocess
import sys

import pytest
from PIL import Image

from gllmm_jax.cli import main

pytestmark = pytest.mark.usefixtures("only_mu", "no_cache")


def fails(capsys, *arguments) -> str:
    """The one line on stderr."""
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.removeprefix("gllmm-jax: ").rstrip("\n")


def test_names_a_compressed_file_may_have(photo, tmp_path):
    for name in (tmp_path / "plain", tmp_path / "LOUD.GLLM", os.devnull):
        assert main(["compress", str(photo), "-o", str(name)]) == 0


def test_nothing_is_replaced_without_the_option(capsys, photo, tmp_path):
    packed, old = tmp_path / "photo.gllm", photo.read_bytes()
    packed.write_bytes(b"old")
    for output in ([], ["-o", packed], ["-o", tmp_path], ["-o", f"{tmp_path}/"]):
        assert fails(capsys, "compress", photo, *output) == f"{packed} is there already: --force replaces it"
    assert packed.read_bytes() == b"old"
    assert main(["compress", str(photo), "--force"]) == 0
    capsys.readouterr()
    for output in ([], ["-o", photo], ["-o", tmp_path]):
        assert fails(capsys, "decompress", packed, *output) == f"{photo} is there already: --force replaces it"
    assert photo.read_bytes() == old
    assert main(["decompress", str(packed), "-o", str(photo), "--force"]) == 0
    assert photo.read_bytes() != old
    capsys.readouterr()
    kept = tmp_path / "out" / "photo.gllm"
    kept.parent.mkdir()
    kept.touch()
    assert fails(capsys, "evaluate", photo, "-o", kept.parent) == f"{kept} is there already: --force replaces it"
    assert main(["evaluate", str(photo), "-o", str(kept.parent), "--force"]) == 0


def test_an_input_is_never_an_output(capsys, photo, tmp_path):
    inside = photo.rename(tmp_path / "inside.gllm")
    whole = inside.read_bytes()
    (tmp_path / "link.gllm").symlink_to(inside)
    for output in (inside, tmp_path / "link.gllm"):
        line = fails(capsys, "compress", inside, "-o", output, "--force")
        assert line == f"the output would replace the input {inside}: name another with -o"
    assert "would replace the input" in fails(capsys, "compress", tmp_path / "*.gllm", "--force")
    assert inside.read_bytes() == whole


def test_a_name_is_needed_where_the_input_has_none(capsys, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("-", os.devnull):
        line = fails(capsys, "compress", source)
        assert line == f"{source} is no file that could lend its name: say where to write with -o"
        assert "name a file, and not a folder, with -o" in fails(capsys, "compress", source, "-o", "new/")
        assert f"{source} is no file, and is taken alone" in fails(capsys, "compress", source, photo, "-o", "new/")
    assert "many files go into a folder, and - is none" in fails(capsys, "compress", photo, tmp_path, "-o", "-")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_folder_is_made_or_filled(photo, tmp_path):
    (tmp_path / "there").mkdir()
    for output in ("new/in/", "there"):
        assert main(["compress", str(photo), "-o", f"{tmp_path}/{output}"]) == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.gllm")) == [
        "new/in/photo.gllm",
        "there/photo.gllm",
    ]


def test_a_format_that_the_name_contradicts(capsys, photo, tmp_path):
    assert main(["compress", str(photo)]) == 0
    capsys.readouterr()
    named = "decompress", tmp_path / "photo.gllm", "-o", tmp_path / "x.png", "--format"
    line = fails(capsys, *named, "jpg")
    assert (
        line == f"{tmp_path / 'x.png'} would be a JPEG file of another name: leave --format out, or let it end in .jpg"
    )
    assert "'.xyz' is not a picture format written here" in fails(capsys, *named, "xyz")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no /dev/stdout")
def test_through_pipes(mu_file, photo, tmp_path):
    """The file goes into the pipe and nothing else; the report goes to stderr."""

    def piped(command, given, *names) -> bytes:
        whole = [sys.executable, "-m", "gllmm_jax", command, *names, "--model", str(mu_file)]
        done = subprocess.run(whole, input=given, check=True, capture_output=True)
        assert b"20 x 20" in done.stderr
        return done.stdout

    packed = piped("compress", photo.read_bytes(), "/dev/stdin", "-o", "-")
    assert piped("compress", photo.read_bytes(), "-", "-o", "/dev/stdout") == packed
    for format, more in (("PNG", []), ("WEBP", ["--format", "webp"])):
        with Image.open(io.BytesIO(piped("decompress", packed, "-", "-o", "-", *more))) as image:
            assert (image.format, image.size) == (format, (20, 20))
