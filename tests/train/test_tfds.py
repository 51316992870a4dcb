"""A real set of TensorFlow Datasets, made here, trained on without TensorFlow."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from gllmm_jax.train import data, loop
from gllmm_jax.train.data import ImageSource
from tests.train.worker import TINY, config

pytest.importorskip("tensorflow_datasets")

BUILDER = """
from pathlib import Path
import tensorflow_datasets as tfds

class Builder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"label": tfds.features.Text(), "picture": tfds.features.Image(shape=(None, None, 3))}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {"train": self._generate_examples(), "few": self._generate_examples(2)}

    def _generate_examples(self, limit=None):
        for path in sorted(Path(FOLDER).iterdir())[:limit]:
            yield path.stem, {"label": path.stem, "picture": path}
"""
PREPARE = """
import sys
from photographs.photographs_dataset_builder import Builder
Builder(data_dir=sys.argv[1], file_format="array_record").download_and_prepare()
"""


@pytest.fixture
def prepared(folder, tmp_path, monkeypatch):
    """The photographs as the set `photographs`."""
    package = tmp_path / "code" / "photographs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "photographs_dataset_builder.py").write_text(f"FOLDER = {str(folder)!r}\n{BUILDER}")
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "sets")]
    subprocess.run(command, cwd=package.parent, check=True, capture_output=True)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))


@pytest.mark.filterwarnings("default")
def test_its_images_are_those_of_the_folder(prepared, pieces):
    found = data.items("tfds:photographs")
    images = [ImageSource(found, crop=64)[i] for i in range(len(found))]
    assert sorted(image.tobytes() for image in images) == sorted(image.tobytes() for image in pieces.values())
    assert len(data.items("tfds:photographs@few")) == 2
    assert "tensorflow" not in sys.modules


@pytest.mark.filterwarnings("default")
def test_a_run_on_it(prepared, folder, tmp_path):
    for resident in (False, True):
        settings = dataclasses.replace(config("tfds:photographs", 3), resident=resident)
        assert loop.train(TINY, settings, tmp_path / str(resident), show=False).finished


@pytest.mark.filterwarnings("default")
def test_sets_that_are_not_there(prepared):
    with pytest.raises(ValueError, match=r"cannot read tfds:nothing .*prepare it with"):
        data.items("tfds:nothing")
    with pytest.raises(ValueError, match="cannot read tfds:photographs@other"):
        data.items("tfds:photographs@other")


class Source:
    """One example of any kind."""

    def __init__(self, image):
        self._image = image
        self.dataset_info = dataclasses.make_dataclass("Info", ["name"])("set")

    def __getitem__(self, index):
        return {"image": self._image}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((4, 5, 1), 7, np.uint8), 7),
        (np.full((4, 5, 3), 65535, np.uint16), 255),
        (np.full((4, 5, 4), 0, np.uint8), 255),
    ],
)
def test_kinds_of_images(image, expected):
    from gllmm_jax.train.tfds import TfdsImage

    found = TfdsImage(Source(image), "image", 0).read()
    assert found.shape == (4, 5, 3) and (found == expected).all()


def test_what_is_no_picture_is_said_once(caplog):
    from gllmm_jax.train.tfds import TfdsImage

    bad, good = (TfdsImage(Source(np.zeros((80, 80, 3), kind)), "image", 0) for kind in (np.float32, np.uint8))
    source = ImageSource([bad, good], crop=64)
    assert (source[0] == source[1]).all() and (source[0] == 0).all()
    assert caplog.text.count("skipping set 0: float32 (80, 80, 3) is no picture") == 1
