"""Places of photographs, the split into training and validation, and decoding.

Files whose stems differ only in one trailing letter (`boat_001.jpg`, `boat_001b.jpg`) count as views of one scene. The
split never separates them.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif"})
HOLD_OUT = 20  # validation gets one scene in so many


class Decodable(Protocol):
    """An image that is no file, as those of `tfds`."""

    @property
    def name(self) -> str:
        """The name of the image."""
        ...

    def read(self) -> np.ndarray:
        """uint8 [h, w, 3]. Raises any error."""
        ...


Item = Path | Decodable
"""The place of an image."""

ItemT = TypeVar("ItemT", Path, Item)


def items(data: str | Path) -> Sequence[Item]:
    """All images of a folder (`list_images`), or of a set `tfds:NAME` (`tfds.images`). Raises the errors of both."""
    if str(data).startswith("tfds:"):
        from gllmm_jax.data import tfds

        return tfds.images(str(data))
    return list_images(data)


def list_images(folder: str | Path) -> list[Path]:
    """All image files below `folder`, sorted by relative name. Raises `FileNotFoundError` if there is none."""
    root = Path(folder)
    if not root.is_dir():
        problem = f"{root} is a file, not a folder" if root.exists() else f"there is no folder {root}"
        raise FileNotFoundError(problem)
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        raise FileNotFoundError(f"no PNG, JPEG, WebP or AVIF images in {root}")
    return files


def scene(path: Item) -> str:
    """The name that near-duplicates share: `boat_001b.avif` and `boat_001.avif` are both `boat_001` in their folder."""
    if not isinstance(path, Path):
        return path.name
    return str(path.parent / re.sub(r"(?<=\d)[a-z]$", "", path.stem))


def readable(file: Item) -> bool:
    """Whether the file holds an image."""
    try:
        read_image(file)
    except Exception:  # decoders raise errors of many types
        return False
    return True


def split(files: Sequence[ItemT], *, readable: Callable[[Item], bool] = readable) -> tuple[list[ItemT], list[ItemT]]:
    """(training files, validation files). Of every `HOLD_OUT` scenes the last that is `readable` is for validation.

    One file represents a validation scene. Raises `ValueError` if all files show one scene, or no scene can be held
    out.
    """
    scenes = sorted({scene(f) for f in files})
    if len(scenes) < 2:
        raise ValueError("training needs at least two photographs: one is held out for validation")
    shown = {scene(f): f for f in reversed(files)}
    last = range(min(HOLD_OUT, len(scenes)) - 1, len(scenes), HOLD_OUT)
    candidates = (reversed(scenes[max(0, i + 1 - HOLD_OUT) : i + 1]) for i in last)
    found = (next((s for s in some if readable(shown[s])), None) for some in candidates)
    held_out = {s for s in found if s is not None}
    if not held_out:
        raise ValueError(f"no photograph for validation can be read ({shown[scenes[last[0]]]} among them)")
    return [f for f in files if scene(f) not in held_out], [shown[s] for s in sorted(held_out)]


def read_image(path: Item) -> np.ndarray:
    """Decode the first frame to uint8 [h, w, 3]: gray and palette to RGB, 16 bits to 8, CMYK to RGB, alpha over white.

    Raises `OSError`, `ValueError` or any error of the decoder.
    """
    if not isinstance(path, Path):
        return path.read()
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16-bit gray; convert() would clip its values
            gray = np.clip(np.asarray(image, np.int64), 0, 65535)
            return np.repeat(((gray * 255 + 32767) // 65535).astype(np.uint8)[..., None], 3, axis=2)
        if image.mode == "F":
            raise ValueError("floating-point pixels")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))
