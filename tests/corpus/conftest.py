"""Places, and folders of pictures."""

import pytest
from PIL import Image

from gllmm_jax.corpus.place import Place


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """A folder that is not there yet, or a bucket."""
    if request.param == "folder":
        return Place(str(tmp_path / "place"))
    return Place(f"memory://{tmp_path.name}")


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
