"""Notebooks run from top to bottom and show what they promise, with the shipped weights.

They are kept with their outputs, for readers who do not run them. `jupyter execute --inplace` makes the outputs again.
"""

import base64
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from gllmm_jax import zoo

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"

FIGURES = {
    "codec_walkthrough": 3,
    "mixture_weights": 6,
    "rd_curves": 2,
    "train_your_own": 3,
    "your_own_entropy_model": 2,
}
"""In each of the notebooks."""

OWN = ("train_your_own", "your_own_entropy_model")
"""Notebooks whose subject is code of the reader's own; others take all from the library."""

SAYS = {
    "codec_walkthrough": "83 rounds of the entropy model",
    "mixture_weights": "quality 100:",
    "rd_curves": "against webp; BD-rate",
    "train_your_own": "the first ten steps: loss",
    "your_own_entropy_model": "decoded as they were: True",
}
"""What is printed however the numbers are."""


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def check(name, outputs):
    """The figures, what is said, and nothing on stderr."""
    assert sum("image/png" in output.get("data", {}) for output in outputs) == FIGURES[name]
    streams = [output for output in outputs if output.output_type == "stream"]
    assert {output.name for output in streams} == {"stdout"}
    assert SAYS[name] in "".join(output.text for output in streams)


def test_all_are_known():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(FIGURES)


@pytest.mark.skipif(zoo.DEFAULT not in zoo.names(), reason="the shipped weights are not here")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "your_own_entropy_model")) for name in FIGURES]
)
def test_runs(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    check(name, outputs(notebook))


@pytest.mark.parametrize("name", FIGURES)
def test_stored_outputs_are_whole_small_and_of_the_shipped_weights(name):
    stored = outputs(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4))
    check(name, stored)
    assert sum(len(base64.b64decode(output.get("data", {}).get("image/png", ""))) for output in stored) < 300_000
    assert stored[0].text.startswith("small: " if name == "train_your_own" else f"{zoo.DEFAULT}: ")


@pytest.mark.parametrize("name", sorted(set(FIGURES) - set(OWN)))
def test_defines_nothing_another_file_could_want(name):
    for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            assert not [line for line in cell.source.splitlines() if line.startswith(("def ", "class "))]
