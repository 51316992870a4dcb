"""Folders of pictures."""

import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path, photograph):
    """A folder with 13 pictures, of which two differ in their suffix alone, and a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for i in range(12):
        image = Image.fromarray(photograph(16 + 8 * (i % 3), 24, seed=i))
        image.save(folder / ("sub" if i % 4 == 0 else "") / f"p{i}.png")
    Image.fromarray(photograph(16, 24, seed=12)).save(folder / "p11.webp", lossless=True)
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder
