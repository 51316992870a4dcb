"""The short digests in a file: of the weights that its stream and its picture depend on, and of its latents."""

import functools
import hashlib
import json
import zlib
from typing import NamedTuple

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.config import ModelConfig
from gllmm_jax.container.header import FINGERPRINT_BYTES, Header
from gllmm_jax.errors import BitstreamError
from gllmm_jax.twin import integer


class Fingerprints(NamedTuple):
    """The fingerprints of weights, or of the weights that a file needs; 4 bytes each."""

    entropy: bytes  # differs if a stream may give other latents
    synthesis: bytes  # differs if latents may give another picture

    def __str__(self) -> str:
        return f"{self.entropy.hex()}-{self.synthesis.hex()}"


def of_header(header: Header) -> Fingerprints:
    """The fingerprints of the weights that a file needs."""
    return Fingerprints(header.fingerprint, header.synthesis)


def of_weights(weights: zoo.Weights) -> Fingerprints:
    """The fingerprints of weights. Raises `zoo.WeightsError` on parameters that no weights file could hold."""
    entropy = integer.fingerprint(integer.Twin(weights.config, weights.tables))
    return Fingerprints(entropy[:FINGERPRINT_BYTES], synthesis(weights.config, weights.params))


def synthesis(config: ModelConfig, params: zoo.Tree) -> bytes:
    """4 bytes that differ if two models may give different pictures for the same latents.

    They depend on the parameters as weights files hold them, in float16. So training g_s alone changes them.
    """
    wiring = config.transform, config.widths, config.latents, config.block, config.attention
    digest = hashlib.sha256(json.dumps(wiring).encode())
    shown = {"g_s": params.get("g_s", {}), "gain": params.get("gain", {}).get("synthesis", {})}
    for path, leaf in zoo.leaves(zoo.half(shown)):
        digest.update(f"{path} {leaf.shape} ".encode())
        digest.update(np.ascontiguousarray(leaf, "<f2").tobytes())
    return digest.digest()[:FINGERPRINT_BYTES]


def latents_crc32(y_hat: np.ndarray, z_hat: np.ndarray) -> int:
    """CRC-32 of y_hat, then z_hat, as little-endian int32 in the order of their axes."""
    return functools.reduce(lambda crc, a: zlib.crc32(np.ascontiguousarray(a, "<i4").data, crc), (y_hat, z_hat), 0)


def check_crc(header: Header, y_hat: np.ndarray, z_hat: np.ndarray) -> None:
    """Raises `BitstreamError` if decoded latents do not have the checksum in the header."""
    if latents_crc32(y_hat, z_hat) != header.latents_crc32:
        raise BitstreamError(
            "the decoded latents are not the encoded ones: the file is damaged or this program is at fault"
        )
