"""State dicts that CompressAI wrote, and the tensors that it made of a picture with them.

The files in `made` were written once, with CompressAI 1.2.8 on torch 2.13.0:

    python experiments/compressai_reference.py made --bare --cut 64 --widths 4 6 --steps 250 --models cheng2020-attn
    python experiments/compressai_reference.py made --bare --cut 64 --widths 4 6 --steps 150 --legacy \\
        --models mbt2018-mean bmshj2018-factorized
"""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from experiments.compressai_weights import TENSORS, tensors
from gllmm_jax import zoo
from gllmm_jax.cli import main
from gllmm_jax.codec.codec import load
from gllmm_jax.foreign import compressai, torch_file
from gllmm_jax.prob import mixture

MADE = Path(__file__).parent / "made"


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """The first of `experiments.compressai_reference`, as far as it was used."""
    from skimage import data

    return data.astronaut()[:64, :64]


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "mbt2018-mean", "cheng2020-attn"])
def test_every_tensor_is_theirs(name, photograph):
    config, params = compressai.read(MADE / f"{name}.pth.tar", name)
    with np.load(MADE / f"{name}.npz") as stored:
        theirs = dict(stored)
    found = tensors(config, params, photograph, theirs["median"], theirs)
    assert {key for key in theirs if "." not in key} == found.keys() | {"median"}
    assert np.rint(theirs["y"]).any()
    for key, value in found.items():
        wanted = np.maximum(theirs[key], mixture.SCALE_BOUND) if key == "scales" else theirs[key]
        assert np.abs(value - wanted).max() <= TENSORS * np.abs(wanted).max(), key


def test_names_of_earlier_versions():
    """Of several devices, of shortcuts that were called downsample, of parameters before they were lists."""
    now = torch_file.read(MADE / "cheng2020-attn.pth.tar")

    def old(name: str) -> str:
        name = name.replace(".skip.", ".downsample.").replace("bottleneck.factors.", "bottleneck._factors.")
        name = name.replace("bottleneck.biases.", "bottleneck._bias").replace(
            "bottleneck.matrices.", "bottleneck._matrix"
        )
        return f"module.{name}"

    was = {old(name): tensor for name, tensor in now.items()}
    assert len(was.keys() - now.keys()) == len(now)
    assert compressai.renamed(was).keys() == compressai.renamed(now).keys()


@pytest.mark.parametrize(
    ("file", "model", "words"),
    [
        ("mbt2018-mean", "mbt2018", r"holds no mbt2018: context_prediction\.weight is missing"),
        ("mbt2018-mean", "bmshj2018-factorized", "holds no bmshj2018-factorized: it has a tensor h_a"),
        ("cheng2020-attn", "cheng2020-anchor", "holds no cheng2020-anchor"),
        ("cheng2020-attn", "mbt2018", r"holds no mbt2018: g_a\.0\.weight is missing"),
        ("cheng2020-attn", "elic", "there is no model 'elic' of CompressAI's here"),
    ],
)
def test_a_checkpoint_of_another_model(file, model, words):
    with pytest.raises(ValueError, match=words):
        compressai.read(MADE / f"{file}.pth.tar", model)


def test_shapes_are_judged(monkeypatch):
    wrong = torch_file.read(MADE / "mbt2018-mean.pth.tar")
    wrong["h_a.2.weight"] = wrong["h_a.2.weight"][:, :, 1:, 1:]
    monkeypatch.setattr(compressai, "read_tensors", lambda path: wrong)
    with pytest.raises(torch_file.TorchFileError, match=r"h_a/conv1/kernel is \(4, 4, 4, 4\) and not \(5, 5, 4, 4\)"):
        compressai.read("x", "mbt2018-mean")


@pytest.mark.parametrize(
    ("model", "name"),
    [("cheng2020-attn", "entropy_parameters.0"), ("mbt2018-mean", "h_s.4"), ("cheng2020-attn", "h_s.2.0")],
)
def test_shapes_are_judged_before_anything_is_copied(monkeypatch, model, name):
    """Few bytes may make a large array."""
    wrong = torch_file.read(MADE / f"{model}.pth.tar")
    wrong[f"{name}.weight"] = np.broadcast_to(np.float32(0), (1 << 16, 1 << 12, 1, 1))
    monkeypatch.setattr(compressai, "read_tensors", lambda path: wrong)
    tracemalloc.start()
    with pytest.raises(torch_file.TorchFileError, match="kernel is"):
        compressai.read("x", model)
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()


def test_from_the_command_line_to_a_file(tmp_path, photograph, capsys, make_folder):
    (tmp_path / "\x07").mkdir()
    output, command = tmp_path / "\x07" / "mean.npz", ["import", "compressai", str(MADE / "mbt2018-mean.pth.tar")]
    command += ["--model", "mbt2018-mean", "-o", str(output), "--calibrate", str(make_folder()), "--lmbda", "0.013"]
    assert main(command) == 0 and r"\x07/mean.npz: mean, " in capsys.readouterr().out
    assert zoo.read(output).provenance["source"] == "CompressAI"
    codec = load(output)
    encoded = codec.encode(photograph)
    assert np.array_equal(codec.decode(encoded.data).image, codec.decompress(encoded.data))
    assert codec.lmbda == 0.013
    assert main(command) == 2 and "is there already" in capsys.readouterr().err
