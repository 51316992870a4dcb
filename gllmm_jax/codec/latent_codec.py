"""The stages of a codec: one trained model between pictures, latents and bytes.

    pixels -- pad -- g_a -- y -- gain -- round -- y_hat --+
                              \\-- h_a -- round -- z_hat --+-- entropy coder -- stream -- container -- bytes

A model with one quality has no gain.
"""

import copy
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import numpy as np
import numpy.typing as npt
from flax.errors import FlaxError

from gllmm_jax import placement, zoo
from gllmm_jax.codec import transforms
from gllmm_jax.codec.fingerprint import check_crc, latents_crc32, of_header, of_weights
from gllmm_jax.codec.quality import DEFAULT, index_of, quality_of
from gllmm_jax.codec.view import as_image
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.nn.misfit import misfit
from gllmm_jax.nn.quality import at_index, has_anchors
from gllmm_jax.order import hyper
from gllmm_jax.placement import Device
from gllmm_jax.progress import Progress, silent
from gllmm_jax.twin import integer
from gllmm_jax.walk import arithmetic, latents

Bytes = bytes | bytearray | memoryview

SMALL = 1 << 20
"""Pixels that need no limit."""


class LatentCodec:
    """Parameters and integer twin of one model, at one quality if the model has a variable rate.

    `params` and `twin` are those of the quality with number `index`, 0 ... 255, at first the quality `DEFAULT`. `index`
    is None if the weights have a single quality. A codec unpacks files of every quality.

    `transforms` is the device of g_a, h_a and g_s, `entropy` the device of the exact path; see `placement`. Equal
    latents give equal streams on every device.

    A codec works in the process that made it. After a fork its methods, and `load`, raise `RuntimeError` in the child.
    """

    def __init__(
        self, weights: zoo.Weights, *, transforms: Device | None = None, entropy: Device | None = None
    ) -> None:
        self.transforms, self.entropy = placement.device(transforms), placement.for_entropy(entropy)
        self.name = weights.name
        self.config = weights.config
        self.provenance = weights.provenance
        self._params = self.params = jax.device_put(zoo.single(weights.params), self.transforms)
        self._twin = self.twin = integer.twin_from_arrays(weights.config, dict(weights.tables))
        self.fingerprints = of_weights(weights)
        self.index: int | None = None
        if self.config.rate is None:
            self._move_twin()
        else:
            self._choose(index_of(DEFAULT))

    def at(self, quality: float) -> Self:
        """The same model at another quality, from 0 to 100. Both codecs share their arrays.

        Raises `ValueError` on other numbers, and if the weights have a single quality.
        """
        if self.config.rate is None:
            raise ValueError(
                f"'{self.name}' has one quality alone: name no quality, size, rate or PSNR, or take another model"
            )
        return self.at_index(index_of(quality))

    def at_index(self, index: int | None) -> Self:
        if index == self.index:
            return self
        other = copy.copy(self)
        other._choose(index)
        return other

    def _choose(self, index: int | None) -> None:
        assert index is not None
        self.index = index
        try:
            self.twin = self._twin.at(index)
        except ValueError as error:
            raise zoo.WeightsError(f"the tables of '{self.name}' are unfit ({error}): export it again") from error
        if not has_anchors(self._params, self.config.rate):
            problem = misfit(self.config, self._params)
            raise zoo.WeightsError(f"the parameters of '{self.name}' do not fit its config: {problem}")
        self.params = jax.device_put(at_index(self._params, index), self.transforms)
        self._move_twin()

    def _move_twin(self) -> None:
        # else its networks stay on the device that first uses them, and each later call copies them
        with placement.on(self.entropy):
            _ = self.twin.nets

    @property
    def quality(self) -> float | None:
        """The codec's quality from 0 to 100, to two digits; None if the weights have a single quality."""
        return None if self.index is None else quality_of(self.index)

    @property
    def lmbda(self) -> float | None:
        """The lambda of the codec's quality or of its training; None if it is not known."""
        known = self.provenance.get("lmbda")
        return known if self.config.rate is None else self.config.rate.lmbda(self.index)

    def analyse(self, image: npt.ArrayLike, *, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [height, width, 3 or 1] -> y_hat int32 [h, w, M] and z_hat int32 [ceil(h/4), ceil(w/4), N].

        This is the first half of `encode`. h = ceil(height/S), w likewise; S is the stride of the model. Latents are
        rounded, and clamped to the range that a file can carry.
        """
        tick = functools.partial(progress, "analysis")
        return self.quantise(self._run(transforms.ungained, as_image(image), tick))

    def quantise(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The second half of `analyse`, from y float32 [h, w, M] of `transforms.ungained`."""
        y_hat, z_hat = latents.clamp_latents(self.twin, *self._run(transforms.quantise, y))
        if self.config.centred:
            with placement.on(self.entropy):
                y_hat = np.rint(y - hyper.means(self.twin, z_hat, y_hat.shape[:2]))
            y_hat, _ = latents.clamp_latents(self.twin, y_hat, z_hat)
        return y_hat, z_hat

    def shown(self, y_hat: np.ndarray, z_hat: np.ndarray) -> np.ndarray:
        """The input of g_s: y_hat, or for a `centred` model the sum of y_hat and its means, float32."""
        with placement.on(self.entropy):
            return hyper.shown(self.twin, y_hat, z_hat)

    def pack(
        self,
        y_hat: np.ndarray,
        z_hat: np.ndarray,
        shape: tuple[int, ...],
        *,
        coder: str = container.CODERS[0],
        chunks: Mapping[str, bytes] = container.NO_CHUNKS,
        progress: Progress = silent,
    ) -> bytes:
        """The second half of `encode`: the file of a picture of `shape`, (height, width, 3 or 1), with any latents.

        Latents have the shapes of `analyse`. Raises `ValueError` on other shapes, on latents that are no integers or
        that `latents.clamp_latents` would change, and on names of `chunks` that no file can hold; `ImportError` if the
        coder's extra is missing.
        """
        if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1:
            raise ValueError(f"a picture has the shape (height, width, 3 or 1), not {shape}")
        placement.check_process()
        if y_hat.shape[:2] != self.latent_size(*shape[:2]):
            raise ValueError(f"latents of shape {y_hat.shape} are not those of a picture of shape {shape}")
        with placement.on(self.entropy):
            stream = latents.encode_latents(self.twin, y_hat, z_hat, coder=coder, progress=progress)
        return container.pack(self._header(shape, coder, latents_crc32(y_hat, z_hat), chunks), stream)

    def _header(self, shape: tuple[int, ...], coder: str, crc: int, chunks: Mapping[str, bytes]) -> container.Header:
        needs = self.name, self.fingerprints.entropy, self.fingerprints.synthesis
        picture = shape[0], shape[1], container.COLOURS[shape[2] == 1]
        return container.Header(*needs, *picture, coder, crc, self.index, arithmetic.NEWEST, chunks)

    def unpack(
        self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS
    ) -> tuple[container.Header, np.ndarray, np.ndarray]:
        """Inverse of `pack`: header, y_hat and z_hat. Raises as `decode` does with `other_synthesis=True`."""
        header, stream = self.opened(data, max_pixels=max_pixels, other_synthesis=True)
        return header, *self._latents(header, stream)

    def _latents(
        self, header: container.Header, stream: bytes, progress: Progress = silent
    ) -> tuple[np.ndarray, np.ndarray]:
        decode, twin = arithmetic.decoder(header.arithmetic), self.at_index(header.quality).twin
        size = self.latent_size(header.height, header.width)
        with placement.on(self.entropy):
            y_hat, z_hat = decode(twin, stream, size, coder=header.coder, progress=progress)
        check_crc(header, y_hat, z_hat)
        return y_hat, z_hat

    def opened(
        self, data: Bytes, *, max_pixels: int | None = container.MAX_PIXELS, other_synthesis: bool = False
    ) -> tuple[container.Header, bytes]:
        """Header and latent stream of a file for these weights. Raises as `Codec.decode` does."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a .gllm file is given as its bytes, not as {type(data).__name__}")
        placement.check_process()
        header, stream = container.unpack(bytes(data), max_pixels=max_pixels)
        self._check_model(header)
        if max_pixels is not None:
            self._check_strip(header, 2 * max_pixels + SMALL)
        if not other_synthesis and header.synthesis != self.fingerprints.synthesis:
            raise BitstreamError(
                f"'{self.name}' reads the file but would show another picture than the weights it was made with, "
                f"'{header.model}' ({of_header(header)}): other_synthesis=True accepts that"
            )
        return header, stream

    def _check_strip(self, header: container.Header, most: int) -> None:
        # a strip one pixel wide takes as much memory as a strip one latent wide
        whole = math.prod(self.config.stride * side for side in self.latent_size(header.height, header.width))
        if whole > most:
            raise BitstreamError(
                f"the strip of {header.width:,} x {header.height:,} pixels takes as much memory as {whole:,} pixels, "
                "more than twice the limit: a larger max_pixels lifts it"
            )

    def latent_size(self, height: int, width: int) -> tuple[int, int]:
        return -(-height // self.config.stride), -(-width // self.config.stride)

    def _run(self, program: Callable[..., Any], *arguments: Any) -> Any:
        placement.check_process()
        try:
            with placement.on(self.transforms):
                return program(self.config, self.params, *arguments)
        except FlaxError as error:  # looking for the misfit beforehand would take longer than a picture
            problem = misfit(self.config, self._params)
            raise zoo.WeightsError(f"the parameters of '{self.name}' do not fit its config: {problem}") from error

    def _check_model(self, header: container.Header) -> None:
        arithmetic.decoder(header.arithmetic)
        if header.fingerprint == self.fingerprints.entropy:
            if (header.quality is None) != (self.index is None):
                raise BitstreamError("the file is damaged: only one of file and model has a quality")
            return
        if header.model == self.name:
            raise BitstreamError(
                f"the file was made with other weights of the name '{self.name}' ({of_header(header)}) than these "
                f"({self.fingerprints}): decode it with those, model=FILE"
            )
        raise BitstreamError(
            f"the file was made with the model '{header.model}', this is '{self.name}': decode it with weights of the "
            f"fingerprint {of_header(header)}"
        )
