"""Notebooks run from top to bottom and show what they promise: with the shipped weights where they are, else `mu`.

They are kept with their outputs, for readers who do not run them; `jupyter nbconvert --to notebook --execute --inplace`
makes those again.
"""

import base64
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from gllmm_jax import zoo

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def check(outputs):
    """Four figures, and nothing on stderr."""
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, monkeypatch, mu_file):
    if zoo.DEFAULT not in zoo.names():
        monkeypatch.setenv("GLLMM_JAX_MODEL", str(mu_file))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    check(outputs(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_whole_small_and_of_the_shipped_weights(path):
    stored = outputs(nbformat.read(path, as_version=4))
    check(stored)
    assert sum(len(base64.b64decode(output.get("data", {}).get("image/png", ""))) for output in stored) < 300_000
    assert stored[0].text.startswith(f"{zoo.DEFAULT}: ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_defines_nothing_another_file_could_want(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not [line for line in cell.source.splitlines() if line.startswith(("def ", "class "))]
