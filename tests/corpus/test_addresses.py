"""What is told of a cluster's address before Ray joins it."""

import http.server
import socket
import threading

import pytest
import ray

from gllmm_jax import cli
from gllmm_jax.corpus import cluster


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
