"""`info` and the options that choose a model."""

import json

import pytest

from gllmm_jax import zoo
from gllmm_jax.cli import main


@pytest.fixture(autouse=True)
def installed(mu_file, monkeypatch, tmp_path):
    """`mu-random` is the only model, and the current folder is empty."""
    monkeypatch.setattr(zoo, "FOLDER", mu_file.parent)
    monkeypatch.setattr(zoo, "DEFAULT", "mu-random")
    monkeypatch.chdir(tmp_path)


def test_info_of_a_model_by_its_name(capsys):
    assert main(["info", "mu-random", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "weights"
    assert main(["info", "other"]) == 2
    assert capsys.readouterr().err == "gllmm-jax: there is no file other\n"


def test_models_of_further_folders(capsys, photo, mu_weights, tmp_path, monkeypatch):
    """What $GLLMM_JAX_WEIGHTS names counts in every command; an installed model goes before another of its name."""
    own = tmp_path / "own"
    own.mkdir()
    zoo.save(own / "mine.npz", mu_weights._replace(name="mine"))
    (own / "mu-random.npz").write_bytes(b"no weights")
    (own / "broken.npz").write_bytes(b"PK\x03\x04")
    assert main(["info", "mine"]) == 2
    monkeypatch.setenv(zoo.PLACES, str(own))
    assert main(["models", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["model"] for row in json.loads(out)] == ["mine", "mu-random"]
    assert err.splitlines()[-1] == f"gllmm-jax: {own / 'broken.npz'} is damaged or cut short"
    assert main(["info", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "mine"
    assert main(["compress", str(photo), "--model", "mine"]) == 0
    assert main(["decompress", str(photo.with_suffix(".gllm")), "-o", str(tmp_path / "back.png")]) == 0


def test_one_model_a_command(capsys, photo):
    with pytest.raises(SystemExit, match="2"):
        main(["compress", str(photo), "--model", "mu-random", "--model", "other"])
    assert "argument --model: one is taken, and two are given" in capsys.readouterr().err


def test_alone_it_helps(capsys):
    assert main([]) == 0
    assert "compress" in capsys.readouterr().out


def test_what_files_say_cannot_steer_a_terminal(mu_weights, tmp_path, capsys):
    path = tmp_path / "odd.npz"
    zoo.save(path, mu_weights._replace(provenance={"by\x07": "\x1b[31mred\r"}))
    assert main(["info", str(path)]) == 0
    assert main(["info", str(tmp_path / "\x1b[2J.gllm")]) == 2
    out, err = capsys.readouterr()
    assert r"\x1b[31mred\r" in out
    assert r"\x1b[2J.gllm" in err
    assert not [c for c in out + err if not c.isprintable() and c != "\n"]
