"""Every Python block of the README runs, in order, in one go, as a reader would paste them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gllmm_jax import zoo

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.filterwarnings("default")
def test_the_examples_run(tmp_path, monkeypatch, mu_file, photograph):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), flags=re.DOTALL | re.MULTILINE)
    blocks = [block for block in blocks if "loss_fn" not in block]  # `tests/train/test_own_loop.py` has that one
    assert len(blocks) >= 2
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
    text = README.read_text()
    package = README.parent / "gllmm_jax"
    rooms = {path.name for path in package.iterdir() if any(path.glob("*.py"))}
    for room in rooms:
        assert f"`{room}`" in text, f"README does not name the room {room}"
