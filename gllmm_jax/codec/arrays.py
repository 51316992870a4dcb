"""What a codec takes for a picture, and what tells latents apart."""

import functools
import zlib

import numpy as np
import numpy.typing as npt


def as_image(image: npt.ArrayLike) -> np.ndarray:
    """uint8 [height, width, 3 or 1], of that or of gray [height, width]. Raises `ValueError` on anything else."""
    try:
        array = np.asarray(image)
    except (ValueError, TypeError) as error:  # lists of unequal lengths
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {type(image).__name__}") from error
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size:
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {array.dtype} {array.shape}")
    return array


def latents_crc32(y_hat: np.ndarray, z_hat: np.ndarray) -> int:
    """CRC-32 of y_hat, then z_hat, as little-endian int32 in the order of their axes."""
    return functools.reduce(lambda crc, a: zlib.crc32(np.ascontiguousarray(a, "<i4").data, crc), (y_hat, z_hat), 0)
