"""The command line: JSON as promised, one line for every problem, nothing half-written."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from gllmm_jax import zoo
from gllmm_jax.cli import main
from gllmm_jax.codec import codec
from gllmm_jax.config import TrainConfig
from gllmm_jax.presets import PRESETS

COMPRESS_KEYS = {"bytes", "bpp", "quality", "psnr", "bits_estimated", "height", "width", "model", "coder"}
COMPRESS_KEYS |= {"latents_crc32", "refined", "seconds"}
DECOMPRESS_KEYS = {"height", "width", "latents_crc32", "seconds"}


pytestmark = pytest.mark.usefixtures("no_cache")


def fails(capsys, *arguments) -> str:
    """The one line on stderr."""
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("gllmm-jax: ")
    return err.removeprefix("gllmm-jax: ").rstrip("\n")


def report(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_there_and_back(capsys, only_mu, photo, tmp_path):
    there = report(capsys, "compress", photo, "--model", "mu-random", "--json")
    assert set(there) == COMPRESS_KEYS
    assert there["bytes"] == (tmp_path / "photo.gllm").stat().st_size
    assert (there["height"], there["width"], there["model"], there["coder"]) == (20, 20, "mu-random", "rans")
    back = report(capsys, "decompress", tmp_path / "photo.gllm", "-o", tmp_path / "out.png", "--json")
    assert set(back) == DECOMPRESS_KEYS
    assert back["latents_crc32"] == there["latents_crc32"]
    assert all(seconds >= 0 for seconds in {**there["seconds"], **back["seconds"]}.values())
    assert np.asarray(Image.open(tmp_path / "out.png")).shape == (20, 20, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "photo.gllm", "photo.png"]


def test_a_weights_file_stands_for_its_model(capsys, mu_file, photo, tmp_path):
    assert main(["compress", str(photo), "--model", str(mu_file), "-o", str(tmp_path / "x.gllm")]) == 0
    assert "20 x 20" in capsys.readouterr().out
    line = fails(capsys, "decompress", tmp_path / "x.gllm")
    assert "it needs the weights 'mu-random' with the fingerprint" in line and "give their file, --model FILE" in line
    assert main(["decompress", str(tmp_path / "x.gllm"), "--model", str(mu_file)]) == 0
    assert (tmp_path / "x.png").exists()


def test_info_and_models(capsys, only_mu, mu_file, photo, tmp_path):
    report(capsys, "compress", photo, "--model", "mu-random", "--json")
    facts = report(capsys, "info", tmp_path / "photo.gllm", "--json")
    assert facts["kind"] == "picture"
    assert (facts["height"], facts["colour"], facts["model"], facts["found"]) == (20, "rgb", "mu-random", "mu-random")
    facts = report(capsys, "info", mu_file, "--json")
    assert (facts["kind"], facts["model"], facts["provenance"]) == ("weights", "mu-random", {"lmbda": 0.013})
    rows = report(capsys, "models", "--json")
    assert [(row["model"], row["default"]) for row in rows] == [("mu-random", True)]
    for arguments in (["models"], ["info", str(mu_file)], ["info", str(tmp_path / "photo.gllm")]):
        assert main(arguments) == 0
        assert "mu-random" in capsys.readouterr().out


def test_other_weights_of_the_same_name(capsys, only_mu, install, mu_weights, photo, tmp_path):
    packed = tmp_path / "photo.gllm"
    report(capsys, "compress", photo, "--json")
    (tmp_path / "other").mkdir()
    tables = {**mu_weights.tables, "y.limit": np.maximum(mu_weights.tables["y.limit"], 1) - 1}
    zoo.save(tmp_path / "other" / "mu-random.npz", mu_weights._replace(tables=tables))
    install(tmp_path / "other")
    assert report(capsys, "info", packed, "--json")["found"] is None
    line = fails(capsys, "decompress", packed, "-o", tmp_path / "out.png")
    assert line.startswith(f"{packed}: it needs the weights 'mu-random' with the fingerprint ")
    named = "decompress", packed, "-o", tmp_path / "out.png", "--model", "mu-random"
    assert "other weights of the name 'mu-random'" in (line := fails(capsys, *named))
    assert line.endswith(": decode it with those, --model FILE")
    learned = jax.tree.map(lambda leaf: leaf * np.float16(1.25), mu_weights.params["g_s"])
    zoo.save(tmp_path / "other" / "mu-random.npz", mu_weights._replace(params=mu_weights.params | {"g_s": learned}))
    assert fails(capsys, *named[:4]).endswith("'mu-random' would show another picture, --other-synthesis accepts that")
    assert main([*map(str, named[:4]), "--other-synthesis"]) == 0


def test_export(capsys, monkeypatch, tmp_path, photograph, random_params):
    checkpoint = pytest.importorskip("gllmm_jax.checkpoints.checkpoint", exc_type=ImportError)
    pytest.importorskip("gllmm_jax.data.batches", exc_type=ImportError)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        Image.fromarray(photograph(300, 260, seed=seed)).save(tmp_path / "photos" / f"{seed}.png")
    trained = TrainConfig(data=str(tmp_path / "photos"), lmbda=0.02, steps=3)
    best = (PRESETS["mu"], random_params(PRESETS["mu"]), trained)
    monkeypatch.setattr(checkpoint, "load_best", lambda workdir: best)
    for extra in ([], ["--name", "mine", "--data", str(tmp_path / "photos")]):
        assert main(["export", str(tmp_path), "-o", str(tmp_path / "w.npz"), "--force", *extra]) == 0
        weights = zoo.read(tmp_path / "w.npz")
        assert weights.name == ("mine" if extra else "mu-0.0200")
        assert (weights.provenance["lmbda"], weights.provenance["data"]) == (0.02, "photos")
        assert capsys.readouterr().err == ""
    (tmp_path / "installed").mkdir()
    shutil.copy(tmp_path / "w.npz", tmp_path / "installed" / "mine.npz")
    monkeypatch.setenv(zoo.PLACES, str(tmp_path / "installed"))
    taken = ("export", tmp_path, "-o", tmp_path / "w.npz", "--name", "mine")
    assert fails(capsys, *taken) == f"{tmp_path / 'w.npz'} is there already: --force replaces it"
    assert main([*map(str, taken), "-o", str(tmp_path / "\x07.npz")]) == 0
    out, err = capsys.readouterr()
    assert "there is a model 'mine' already, which --model mine takes" in err and r"\x07.npz: mine, " in out
    assert fails(capsys, "export", tmp_path / "none", "-o", "w.npz") == f"there is no folder {tmp_path / 'none'}"


def test_problems_of_the_input(capsys, only_mu, photo, tmp_path):
    compress = ("compress", photo, "--model", "mu-random", "-o")
    assert fails(capsys, "compress", tmp_path / "no.png") == f"there is no file {tmp_path / 'no.png'}"
    assert fails(capsys, "decompress", tmp_path / "no.gllm") == f"there is no file {tmp_path / 'no.gllm'}"
    assert fails(capsys, "info", tmp_path) == f"{tmp_path} is a folder, not a file"
    for command in (("decompress", photo, "-o", tmp_path / "x.png"), ("info", photo)):
        assert fails(capsys, *command) == f"{photo}: this is a PNG picture, not a .gllm file"
    assert fails(capsys, "compress", photo, "--model", "tiny") == "there is no model 'tiny'; there are: mu-random"
    assert "there is no folder" in fails(capsys, *compress, tmp_path / "none" / "x.gllm")
    line = fails(capsys, *compress, tmp_path / "y.png")
    assert line == f"{tmp_path / 'y.png'} would be a .gllm file of another name: let it end in .gllm"
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_unusable_folders(capsys, only_mu, photo, tmp_path):
    why = f"cannot make the folder {photo}: there is a file of that name"
    assert fails(capsys, "evaluate", photo, "-o", photo) == why
    assert fails(capsys, "demo", "-o", photo) == why
    pytest.importorskip("gllmm_jax.train.loop", exc_type=ImportError)
    settings = ("--lmbda", "0.01", "--preset", "mu", "--steps", "1")
    assert fails(capsys, "train", "--data", tmp_path, "--workdir", photo, *settings) == why


def test_problems_of_the_file(capsys, only_mu, photo, tmp_path):
    assert main(["compress", str(photo), "--model", "mu-random"]) == 0
    capsys.readouterr()
    ours = tmp_path / "photo.gllm"
    out = ("-o", tmp_path / "out.png")
    assert fails(capsys, "decompress", ours, *out, "--max-pixels", 399).endswith("--max-pixels 400 lifts it")
    for suffix in ("xyz", "ico", "gif"):
        assert "not a picture format" in fails(capsys, "decompress", ours, "-o", tmp_path / f"x.{suffix}")
    ours.write_bytes(ours.read_bytes()[:-9])
    assert "cut short" in fails(capsys, "decompress", ours, *out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.gllm", "photo.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["explode"],
        ["compress"],
        ["compress", ""],
        ["demo", "-o", ""],
        ["evaluate", "-"],
        ["decompress", "x.gllm", "--max-pixels", "0"],
        ["train", "--data", "d", "--preset", "mu", "--workdir", "w", "--lmbda", "1"],
        ["train", "--data", "d", "--preset", "mu", "--workdir", "w", "--lmbda", "-1", "--steps", "3"],
    ],
)
def test_wrong_arguments_are_one_line(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert (out, err.count("\n")) == ("", 1)


def test_a_bug_is_one_line_too(capsys, monkeypatch, only_mu, photo):
    def broken(*_, **places):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(codec, "load", broken)
    assert fails(capsys, "compress", photo) == "unexpected RuntimeError: first line (GLLMM_JAX_DEBUG=1 shows where)"
    monkeypatch.setenv("GLLMM_JAX_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["compress", str(photo)])
