"""Runs on a real Ray cluster of two nodes: their results, and what is left when somebody dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import ray
from ray.cluster_utils import Cluster

from gllmm_jax import corpus, metrics
from gllmm_jax.codec.codec import load
from gllmm_jax.corpus.place import Place
from gllmm_jax.picture import picture

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray has warnings of its own
ONE: dict[str, Any] = {"workers": 1}
TWO: dict[str, Any] = {"workers": 2}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two nodes of two cores each, as Ray counts."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    nodes.add_node(num_cpus=2)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def names_in(folder: Path) -> list[str]:
    """Names of the rows without an error, as often as they are there."""
    files = [] if not folder.is_dir() else sorted(folder.glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=["name", "error"]).to_pylist()]
    return [row["name"] for row in rows if not row["error"]]


def whole(target: Path, pictures: Path, model: str) -> None:
    """Every picture has a row, once, and the file that the codec makes of it."""
    names = [name for name in Place(str(pictures)).names() if name.endswith(("png", "webp")) and name != "bad.png"]
    assert Counter(names_in(target / "rows")) == Counter(names)
    codec = load(model)
    found = {row["name"]: row for row in corpus_rows(target)}
    for name in names:
        data = (target / found[name]["output"]).read_bytes()
        assert data == codec.encode(picture.read(pictures / name), estimate=False).data
    assert len(list(target.rglob("*.gllm"))) == len(names)


def corpus_rows(target: Path) -> list[dict]:
    return [row for file in (target / "rows").glob("*.parquet") for row in pq.read_table(file).to_pylist()]


def test_a_folder_there_and_back(mu_file, pictures, tmp_path):
    target = pictures / "bpp=0.5"  # in the source, and named as Hive names partitions
    done = corpus.compress(pictures, target, model=mu_file, **ONE)
    assert (done.pictures, list(done.failed)) == (13, ["bad.png"])
    whole(target, pictures, mu_file)
    times = {path: path.stat().st_mtime_ns for path in target.rglob("*.gllm")}
    lost = target / "p5.gllm"
    lost.unlink()
    assert corpus.compress(pictures, target, model=mu_file, **ONE)[:3] == done[:3]
    again = {path: path.stat().st_mtime_ns for path in target.rglob("*.gllm")}
    assert [path for path in again if again[path] != times[path]] == [lost]

    seen = corpus.evaluate(pictures, target, **ONE)
    assert seen.psnr == pytest.approx(done.psnr, abs=1e-6)
    codec, judged = load(mu_file), []
    for row in {row["name"]: row for row in corpus_rows(target)}.values():  # of the lost file there are two
        if not row["error"]:
            pixels = picture.read(pictures / row["name"])
            image = codec.decompress((target / row["output"]).read_bytes())
            judged.append(float(metrics.ms_ssim(pixels, image, 255.0)))
    assert seen.ms_ssim == pytest.approx(sum(judged) / 13, abs=1e-6)

    (target / "p1.gllm").write_bytes((target / "p2.gllm").read_bytes())
    (target / "p3.gllm").unlink()
    (target / "stray.gllm").write_bytes(b"of nobody")
    (target / "rows" / "cut.parquet").write_bytes(b"PAR1")
    wrong = corpus.verify(target, **ONE)
    assert set(wrong.failed) == {"p1.png", "p3.png", "bad.png", "stray.gllm", "rows/cut.parquet"}
    assert (target / "rows" / "cut.parquet").exists()
    assert wrong.pictures == 11


def test_parquet_there_and_back(mu_file, pictures, tmp_path):
    import pyarrow as pa

    rows = [{"id": path.name, "png": path.read_bytes()} for path in sorted(pictures.glob("*.png"))]
    (tmp_path / "rows").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows" / "pictures.parquet")
    options: dict[str, Any] = {"model": mu_file, "into_rows": True, "columns": ("id", "png"), **ONE}
    done = corpus.compress(tmp_path / "rows", tmp_path / "packed", **options)
    assert (done.pictures, list(done.failed)) == (len(rows) - 1, ["bad.png"])
    assert not list((tmp_path / "packed").rglob("*.gllm"))
    codec = load(mu_file)
    for row in corpus_rows(tmp_path / "packed"):
        if not row["error"]:
            assert row["data"] == codec.encode(picture.read(pictures / row["name"]), estimate=False).data
    assert corpus.compress(tmp_path / "rows", tmp_path / "packed", **options)[:3] == done[:3]
    assert corpus.verify(tmp_path / "packed", **ONE).pictures == done.pictures


def kill_when(seen, victims):
    """A thread that kills `victims()` once `seen()` holds; it tells how many there were."""
    killed = []

    def watch():
        while not seen():
            time.sleep(0.01)
        for process in victims():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                killed.append(process.pid)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread, killed


def of_workers() -> list[psutil.Process]:
    """Processes of workers that hold a codec; one of them."""
    return [p for p in psutil.process_iter(["cmdline"]) if "Compressor" in " ".join(p.info["cmdline"] or [])][:1]


def compressing(pictures: Path, target: Path, model: str, *options: str) -> list[str]:
    """The command line."""
    line = [sys.executable, "-m", "gllmm_jax", "corpus", "compress", pictures, target, "--model", model, *options]
    return [str(part) for part in line]


def test_a_worker_that_dies_is_replaced(mu_file, pictures, tmp_path, cluster):
    target = tmp_path / "packed"
    thread, killed = kill_when(lambda: list(target.rglob("*.gllm")), of_workers)
    line = compressing(pictures, target, mu_file, "--workers", "2", "--json", "--ray", cluster.address)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    thread.join(10)
    assert killed
    assert json.loads(done.stdout)["pictures"] == 13, done.stderr  # what Ray tells of a death is not there
    whole(target, pictures, mu_file)


def has_begun(run: psutil.Process) -> bool:
    """Whether a process of Ray's is there, before any worker."""
    return bool(run.children())


def has_worker(run: psutil.Process) -> bool:
    """Whether a worker is there, which loads its codec for seconds."""
    for process in run.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "Compressor" in " ".join(process.cmdline()):
                return True
    return False


@pytest.fixture
def heard():
    """Processes that start hear SIGINT; whoever runs the tests may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("number", "when", "said", "status"),
    [("SIGINT", has_worker, "interrupted", 130), ("SIGTERM", has_begun, "terminated", 143)],
)
def test_a_signal_ends_the_run_and_its_ray(mu_file, pictures, tmp_path, number, when, said, status):
    line = compressing(pictures, tmp_path / "packed", mu_file)
    run = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = psutil.Process(run.pid)
    while not when(process):
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    started = process.children(recursive=True)
    run.send_signal(signal.Signals[number])
    _, told = run.communicate(timeout=30)
    assert (run.returncode, told.splitlines()[-1]) == (status, f"gllmm-jax: {said}")
    assert started
    assert psutil.wait_procs(started, timeout=10)[1] == []


def test_a_second_run_finishes_what_a_killed_one_began(mu_file, pictures, tmp_path, cluster):
    target = tmp_path / "packed"
    line = compressing(pictures, target, mu_file, "--workers", "2", "--json", "--ray", cluster.address)
    first = subprocess.Popen(line, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(target.rglob("*.gllm")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    begun = len(list(target.rglob("*.gllm")))
    assert begun < 13
    second = subprocess.run(line, capture_output=True, text=True, check=False)
    assert second.returncode == 1, second.stderr  # one picture is none
    assert json.loads(second.stdout)["pictures"] == 13
    whole(target, pictures, mu_file)
