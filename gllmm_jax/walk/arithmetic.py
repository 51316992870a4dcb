"""Versions of the exact arithmetic: all that lies between a stream and its latents, integer networks and coders.

A file says which version it needs, and every version stays readable. A change that gives other latents for a stream, or
another stream for latents, is a new version: the old decoder is kept as it was, under its number. It is kept with all
that it rests on: `walk`, `order`, the coders of `entropy`, `prob.tables`, `prob.distributions`, all of `twin` but
calibration, the orders and guesses of `nn.progressive`, the context's taps and strides in `config`, and
`container.varint`.

Version 1 is the live code. What a version 2 changes of it is copied first, into a folder that nobody edits.
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
    if version < 1:
        raise BitstreamError(f"the file is damaged: there is no version {version} of the exact arithmetic")
    if version not in DECODERS:
        raise BitstreamError(
            f"the file needs version {version} of the exact arithmetic, and this program knows no later one than "
            f"{NEWEST}: upgrade gllmm_jax to read it"
        )
    return DECODERS[version]
