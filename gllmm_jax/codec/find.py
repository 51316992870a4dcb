"""Finds the weights that a file needs by their fingerprints."""

from collections.abc import Callable
from pathlib import Path

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.fingerprint import of_header
from gllmm_jax.container.header import Header
from gllmm_jax.errors import BitstreamError


def codec_for(header: Header, *, other_synthesis: bool = False, load: Callable[[Path], Codec] = load) -> Codec:
    """The codec for a file, of installed weights or of weights in a folder that $GLLMM_JAX_WEIGHTS names.

    Weights with the name in the file are tried first. If no weights give the file's picture, `other_synthesis=True`
    accepts weights that read its stream. Raises `BitstreamError` if there are none, and says where it looked.
    """
    second = None
    for path in zoo.candidates(header.model):
        try:
            codec = load(path)
        except zoo.WeightsError:  # another kind of file in that folder
            continue
        if codec.fingerprints == of_header(header):
            return codec
        if codec.fingerprints.entropy == header.fingerprint:
            second = second or codec
    if second is not None and other_synthesis:
        return second
    brought = f"{zoo.BROUGHT}; or " if header.model in zoo.APART else ""
    also = "" if second is None else f"; '{second.name}' would show another picture, other_synthesis=True accepts that"
    folders = ", ".join(f"{folder}" if folder.is_dir() else f"{folder} (no such folder)" for folder in zoo.places())
    raise BitstreamError(
        f"it needs the weights '{header.model}' with the fingerprint {of_header(header)}, which are not in {folders}: "
        f"{brought}give their file, model=FILE, or set {zoo.PLACES} to the folder that holds it{also}"
    )
