"""The pages a reader starts with: their code runs, as a reader would paste it, and what they name is there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gllmm_jax import zoo
from gllmm_jax.evaluate.plots import MADE_OF, digest
from gllmm_jax.presets import PRESETS
from tests.test_architecture import LEAVES

README = Path(__file__).resolve().parent.parent / "README.md"
ROOMS_WITH_A_PAGE = ("cli", "codec", "corpus", "evaluate", "foreign")
FOLDERS = ("", "gllmm_jax", *(f"gllmm_jax/{room}" for room in ROOMS_WITH_A_PAGE), "experiments")
PAGES = [README.parent / folder / "README.md" for folder in FOLDERS]


@pytest.mark.filterwarnings("default")
def test_the_examples_run(tmp_path, monkeypatch, mu_file, photograph):
    text = README.read_text() + (README.parent / "gllmm_jax" / "codec" / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 3
    monkeypatch.chdir(tmp_path)
    if zoo.DEFAULT not in zoo.names():
        monkeypatch.setattr(zoo, "locate", lambda name: mu_file)
    Image.fromarray(photograph(96, 128)).save("photograph.png")
    scope: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), scope)
    assert scope["picture"].shape == (96, 128, 3)
    assert scope["picture"].dtype == np.uint8
    assert Path("photograph.gllm").stat().st_size < 96 * 128 * 3


def test_the_map_of_rooms_is_the_folder_list():
    package = README.parent / "gllmm_jax"
    text = (package / "README.md").read_text()
    rooms = {path.name for path in package.iterdir() if any(path.glob("*.py"))}
    for room in rooms:
        assert f"`{room}`" in text, f"README does not name the folder {room}"
    for module in LEAVES:
        assert f"`{module}`" in text, f"README does not name the module {module}"


def test_stored_plots_show_the_stored_figures():
    """Draw a plot again (`experiments/rd_plot.py`, `training_plot.py`) when its figures have changed."""
    drawn = sorted((README.parent / "experiments" / "results").glob("*.png"))
    assert len(drawn) >= 3
    for plot in drawn:
        with Image.open(plot) as image:
            made_of = getattr(image, "text", {}).get(MADE_OF)
        figures = sorted(plot.parent.glob(f"{plot.stem}*.csv"), key=lambda path: path.stem)
        assert made_of == digest(figures), plot.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links_and_imports_of_the_pages(page):
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    for line in re.findall(r"`(from gllmm_jax\S* import [^`]+)`", text):
        exec(line, {})
    for path in re.findall(r"`((?:experiments|tests|notebooks)/[^ `]*)", text):
        assert (README.parent / path).exists(), path


def test_the_guide_to_training_names_every_preset():
    text = PAGES[-1].read_text()
    assert all(f"`{name}`" in text for name in PRESETS)
