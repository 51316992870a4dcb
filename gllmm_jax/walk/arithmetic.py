"""Versions of the exact arithmetic, which turns a stream into latents: the integer networks and the coders.

A file names the version that it needs, and every version stays readable. A change that gives other latents for a
stream, or another stream for latents, is a new version. The old decoder is kept unchanged under its number, together
with all code that it uses: `walk`, `order`, the coders of `entropy`, `prob.tables`, `prob.distributions`, all of `twin`
but calibration, the orders and guesses of `nn.progressive`, the context's taps and strides in `config`, and
`container.varint`.

Version 1 is the live code. Before a version 2 changes a file, the file is copied into a folder that nobody edits.
"""

from collections.abc import Callable

import numpy as np

from gllmm_jax.errors import BitstreamError
from gllmm_jax.walk import latents

NEWEST = 1
"""The version that is written: that of `latents.encode_latents`."""

DECODERS: dict[int, Callable[..., tuple[np.ndarray, np.ndarray]]] = {1: latents.decode_latents}
"""For each version a function like `latents.decode_latents`."""


def decoder(version: int) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The decoder of a version. Raises `BitstreamError` if there is none."""
    if version < 1:
        raise BitstreamError(f"the file is damaged: there is no version {version} of the exact arithmetic")
    if version not in DECODERS:
        raise BitstreamError(
            f"the file needs version {version} of the exact arithmetic, and this program knows no later one than "
            f"{NEWEST}: upgrade gllmm_jax to read it"
        )
    return DECODERS[version]
