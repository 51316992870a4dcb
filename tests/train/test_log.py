"""The CSV file, the TensorBoard folder and what is said on stderr."""

import contextlib
import csv
import os
import shutil
from types import SimpleNamespace

import pytest

from gllmm_jax.files import WriteError
from gllmm_jax.train.log import COLUMNS, CsvLog, Log

FIGURES = {"loss": 1.5, "bpp": 0.5, "psnr": 30.25, "lr": 1e-3, "images_per_second": 12.0}


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_and_tensorboard_files(tmp_path):
    pytest.importorskip("tensorboardX")
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        log.write("train", 3, 1.25, FIGURES)
        log.write("validation", 3, 1.5, {"loss": 2.0, "unheard_of": 1.0})
    train, validation = rows(tmp_path)
    assert list(train) == COLUMNS
    assert (train["split"], train["step"], train["loss"], train["mse"]) == ("train", "3", "1.5", "")
    assert (validation["split"], validation["loss"]) == ("validation", "2")
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_resumed_run_drops_the_rows_of_lost_steps(tmp_path):
    for start, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        with Log(tmp_path, step=start, progress=0.0, show=False) as log:
            for step in steps:
                log.write("train", step, float(start), FIGURES)
    assert [(row["step"], row["seconds"]) for row in rows(tmp_path)] == [
        ("1", "0.0"),
        ("2", "0.0"),
        ("3", "2.0"),
        ("4", "2.0"),
    ]


@pytest.mark.parametrize("part", ["tra", "train,2,2.0,1.4", "train,2,2.0,1.5,0.5,,,30.25,,,,0.001,1"])
def test_a_row_cut_short_by_a_kill_is_dropped(tmp_path, part):
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        log.write("train", 1, 1.0, FIGURES)
    with (tmp_path / "log.csv").open("a") as file:
        file.write(part)
    with Log(tmp_path, step=5, progress=0.0, show=False):
        pass
    assert [row["step"] for row in rows(tmp_path)] == ["1"]


DAMAGES = {
    "digit to quotation mark": ("train,2,", 'train,"'),
    "digit to letter": ("train,2,2.0,1.5", "train,2,2.0,1.u"),
    "comma to l": ("train,2,2.0", "train,2l2.0"),
    "step": ("train,2,", "train,\xb2,"),
    "split": ("train,2,", "trahn,2,"),
    "no end": ("train,2,", "train," + 200_000 * "2" + ","),
    "zeros": ("train,2,", "train,2" + 4096 * "\0" + ","),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_dropped_and_no_other(tmp_path, damage):
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        for step in (1, 2, 3):
            log.write("train", step, float(step), FIGURES)
    text = (tmp_path / "log.csv").read_text()
    assert damage[0] in text
    (tmp_path / "log.csv").write_text(text.replace(*damage))
    with Log(tmp_path, step=5, progress=0.0, show=False):
        pass
    assert [row["step"] for row in rows(tmp_path)] == ["1", "3"]


def test_plain_lines_where_stderr_is_no_terminal(tmp_path, capsys):
    with Log(tmp_path, step=0, progress=0.0) as log:
        log.progress.update(0.25, 3, {})
        log.progress.update(0.25, 3, FIGURES)
        log.progress.update(0.26, 4, FIGURES)  # too soon for another line
        log.say("a sentence")
    assert capsys.readouterr().err.splitlines() == [
        " 25.0% step 3 loss 1.5000 bpp 0.5000 PSNR 30.25 12.0 images/s",
        "a sentence",
    ]


def test_a_bar_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Log(tmp_path, step=0, progress=0.0) as log:
        log.say("a sentence")
        log.progress.update(0.5, 3, FIGURES)
    said = capsys.readouterr().err
    assert "a sentence" in said
    assert "50%" in said


def test_a_log_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(WriteError, match=r"cannot write .*log.csv: it is a folder"):
        Log(tmp_path, step=0, progress=0.0, show=False)


def leads_to(fd, path):
    """Whether a file of this process is the one of that path."""
    with contextlib.suppress(OSError):  # the listing itself
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    return False


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_full_disk_is_told(tmp_path):
    log = CsvLog(tmp_path / "log.csv", step=0)
    full = os.open("/dev/full", os.O_WRONLY)
    (own,) = [int(fd) for fd in os.listdir("/proc/self/fd") if leads_to(fd, tmp_path / "log.csv")]
    os.dup2(full, own)  # from now on the file has no room
    os.close(full)
    with pytest.raises(WriteError, match=r"cannot write .*log.csv: the disk is full"):
        log.write("train", 3, 1.25, FIGURES)
    log.close()


def test_tensorboard_is_left_alone_where_it_would_run_out_of_room(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    with Log(tmp_path, step=0, progress=0.0, show=False) as log:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
        with pytest.raises(WriteError, match=r"TensorBoard log in .*: the disk is full"):
            log.write("train", 3, 1.25, FIGURES)
    assert [row["step"] for row in rows(tmp_path)] == ["3"]
