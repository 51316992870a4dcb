"""Versions of the exact arithmetic: all that lies between a stream and its latents, integer networks and coders.

A file says which version it needs, and every version stays readable. A change that gives other latents for a stream, or
another stream for latents, is a new version: the old decoder is kept as it was, under its number.
"""

from collections.abc import Callable

import numpy as np

from gllmm_jax.errors import BitstreamError
from gllmm_jax.walk import latents

NEWEST = 1
"""What is written: the version of `latents.encode_latents`."""

DECODERS: dict[int, Callable[..., tuple[np.ndarray, np.ndarray]]] = {1: latents.decode_latents}
"""By version: a function like `latents.decode_latents`."""


def decoder(version: int) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The decoder of a version. Raises `BitstreamError` where there is none."""
    if version not in DECODERS:
        raise BitstreamError(
            f"the file needs version {version} of the exact arithmetic, and this program knows no later one than "
            f"{NEWEST}: upgrade gllmm_jax to read it"
        )
    return DECODERS[version]
