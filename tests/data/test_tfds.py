"""A real set of TensorFlow Datasets, made here, trained on without TensorFlow."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gllmm_jax.data import photographs
from gllmm_jax.data.batches import Batches, ImageSource
from gllmm_jax.train import loop
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


@pytest.fixture(scope="module")
def prepared(pieces, tmp_path_factory):
    """The photographs as the set `photographs`."""
    place = tmp_path_factory.mktemp("tfds")
    files, package = place / "files", place / "code" / "photographs"
    files.mkdir()
    for name, image in pieces.items():
        Image.fromarray(image).save(files / f"{name}.png")
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "photographs_dataset_builder.py").write_text(f"FOLDER = {str(files)!r}\n{BUILDER}")
    command = [sys.executable, "-c", PREPARE, str(place / "sets")]
    subprocess.run(command, cwd=package.parent, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(place / "sets"))
        yield


@pytest.mark.filterwarnings("default")
def test_its_images_are_those_of_the_folder(prepared, pieces):
    found = photographs.items("tfds:photographs")
    images = [ImageSource(found, crop=64)[i] for i in range(len(found))]
    assert sorted(image.tobytes() for image in images) == sorted(image.tobytes() for image in pieces.values())
    assert len(photographs.items("tfds:photographs@few")) == 2
    assert "tensorflow" not in sys.modules


@pytest.mark.filterwarnings("default")
def test_its_stream_goes_on_where_it_stood(prepared):
    def stream():
        return Batches(photographs.items("tfds:photographs"), batch=3, crop=64, seed=0)

    first = stream()
    for _ in range(4):  # into the second epoch
        next(first)
    state = json.loads(json.dumps(first.state()))
    second = stream()
    second.restore(state)
    for _ in range(3):
        np.testing.assert_array_equal(next(first), next(second))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_on_it(prepared, tmp_path):
    for resident in (False, True):
        settings = dataclasses.replace(config("tfds:photographs", 3), resident=resident)
        assert loop.train(TINY, settings, tmp_path / str(resident), show=False).finished


@pytest.mark.filterwarnings("default")
def test_sets_that_are_not_there(prepared):
    with pytest.raises(ValueError, match=r"cannot read tfds:nothing .*prepare it with"):
        photographs.items("tfds:nothing")
    with pytest.raises(ValueError, match="cannot read tfds:photographs@other"):
        photographs.items("tfds:photographs@other")


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
    from gllmm_jax.data.tfds import TfdsImage

    found = TfdsImage(Source(image), "image", 0).read()
    assert found.shape == (4, 5, 3) and (found == expected).all()


def test_what_is_no_picture_is_said_once(caplog):
    from gllmm_jax.data.tfds import TfdsImage

    bad, good = (TfdsImage(Source(np.zeros((80, 80, 3), kind)), "image", 0) for kind in (np.float32, np.uint8))
    source = ImageSource([bad, good], crop=64)
    assert (source[0] == source[1]).all() and (source[0] == 0).all()
    assert caplog.text.count("skipping set 0: float32 (80, 80, 3) is no picture") == 1
