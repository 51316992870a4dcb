"""Images of a TensorFlow Datasets set in ArrayRecord files, with random access and without TensorFlow."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

try:
    import tensorflow_datasets as library
except ImportError as error:
    raise ImportError("sets of TensorFlow Datasets need an extra: pip install 'gllmm-jax[tfds]'") from error

PREFIX = "tfds:"


@dataclass(frozen=True)
class TfdsImage:
    """One image of a set. It replaces the path of a file."""

    source: Any
    key: str
    index: int

    @property
    def name(self) -> str:
        """The image's name in messages."""
        return f"{self.source.dataset_info.name} {self.index}"

    def __str__(self) -> str:
        return self.name

    def read(self) -> np.ndarray:
        """Decode to uint8 [h, w, 3]: gray is repeated, 16 bits become 8, alpha is over white. Raises `ValueError`."""
        image = np.asarray(self.source[self.index][self.key])
        if image.dtype == np.uint16:
            image = ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3, 4):
            raise ValueError(f"{image.dtype} {image.shape} is no picture of 8 or 16 bits")
        if image.shape[2] == 4:
            alpha = image[..., 3:].astype(np.uint16)
            image = ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def images(name: str) -> list[TfdsImage]:
    """All images of `tfds:NAME`, or of `tfds:NAME@SPLIT` (train unless given), in the order of the set.

    $TFDS_DATA_DIR names the folder of sets, as in the library. Raises `ValueError` if there is no such set prepared as
    ArrayRecord, or if its examples hold no image.
    """
    wanted, _, split = name.removeprefix(PREFIX).partition("@")
    try:
        place = os.environ.get("TFDS_DATA_DIR")  # the library reads the variable only at its import
        source: Any = library.data_source(wanted, split=split or "train", data_dir=place, download=False)
    except Exception as error:  # of many types: not found, not prepared, no such split, another file format
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        advice = "prepare it with tfds build --file_format=array_record"
        raise ValueError(f"cannot read {name} ({reason}): {advice}") from error
    features = source.dataset_info.features
    key = next((key for key, feature in features.items() if isinstance(feature, library.features.Image)), None)
    if key is None:
        raise ValueError(f"the examples of {name} hold no image, but {', '.join(features)}")
    return [TfdsImage(source, key, index) for index in range(len(source))]
