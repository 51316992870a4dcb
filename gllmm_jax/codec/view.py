"""Pictures as arrays: checks before they are compressed, and parts or small versions of decoded pictures."""

import operator
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import jax
import numpy as np
import numpy.typing as npt

from gllmm_jax.codec import transforms
from gllmm_jax.config import ModelConfig
from gllmm_jax.container.header import Header
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.order.windows import Slices
from gllmm_jax.placement import on
from gllmm_jax.progress import Progress, Tick

if TYPE_CHECKING:
    from gllmm_jax.codec.codec import Codec

Crop = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

SCALES = (1, 2, 4, 8, 16)

LINEAR = (8, 16)
"""Scales at which the linear part of a `light` g_s suffices; at other scales its blocks would be visible."""

ALONE = 8
"""Latents on a side of the plane of zeros that goes through g_s: its middle is far enough from its edges."""


def as_image(image: npt.ArrayLike) -> np.ndarray:
    """The image as uint8 [height, width, 3 or 1]; gray may be [height, width]. Raises `ValueError` on others."""
    try:
        array = np.asarray(image)
    except (ValueError, TypeError) as error:  # lists of unequal lengths
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {type(image).__name__}") from error
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size:
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {array.dtype} {array.shape}")
    return array


class View(NamedTuple):
    """The part of a picture that is decoded: a `crop`, or all of it with `scale` x `scale` pixels as one pixel."""

    crop: Crop | None = None
    scale: int = 1

    @classmethod
    def of(cls, crop: Any, scale: Any) -> Self:
        """The view of a caller's crop and scale. Raises `ValueError` if they are no view."""
        if scale not in SCALES:
            raise ValueError(f"the scale is one of {', '.join(map(str, SCALES))}, not {scale!r}")
        if crop is None:
            return cls(None, int(scale))
        if scale != 1:
            raise ValueError("a crop or a scale is taken, not both at once")
        try:
            x, y, width, height = map(operator.index, crop)
        except (TypeError, ValueError) as error:
            raise ValueError(f"a crop is four whole numbers: left, top, width and height; not {crop!r}") from error
        if min(x, y) < 0 or min(width, height) < 1:
            raise ValueError(f"a crop begins in the picture and has a pixel: {x},{y},{width},{height} does not")
        return cls((x, y, width, height))

    def check(self, height: int, width: int) -> None:
        """Raises `ValueError` if a picture of that size has no such part."""
        if self.crop is not None and (self.crop[0] + self.crop[2] > width or self.crop[1] + self.crop[3] > height):
            part = ",".join(map(str, self.crop))
            raise ValueError(f"the crop {part} reaches beyond the picture, which has {width:,} x {height:,} pixels")

    def shown(self, whole: np.ndarray) -> np.ndarray:
        """The view of a whole picture, or of its alpha, uint8 [height, width, ...]."""
        if self.crop is not None:
            x, y, width, height = self.crop
            return whole[y : y + height, x : x + width]
        if self.scale == 1:
            return whole
        rows, columns = (-(-side // self.scale) for side in whole.shape[:2])
        edges = [(0, n * self.scale - side) for n, side in zip((rows, columns), whole.shape[:2], strict=True)]
        more = [(0, 0)] * (whole.ndim - 2)
        blocks = np.pad(whole, (*edges, *more), mode="edge")
        blocks = blocks.reshape(rows, self.scale, columns, self.scale, *whole.shape[2:])
        return np.rint(blocks.mean((1, 3), dtype=np.float32)).astype(np.uint8)

    def latents(self, config: ModelConfig, size: tuple[int, int]) -> Slices:
        """The latents, in a plane of `size` (h, w), that the view depends on."""
        if self.crop is None:
            return slice(0, size[0]), slice(0, size[1])
        (x, y, width, height), stride, sees = self.crop, config.stride, transforms.reach(config)
        rows, columns = (
            slice(max(start // stride - sees, 0), min(-(-(start + length) // stride) + sees, side))
            for start, length, side in ((y, height, size[0]), (x, width, size[1]))
        )
        return rows, columns

    def is_linear(self, config: ModelConfig) -> bool:
        """Whether the view needs no network."""
        return self.scale in LINEAR and config.transform == "light"


def synthesise(
    config: ModelConfig,
    params: Any,
    y_hat: np.ndarray,
    gray: bool,
    size: tuple[int, int],
    view: View,
    kept: "dict[int, Small]",
    tick: Tick,
) -> np.ndarray:
    """`transforms.synthesise` for a view of a picture of `size`: uint8 with 3 channels, which are equal for `gray`.

    A crop is decoded from the latents around it only, as a window is. It equals that part of the whole picture up to
    rounding. `kept` holds the linear maps of this quality, by their scales.
    """
    if view.is_linear(config):
        if view.scale not in kept:
            kept[view.scale] = small(config, params, view.scale)
        rows, columns = (-(-side // view.scale) for side in size)
        return kept[view.scale](y_hat, gray)[:rows, :columns]
    if view.crop is None:
        return view.shown(transforms.synthesise(config, params, y_hat, gray, tick)[: size[0], : size[1]])
    rows, columns = view.latents(config, (y_hat.shape[0], y_hat.shape[1]))
    part = transforms.synthesise(config, params, y_hat[rows, columns], gray, tick)
    x, y, width, height = view.crop
    top, left = y - config.stride * rows.start, x - config.stride * columns.start
    return part[top : top + height, left : left + width]


def compiling(
    codec: "Codec", expected: set[transforms.Room], header: Header, view: View, progress: Progress
) -> Progress:
    """A `progress` that compiles the synthesis in a thread while y is decoded, once the first part of y is done.

    So a file that is refused before costs no compilation. A room that is in `expected` is not compiled again. Small
    pictures, whose y is one part, compile nothing in a thread.
    """
    rows, columns = view.latents(codec.config, codec.latent_size(header.height, header.width))
    room = transforms.room((rows.stop - rows.start, columns.stop - columns.start))

    def compiled() -> None:
        with on(codec.transforms):  # of this thread
            transforms.compile_synthesis(codec.config, codec.params, room)

    def told(stage: str, done: int, parts: int) -> None:
        progress(stage, done, parts)
        if stage == "decoding" and 0 < done < parts and room not in expected:
            expected.add(room)
            threading.Thread(target=compiled).start()

    return progress if view.is_linear(codec.config) else told


class Small(NamedTuple):
    """A linear map from latents to a small picture, for a `light` model."""

    weights: np.ndarray  # float32 [M, n n 3], n = 16 / scale
    bias: np.ndarray  # float32 [n n 3]

    def __call__(self, y_hat: np.ndarray, gray: bool) -> np.ndarray:
        """int32 [h, w, M] -> uint8 [n h, n w, 3]; for `gray` the planes are equal."""
        side = round((len(self.bias) / 3) ** 0.5)
        rows = [
            (row.astype(np.float32) @ self.weights + self.bias).reshape(-1, side, side, 3).swapaxes(0, 1)
            for row in y_hat
        ]
        small = np.stack(rows).reshape(side * y_hat.shape[0], side * y_hat.shape[1], 3)
        if gray:
            small = np.broadcast_to(small.mean(-1, keepdims=True), small.shape)
        return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def small(config: ModelConfig, params: Any, scale: int) -> Small:
    """The linear part of a `light` g_s at a scale, with the mean level of the whole g_s.

    The rest of g_s changes the level by much the same everywhere. The change is measured in the middle of the picture
    that latents of zero give.
    """
    each = np.concatenate([np.zeros((1, config.latents)), np.eye(config.latents)]).astype(np.float32)
    found = np.asarray(_linear(config, params, each[:, None, None], scale))
    bias, weights = found[0], found[1:] - found[0]
    nothing = transforms.synthesise(config, params, np.zeros((ALONE, ALONE, config.latents), np.int32), False)
    middle = slice(config.stride * (ALONE // 2 - 1), config.stride * (ALONE // 2 + 1))
    level = nothing[middle, middle].mean((0, 1), dtype=np.float32) / 255
    bias = bias + (level - bias.mean((0, 1)))
    return Small(weights.reshape(config.latents, -1), bias.reshape(-1))


def _linear(config: ModelConfig, params: Any, y_hat: np.ndarray, scale: int) -> jax.Array:
    def linear(params: Any, y_hat: jax.Array) -> jax.Array:
        return apply(config, params, y_hat, scale, method=Model.small_synthesis)

    return jax.jit(linear)(params, y_hat)
