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
import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax.errors import FlaxError

from gllmm_jax import zoo
from gllmm_jax.codec import coders, container, integer, latents, transforms
from gllmm_jax.codec.errors import BitstreamError
from gllmm_jax.codec.report import Decoded, DecodeReport, Encoded, EncodeReport, Progress, Watch, silent
from gllmm_jax.nn.model import misfit

Bytes = bytes | bytearray | memoryview

Refine = Callable[
    ["Codec", np.ndarray, np.ndarray, np.ndarray, Progress], tuple[np.ndarray, np.ndarray, dict[str, float]]
]
"""(codec, image, y_hat, z_hat, progress) -> other y_hat and z_hat of the same shapes, and what to report of them."""


class Codec:
    """One trained model, ready to compress and decompress.

    Every method that runs a network raises `zoo.WeightsError` where the parameters do not fit the config.
    """

    def __init__(self, weights: zoo.Weights) -> None:
        self.name = weights.name
        self.config = weights.config
        self.provenance = weights.provenance
        self.params = jax.device_put(zoo.single(weights.params))
        self.twin = integer.twin_from_arrays(weights.config, dict(weights.tables))
        self._expected: set[tuple[int, int]] = set()
        self.fingerprint = integer.fingerprint(self.twin)[: container.FINGERPRINT_BYTES]

    def compress(self, image: npt.ArrayLike) -> bytes:
        """uint8 [height, width, 3 or 1] -> the bytes of a `.gllm` file. Raises `ValueError` on anything else.

        Whatever NumPy can view as such an array will do.
        """
        return self.encode(image, estimate=False).data

    def decompress(self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS) -> np.ndarray:
        """The bytes of a `.gllm` file -> uint8 [height, width, 3 or 1]. Raises `BitstreamError`; see `decode`."""
        return self.decode(data, max_pixels=max_pixels).image

    def compress_many(self, images: Iterable[npt.ArrayLike], *, workers: int | None = None) -> list[bytes]:
        """`compress` for each, in order; faster than a loop, since one picture's coder leaves cores idle for another.

        Pictures of one size share their programs. As many as `workers` (4 at most, unless given) are worked on at once.
        """
        return _map(self.compress, images, workers)

    def decompress_many(
        self, files: Iterable[Bytes], *, max_pixels: int | None = container.MAX_PIXELS, workers: int | None = None
    ) -> list[np.ndarray]:
        """`decompress` for each, in order, as `compress_many` does. Raises for the first that `decompress` refuses."""
        return _map(functools.partial(self.decompress, max_pixels=max_pixels), files, workers)

    def encode(
        self,
        image: npt.ArrayLike,
        *,
        estimate: bool = True,
        coder: str = container.CODERS[0],
        refine: Refine | None = None,
        progress: Progress = silent,
    ) -> Encoded:
        """`compress`, with a report, through any of `container.CODERS`.

        `refine` chooses other latents than the networks do: `lof.Overfit`, say. `estimate=False` saves the time of the
        float model's estimate; `progress` is told of every stage that begins and of every part of it that is done;
        small pictures have one part a stage. Raises `ImportError` where the coder's extra is missing.
        """
        image = _as_image(image)
        coders.named(coder)  # before anything is computed
        height, width, _ = image.shape
        watch, refined = Watch(), None
        y_hat, z_hat = self.analyse(image, progress=progress)
        watch.lap("analysis")
        if refine is not None:
            y_hat, z_hat, refined = refine(self, image, y_hat, z_hat, progress)
            watch.lap("refining")
        data = self.pack(y_hat, z_hat, image.shape, coder=coder, progress=progress)
        watch.lap("entropy")
        bits = None
        if estimate:
            bits = self._run(transforms.float_bits, y_hat, z_hat)
            watch.lap("estimate")
        bpp, crc = 8 * len(data) / (height * width), latents_crc32(y_hat, z_hat)
        facts = len(data), bpp, bits, height, width, self.name, coder, crc, refined, watch.seconds
        return Encoded(data, EncodeReport(*facts))

    def decode(
        self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS, progress: Progress = silent
    ) -> Decoded:
        """`decompress`, with a report; `progress` as in `encode`.

        Raises `BitstreamError` where the bytes are no whole and undamaged file of this model, or announce more than
        `max_pixels` pixels; `ImportError` where the extra of the file's coder is missing; `TypeError` on what is no
        bytes.
        """
        watch = Watch()
        header, y_hat, _ = self._unpack(data, max_pixels, self._expect, progress)
        watch.lap("entropy")
        gray = header.colour == "gray"
        pixels = self._run(transforms.synthesise, y_hat, gray, functools.partial(progress, "synthesis"))
        image = pixels[: header.height, : header.width, : 1 if gray else 3].copy()
        watch.lap("synthesis")
        return Decoded(image, DecodeReport(header.height, header.width, header.latents_crc32, watch.seconds))

    def analyse(self, image: npt.ArrayLike, *, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [height, width, 3 or 1] -> y_hat int32 [h, w, M] and z_hat int32 [ceil(h/4), ceil(w/4), N].

        h = ceil(height/S), w likewise, S the stride of the model. The first half of `encode`: rounded, and clamped to
        what a file can carry.
        """
        tick = functools.partial(progress, "analysis")
        return latents.clamp_latents(self.twin, *self._run(transforms.analyse, _as_image(image), tick))

    def pack(
        self,
        y_hat: np.ndarray,
        z_hat: np.ndarray,
        shape: tuple[int, ...],
        *,
        coder: str = container.CODERS[0],
        progress: Progress = silent,
    ) -> bytes:
        """The second half of `encode`, for latents chosen in any way: the file of a picture of `shape`.

        Shapes are those of `analyse`; `shape` is (height, width, 3 or 1). Raises `ValueError` on others, on latents
        that are no integers, and on those that `latents.clamp_latents` would change; `ImportError` where the coder's
        extra is missing.
        """
        if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1:
            raise ValueError(f"a picture has the shape (height, width, 3 or 1), not {shape}")
        height, width, channels = shape
        if y_hat.shape[:2] != self._latent_size(height, width):
            raise ValueError(f"latents of shape {y_hat.shape} are not those of a picture of {height} x {width} pixels")
        stream = latents.encode_latents(self.twin, y_hat, z_hat, coder=coder, progress=progress)
        colour, crc = container.COLOURS[channels == 1], latents_crc32(y_hat, z_hat)
        return container.pack(container.Header(self.name, self.fingerprint, height, width, colour, coder, crc), stream)

    def unpack(
        self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS
    ) -> tuple[container.Header, np.ndarray, np.ndarray]:
        """Inverse of `pack`: the file's header, y_hat and z_hat. Raises as `decode` does."""
        return self._unpack(data, max_pixels)

    def _unpack(
        self,
        data: Bytes,
        max_pixels: int | None,
        begun: Callable[[tuple[int, int]], None] | None = None,
        progress: Progress = silent,
    ) -> tuple[container.Header, np.ndarray, np.ndarray]:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a .gllm file is given as its bytes, not as {type(data).__name__}")
        header, stream = container.unpack(bytes(data), max_pixels=max_pixels)
        self._check_model(header)
        size = self._latent_size(header.height, header.width)
        y_hat, z_hat = latents.decode_latents(
            self.twin, stream, size, coder=header.coder, begun=begun, progress=progress
        )
        if latents_crc32(y_hat, z_hat) != header.latents_crc32:
            raise BitstreamError(
                "the decoded latents are not the encoded ones: the file is damaged or this program is at fault"
            )
        return header, y_hat, z_hat

    def _latent_size(self, height: int, width: int) -> tuple[int, int]:
        return -(-height // self.config.stride), -(-width // self.config.stride)

    def _expect(self, size: tuple[int, int]) -> None:
        """Latents of `size` are on their way: their synthesis may be compiled meanwhile, where it is not yet."""
        if size not in self._expected:
            self._expected.add(size)
            arguments = self.config, self.params, (*size, self.config.latents)
            threading.Thread(target=transforms.compile_synthesis, args=arguments).start()

    def _run(self, program: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return program(self.config, self.params, *arguments)
        except FlaxError as error:  # found here, since looking for it beforehand takes longer than a picture
            problem = misfit(self.config, self.params)
            raise zoo.WeightsError(f"the parameters of '{self.name}' do not fit its config: {problem}") from error

    def _check_model(self, header: container.Header) -> None:
        if header.fingerprint == self.fingerprint:
            return
        if header.model == self.name:
            raise BitstreamError(
                f"the file was made with other weights of the name '{self.name}' than these: decode it with those, "
                "model=FILE"
            )
        raise BitstreamError(f"the file was made with the model '{header.model}', this is '{self.name}'")


def load(model: str | os.PathLike[str] | zoo.Weights = zoo.DEFAULT) -> Codec:
    """The codec of an installed model, of a weights file, or of weights read already. Raises `zoo.WeightsError`."""
    weights = model if isinstance(model, zoo.Weights) else zoo.read(model)
    try:
        return Codec(weights)
    except zoo.WeightsError:  # says it already
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise zoo.WeightsError(f"the tables of '{weights.name}' are unfit ({error}): export it again") from error


def latents_crc32(y_hat: np.ndarray, z_hat: np.ndarray) -> int:
    """CRC-32 of y_hat, then z_hat, as little-endian int32 in the order of their axes."""
    return functools.reduce(lambda crc, a: zlib.crc32(np.ascontiguousarray(a, "<i4").data, crc), (y_hat, z_hat), 0)


def _map(function: Callable[..., Any], items: Iterable[Any], workers: int | None) -> list[Any]:
    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing more is begun


def _as_image(image: npt.ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(image)
    except (ValueError, TypeError) as error:  # lists of unequal lengths
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {type(image).__name__}") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3) or not array.size:
        raise ValueError(f"a picture is a uint8 array [height, width, 3 or 1], not {array.dtype} {array.shape}")
    return array
