"""From picture to bytes and back.

    pixels -- pad -- g_a -- y -- round -- y_hat --+
                             \\-- h_a -- round -- z_hat --+-- entropy coder -- stream -- container -- bytes
    pixels -- crop -- clip -- g_s -- y_hat --+-- entropy decoder -- stream -- container -- bytes

Pixels are uint8 [height, width, 3] (RGB) or [height, width, 1] (gray). The transforms run in float32 on any device;
what lies between latents and bytes is exact (`codec.latents`), so a file decodes to the same latents everywhere and to
the same picture up to rounding.
"""

import functools
import os
import time
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from gllmm_jax import zoo
from gllmm_jax.codec import coder as coders
from gllmm_jax.codec import container, integer, latents
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.config import HYPER_STRIDE, STRIDE, ModelConfig
from gllmm_jax.nn.model import Model, apply, misfit
from gllmm_jax.prob.tables import Y_LIMIT

Bytes = bytes | bytearray | memoryview


class EncodeReport(NamedTuple):
    """`bits_estimated`: the float model's estimate for the same latents, None unless asked for; `seconds` by stage."""

    bytes: int
    bpp: float
    bits_estimated: float | None
    height: int
    width: int
    model: str
    coder: str
    latents_crc32: int
    seconds: dict[str, float]


class DecodeReport(NamedTuple):
    """`latents_crc32` is that of the decoded latents; `seconds` by stage."""

    height: int
    width: int
    latents_crc32: int
    seconds: dict[str, float]


class Encoded(NamedTuple):
    """A `.gllm` file and what is known about it."""

    data: bytes
    report: EncodeReport


class Decoded(NamedTuple):
    """A picture and what is known about it."""

    image: np.ndarray
    report: DecodeReport


class Codec:
    """One trained model, ready to compress and decompress."""

    def __init__(self, weights: zoo.Weights) -> None:
        self.name = weights.name
        self.config = weights.config
        self.params = jax.device_put(zoo.single(weights.params))
        self.twin = integer.twin_from_arrays(weights.config, dict(weights.tables))
        self.fingerprint = integer.fingerprint(self.twin)[: container.FINGERPRINT_BYTES]

    def compress(self, image: npt.ArrayLike) -> bytes:
        """uint8 [height, width, 3 or 1] -> the bytes of a `.gllm` file. Raises `ValueError` on anything else.

        Whatever NumPy can view as such an array will do.
        """
        return self.encode(image, estimate=False).data

    def decompress(self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS) -> np.ndarray:
        """The bytes of a `.gllm` file -> uint8 [height, width, 3 or 1]. Raises `BitstreamError`; see `decode`."""
        return self.decode(data, max_pixels=max_pixels).image

    def encode(self, image: npt.ArrayLike, *, estimate: bool = True, coder: str = container.CODERS[0]) -> Encoded:
        """`compress`, with a report, through any of `container.CODERS`.

        `estimate=False` saves the time of the float model's estimate. Raises `ImportError` where the coder's extra is
        missing.
        """
        image = _as_image(image)
        coders.named(coder)  # before anything is computed
        height, width, channels = image.shape
        watch = _Watch()
        y_hat, z_hat = analyse(self.config, self.params, image, integer.z_support(self.twin))
        watch.lap("analysis")
        stream = latents.encode_latents(self.twin, y_hat, z_hat, coder=coder)
        crc = latents_crc32(y_hat, z_hat)
        colour = container.COLOURS[channels == 1]
        data = container.pack(container.Header(self.name, self.fingerprint, height, width, colour, coder, crc), stream)
        watch.lap("entropy")
        bits = None
        if estimate:
            bits = float(_bits(self.config, self.params, y_hat, z_hat))
            watch.lap("estimate")
        bpp = 8 * len(data) / (height * width)
        return Encoded(data, EncodeReport(len(data), bpp, bits, height, width, self.name, coder, crc, watch.seconds))

    def decode(self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS) -> Decoded:
        """`decompress`, with a report.

        Raises `BitstreamError` where the bytes are no whole and undamaged file of this model, or announce more than
        `max_pixels` pixels; `ImportError` where the extra of the file's coder is missing; `TypeError` on what is no
        bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a .gllm file is given as its bytes, not as {type(data).__name__}")
        data = bytes(data)
        watch = _Watch()
        header, stream = container.unpack(data, max_pixels=max_pixels)
        self._check_model(header)
        size = (-(-header.height // STRIDE), -(-header.width // STRIDE))
        y_hat, z_hat = latents.decode_latents(self.twin, stream, size, coder=header.coder)
        crc = latents_crc32(y_hat, z_hat)
        if crc != header.latents_crc32:
            raise BitstreamError(
                "the decoded latents are not the encoded ones: the file is damaged or this program is at fault"
            )
        watch.lap("entropy")
        gray = header.colour == "gray"
        pixels = np.asarray(_synthesise(self.config, self.params, y_hat, gray))
        image = pixels[: header.height, : header.width, : 1 if gray else 3].copy()
        watch.lap("synthesis")
        return Decoded(image, DecodeReport(header.height, header.width, crc, watch.seconds))

    def _check_model(self, header: container.Header) -> None:
        if header.fingerprint == self.fingerprint:
            return
        if header.model == self.name:
            raise BitstreamError(
                f"the file was made with other weights of the name '{self.name}' than these: decode it with those, "
                "model=FILE"
            )
        raise BitstreamError(f"the file was made with the model '{header.model}', this is '{self.name}'")


def load(name_or_path: str | os.PathLike[str] = zoo.DEFAULT) -> Codec:
    """The codec of an installed model, or of a weights file. Raises `zoo.WeightsError`."""
    weights = zoo.read(name_or_path)
    if problem := misfit(weights.config, weights.params):
        raise zoo.WeightsError(f"the parameters of '{weights.name}' do not fit its config: {problem}")
    try:
        return Codec(weights)
    except (ValueError, KeyError, TypeError) as error:
        raise zoo.WeightsError(f"the tables of '{weights.name}' do not fit its config: export it again") from error


def analyse(
    config: ModelConfig, params: Any, image: np.ndarray, z_support: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [height, width, 3 or 1] -> int32 y_hat [h, w, M] and z_hat [ceil(h/4), ceil(w/4), N]; h = ceil(height/16).

    The picture is continued at the bottom and right with its last row and column, to whole latents. `z_support` is
    (low [N], high [N]), to which z is clamped.
    """
    bottom, right = (-side % STRIDE for side in image.shape[:2])
    padded = np.pad(np.broadcast_to(image, (*image.shape[:2], 3)), ((0, bottom), (0, right), (0, 0)), mode="edge")
    low, high = (np.asarray(bound, np.int32) for bound in z_support)
    y_hat, z_hat = _analyse(config, params, padded, low, high)
    return np.asarray(y_hat), np.asarray(z_hat)


def latents_crc32(y_hat: np.ndarray, z_hat: np.ndarray) -> int:
    """CRC-32 of y_hat, then z_hat, as little-endian int32 in the order of their axes."""
    return zlib.crc32(z_hat.astype("<i4").tobytes(), zlib.crc32(y_hat.astype("<i4").tobytes()))


def _as_image(image: npt.ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(image)
    except (ValueError, TypeError) as error:  # lists of unequal lengths
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {type(image).__name__}") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size:
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {array.dtype} {array.shape}")
    return array


@functools.partial(jax.jit, static_argnums=0)
def _analyse(
    config: ModelConfig, params: Any, pixels: jax.Array, low: jax.Array, high: jax.Array
) -> tuple[jax.Array, jax.Array]:
    y = apply(config, params, pixels[None].astype(jnp.float32) / 255, method=Model.analysis)
    edges = [(0, -side % HYPER_STRIDE) for side in y.shape[1:3]]
    z = apply(config, params, jnp.pad(y, ((0, 0), *edges, (0, 0)), mode="edge"), method=Model.hyper_analysis)
    y_hat = jnp.clip(jnp.round(y), -Y_LIMIT, Y_LIMIT)
    return y_hat[0].astype(jnp.int32), jnp.clip(jnp.round(z[0]), low, high).astype(jnp.int32)


@functools.partial(jax.jit, static_argnums=0)
def _bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array) -> jax.Array:
    arguments = (y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32))
    bits_y, bits_z = apply(config, params, *arguments, method=Model.bits)
    return bits_y[0] + bits_z[0]


@functools.partial(jax.jit, static_argnums=0)
def _synthesise(config: ModelConfig, params: Any, y_hat: jax.Array, gray: bool) -> jax.Array:
    # `gray` is traced: one program a size for both
    x_hat = apply(config, params, y_hat[None].astype(jnp.float32), method=Model.synthesis)[0]
    x_hat = jnp.where(gray, x_hat.mean(axis=-1, keepdims=True), x_hat)
    return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)


class _Watch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 4)
        self._last = now
