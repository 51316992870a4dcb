"""A small folder of photographs to train on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

SIDE = 112


def _pieces() -> dict[str, np.ndarray]:
    """Four scenes, two views of each: `rocket_001` and `rocket_001b`."""
    pieces = {}
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        whole = getattr(data, name)()
        pieces[f"{name}_001"], pieces[f"{name}_001b"] = whole[60:][:SIDE, :SIDE], whole[80:][:SIDE, 40 : 40 + SIDE]
    return pieces


@pytest.fixture(scope="session")
def pieces() -> dict[str, np.ndarray]:
    """uint8 [112, 112, 3] photographs by name."""
    return _pieces()


@pytest.fixture
def make_folder(pieces, tmp_path) -> Callable[..., Path]:
    """The function (suffix=".png") -> folder that holds `pieces`."""

    def make(suffix: str = ".png") -> Path:
        folder = tmp_path / "photographs"
        folder.mkdir()
        for name, image in pieces.items():
            Image.fromarray(image).save(folder / f"{name}{suffix}")
        return folder

    return make


@pytest.fixture
def folder(make_folder) -> Path:
    """The photographs as PNG files."""
    return make_folder()
