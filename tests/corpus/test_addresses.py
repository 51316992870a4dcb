"""What is told of a cluster's address before Ray joins it, and when no cluster is asked."""

import http.server
import io
import socket
import threading

import pyarrow.parquet as pq
import pytest
import ray

from gllmm_jax import cli, corpus
from gllmm_jax.corpus import cluster, table
from gllmm_jax.corpus.place import Place


def test_a_cluster_that_does_not_answer_is_told_at_once(pictures, mu_file, tmp_path, capsys):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        line = ["corpus", "compress", pictures, tmp_path / "packed", "--model", mu_file, "--ray", address]
        assert cli.main([str(part) for part in line]) == cli.FAILED
    assert f"no Ray cluster answers at {address}: " in capsys.readouterr().err


def test_what_is_no_cluster_is_told_at_once(pictures, mu_file, tmp_path, capsys):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # as Ray's own dashboard
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    line = ["corpus", "compress", pictures, tmp_path / "packed", "--model", mu_file, "--ray", address]
    assert cli.main([str(part) for part in line]) == cli.FAILED
    server.shutdown()
    server.server_close()
    assert f"what listens at {address} is no Ray cluster" in capsys.readouterr().err.splitlines()[-1]


def test_a_cluster_that_lets_nobody_join_is_left(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(ray, "init", lambda **_: over.wait())
    monkeypatch.setattr(cluster, "JOINING", 0.1)
    said = r"the Ray cluster at auto has not let this process join in 0\.1 s"
    with pytest.raises(ConnectionError, match=said), cluster.joined("auto", None):
        pass
    over.set()


def test_no_cluster_is_asked_if_all_pictures_have_their_files(pictures, mu_file, tmp_path):
    (pictures / "bad.png").unlink()
    target, stream = Place(str(tmp_path / "packed")), io.BytesIO()
    nobody = {"model": mu_file, "ray_address": "127.0.0.1:1"}
    with pytest.raises(ConnectionError):
        corpus.compress(pictures, tmp_path / "packed", **nobody)  # writes the settings
    names = [path.relative_to(pictures).as_posix() for path in pictures.rglob("p*.*")]
    for name in names:
        target.write(f"{name}.gllm", b"as a row says")
    pq.write_table(table.batch([table.row(name, output=f"{name}.gllm", bytes=13) for name in names]), stream)
    target.write("rows/1.parquet", stream.getvalue())
    assert corpus.compress(pictures, tmp_path / "packed", **nobody)[:2] == (13, 13 * 13)
