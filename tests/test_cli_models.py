"""`info` and the options that choose a model."""

import csv
import json
import re
from pathlib import Path

import pytest

from gllmm_jax import zoo
from gllmm_jax.cli import EXAMPLES, command_line, main, models


@pytest.fixture(autouse=True)
def installed(only_mu, monkeypatch, tmp_path):
    """`mu-random` is the only model, and the current folder is empty."""
    monkeypatch.chdir(tmp_path)


def test_info_of_a_model_by_its_name(capsys):
    assert main(["info", "mu-random", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "weights"
    assert main(["info", "other"]) == 2
    assert capsys.readouterr().err == "gllmm-jax: there is no file other\n"


def test_info_of_a_preset_says_how_to_train_it(capsys):
    assert main(["info", "gllmm-128"]) == 2
    told = "it is a preset, and `gllmm-jax train --preset gllmm-128` makes weights; there are: mu-random"
    assert capsys.readouterr().err == f"gllmm-jax: there is no model 'gllmm-128'; {told}\n"


def test_models_say_what_to_expect(capsys, mu_file, monkeypatch):
    known = {"mu-random": {"licence": "MIT", "kodak": [{"quality": q, "bpp": q / 4, "psnr": 20 + q} for q in (1, 5)]}}
    monkeypatch.setattr(models, "MEASURED", "measured-by-test.json")
    assert main(["models"]) == 0
    assert re.search(r"^mu-random \*  lambda 0\.013  \? +\? +", capsys.readouterr().out, re.MULTILINE)
    path = mu_file.with_name(models.MEASURED)
    path.write_text(json.dumps(known))
    assert main(["models"]) == 0
    path.unlink()
    line = capsys.readouterr().out.splitlines()[1]
    assert re.fullmatch(r"mu-random \*  lambda 0\.013  0\.25 to 1\.25  21\.0 to 25\.0  [\d,]+ +[\d,]+ +MIT", line)


def test_what_is_expected_was_measured():
    """Of all installed weights; of those in the table of results, its means."""
    folder = Path(zoo.__file__).parent / "weights"
    known = json.loads((folder / models.MEASURED).read_text())
    assert set(known) == {path.stem for path in folder.glob("*.npz")}
    assert all(model["licence"] == "Apache-2.0" and model["kodak"] for model in known.values())
    results = folder.parent.parent / "experiments" / "results" / "kodak.csv"
    rows = list(csv.DictReader(results.read_text().splitlines()))
    for name, model in known.items():
        for point in model["kodak"]:
            found = [row for row in rows if row["codec"] == name and float(row["setting"]) == point["quality"]]
            for key, digits in (("bpp", 5e-4), ("psnr", 6e-3)):
                if found:
                    mean = sum(float(row[key]) for row in found) / len(found)
                    assert abs(mean - point[key]) < digits, (name, point)
    assert {row["codec"] for row in rows} & set(known)


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


def test_every_help_has_examples_that_can_be_given(capsys):
    """They are parsed here as they are shown."""
    for command in ("", *EXAMPLES):
        with pytest.raises(SystemExit, match="0"):
            main([*command.split(), "--help"])
        _, _, shown = capsys.readouterr().out.partition("\nfor example:\n")
        lines = shown.splitlines()
        assert lines and all(line.startswith(f"  gllmm-jax {command}") for line in lines), command
        for line in lines:
            if "--help" not in line:
                assert command_line().parse_args(line.split()[1:]).run


def test_what_files_say_cannot_steer_a_terminal(mu_weights, monkeypatch, tmp_path, capsys):
    path = tmp_path / "odd.npz"
    zoo.save(path, mu_weights._replace(provenance={"by\x07": "\x1b[31mred\r", "lmbda": "\x1b[2J"}))
    assert main(["info", str(path)]) == 0
    assert main(["info", str(tmp_path / "\x1b[2J.gllm")]) == 2
    monkeypatch.setenv(zoo.PLACES, str(tmp_path))
    assert main(["models"]) == 0
    path.rename(tmp_path / "\x1b]0;.npz")
    with pytest.raises(SystemExit):
        main(["--version"])
    out, err = capsys.readouterr()
    assert r"\x1b[31mred\r" in out
    assert r"\x1b[2J.gllm" in err
    assert r"lambda \x1b[2J" in out
    assert r"\x1b]0;" in out
    assert not [c for c in out + err if not c.isprintable() and c != "\n"]
