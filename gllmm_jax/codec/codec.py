"""From picture to bytes and back.

    pixels -- pad -- g_a -- y -- round -- y_hat --+
                             \\-- h_a -- round -- z_hat --+-- entropy coder -- stream -- container -- bytes
    pixels -- crop -- clip -- g_s -- y_hat --+-- entropy decoder -- stream -- container -- bytes

Pixels are uint8 [height, width, 3] (RGB) or [height, width, 1] (gray). The transforms run in float32 on any device.
The path between latents and bytes is exact (`walk.latents`). So a file decodes to the same latents everywhere, and to
the same picture up to rounding.

    >>> import numpy as np
    >>> import gllmm_jax
    >>> codec = gllmm_jax.load()
    >>> data = codec.compress(np.zeros((64, 48, 3), np.uint8))
    >>> codec.decompress(data).shape
    (64, 48, 3)
"""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gllmm_jax import zoo
from gllmm_jax.codec import transforms, view
from gllmm_jax.codec.fingerprint import latents_crc32
from gllmm_jax.codec.latent_codec import Bytes, LatentCodec
from gllmm_jax.codec.many import Batch, map_in_threads
from gllmm_jax.codec.quality import DEFAULT
from gllmm_jax.codec.report import Decoded, DecodeReport, Encoded, EncodeReport, Watch
from gllmm_jax.codec.view import Crop, View, as_image
from gllmm_jax.codec.wish import Met, Wish, psnr_of
from gllmm_jax.container import container
from gllmm_jax.placement import Device, device, for_entropy, on
from gllmm_jax.progress import Progress, silent
from gllmm_jax.twin.judge import judge
from gllmm_jax.walk.coder import named

Refine = Callable[
    ["Codec", np.ndarray, np.ndarray, np.ndarray, Progress], tuple[np.ndarray, np.ndarray, dict[str, float]]
]
"""(codec, image, y_hat, z_hat, progress) -> other y_hat and z_hat of the same shapes, and figures for the report."""


class Codec(LatentCodec):
    """One trained model, ready to compress and decompress.

    Every method that runs a network raises `zoo.WeightsError` if the parameters do not fit the config.
    """

    def __init__(self, weights: zoo.Weights, **placement: Device | None) -> None:
        super().__init__(weights, **placement)
        self._expected: set[tuple[int, int]] = set()
        self._batches: dict[int, Batch] = {}
        self._small: dict[int | None, dict[int, view.Small]] = {}  # by quality and scale

    def compress(self, image: npt.ArrayLike, **wish: Any) -> bytes:
        """uint8 [height, width, 3 or 1] -> the bytes of a `.gllm` file. Raises `ValueError` on anything else.

        The image may be anything that NumPy can view as such an array. It may also be gray as [height, width]; it is
        then decoded as [height, width, 1]. The `wish` is one of `quality`, `max_bytes`, `bpp` and `psnr` of `encode`.
        """
        return self.encode(image, estimate=False, **wish).data

    def decompress(self, data: Bytes, **options: Any) -> np.ndarray:
        """The bytes of a `.gllm` file -> uint8 [height, width, 3 or 1]. Raises `BitstreamError`.

        The `options` are `crop`, `scale`, `max_pixels` and `other_synthesis`, as of `decode`.
        """
        return self.decode(data, **options).image

    def compress_many(self, images: Iterable[npt.ArrayLike], *, workers: int | None = None, **wish: Any) -> list[bytes]:
        """`compress` each image, with one wish for all; the files are in the order of the images.

        It is faster than a loop, because the coder of one picture leaves cores idle for another picture. It works on
        `workers` pictures at once (by default on as many as there are cores, at most 4), and takes images from an
        iterator only as it needs them. Pictures of one size share their programs.
        """
        return map_in_threads(functools.partial(self.compress, **wish), images, workers)

    def decompress_many(
        self, files: Iterable[Bytes], *, workers: int | None = None, batch: int | None = None, **limits: Any
    ) -> list[np.ndarray]:
        """`decompress` each file, as `compress_many` does. Raises for the first file that `decompress` refuses.

        `batch=32` suits hundreds of pictures of one size, up to 512x512 pixels: one program decodes 32 of them. There
        is a program for each size and quality, which takes seconds to compile. Latents are those of `decompress`
        exactly, and pictures are equal up to rounding. With a batch all `files` are read, checked and held in memory
        before the first is decoded. The `limits` are `max_pixels` and `other_synthesis`; without a batch any option of
        `decompress`. Raises `ValueError` on a batch below 1, and on an option that a batch does not take.
        """
        decompress = functools.partial(self.decompress, **limits)
        if batch is None:
            return map_in_threads(decompress, files, workers)
        if not isinstance(batch, int) or batch < 1:
            raise ValueError(f"a batch is a whole number of pictures, at least 1, not {batch!r}")
        if more := sorted(limits.keys() - {"max_pixels", "other_synthesis"}):
            raise ValueError(f"a batch takes whole pictures alone: leave out {' and '.join(more)}, or the batch")
        done, left = self._batches.setdefault(batch, Batch(self, batch)).decode(files, **limits)
        done |= zip(left, map_in_threads(decompress, left.values(), workers), strict=True)
        return [done[number] for number in range(len(done))]

    def encode(
        self,
        image: npt.ArrayLike,
        *,
        quality: float | None = None,
        max_bytes: int | None = None,
        bpp: float | None = None,
        psnr: float | None = None,
        estimate: bool = True,
        coder: str = container.CODERS[0],
        refine: Refine | None = None,
        chunks: Mapping[str, bytes] = container.NO_CHUNKS,
        progress: Progress = silent,
    ) -> Encoded:
        """`compress` with a report, by any `coder` of `container.CODERS`.

        With a variable rate give at most one of four wishes. Without a wish the file has the codec's own quality.
        `quality` is from 0 to 100, the best. `max_bytes` is the largest size that the file may have. `bpp` is a size in
        bits per pixel. `psnr` is in dB, for the decoded picture without `refine`. For the last three at most six
        qualities are tried. Photographs come within 2 % of a size and 0.1 dB of a PSNR. The sizes of tiny or flat
        pictures jump between qualities, so these pictures come only as near as the tries do. Raises `ValueError` if a
        wish is out of reach, and says what the picture can have. The least size that the error names is that at quality
        0; some other quality of a tiny or flat picture may take a few bytes less.

        `chunks` are other data for the file, by names of four letters, the first a small one; `max_bytes` includes
        them. `refine` replaces the latents of the networks by others, for example `lof.Overfit`. `estimate=False` saves
        the time of the float model's estimate. `progress` is called when a stage begins and when a part of it is done;
        small pictures have one part a stage. The search for a wish counts as no stage; if it made the file, there is no
        entropy stage. Raises `ImportError` if the coder's extra is missing.
        """
        image, watch = as_image(image), Watch()
        wish = Wish(quality, max_bytes, bpp, psnr)
        # what cannot be is refused before anything is computed
        named(coder)
        if wish.given:
            self.at(DEFAULT if quality is None else quality)
        y = self._run(transforms.ungained, image, functools.partial(progress, "analysis"))
        watch.lap("analysis")
        if wish.given:
            met = wish.meet(self, image, y, coder, chunks)
            codec = self.at(met.quality)
            watch.lap("quality")
            encoded = codec._finish(image, y, watch, estimate, coder, refine, chunks, progress, met)
            if max_bytes is None or refine is None or len(encoded.data) <= max_bytes:
                return encoded
            # a refinement with another lambda may need more bytes than are allowed
            return codec._finish(image, y, watch, estimate, coder, None, chunks, progress, met)
        return self._finish(image, y, watch, estimate, coder, refine, chunks, progress)

    def _finish(
        self,
        image: np.ndarray,
        y: np.ndarray,
        watch: Watch,
        estimate: bool,
        coder: str,
        refine: Refine | None,
        chunks: Mapping[str, bytes],
        progress: Progress,
        met: Met | None = None,
    ) -> Encoded:
        # `encode` at this quality, from y of g_a, or from the file that the search for a wish made of it
        (height, width), refined = image.shape[:2], None
        y_hat, z_hat, data = (met and met.made) or (*self.quantise(y), None)
        if refine is not None:
            with on(self.transforms):
                y_hat, z_hat, refined = refine(self, image, y_hat, z_hat, progress)
            watch.lap("refining")
        if data is None or refine is not None:
            data = self.pack(y_hat, z_hat, image.shape, coder=coder, chunks=chunks, progress=progress)
        watch.lap("entropy")
        bits = None
        if estimate:
            bits = self._run(transforms.float_bits, y_hat, z_hat)
            watch.lap("estimate")
        psnr = met and met.psnr
        if psnr is not None and refine is not None:
            psnr = psnr_of(self, image, y_hat)
        bpp, crc = 8 * len(data) / (height * width), latents_crc32(y_hat, z_hat)
        facts = len(data), bpp, bits, height, width, self.name, self.quality, psnr, coder, crc, refined
        return Encoded(data, EncodeReport(*facts, watch.seconds))

    def decode(
        self,
        data: Bytes,
        *,
        crop: Crop | None = None,
        scale: int = 1,
        max_pixels: int | None = container.MAX_PIXELS,
        other_synthesis: bool = False,
        progress: Progress = silent,
    ) -> Decoded:
        """`decompress` with a report; `progress` as in `encode`.

        `crop` (left, top, width, height) gives that part of the whole picture, up to rounding. A `scale` of 2, 4, 8 or
        16 gives the means of `scale` x `scale` pixels. If g_s is `light`, 8 and 16 are approximate and need
        no network. `other_synthesis=True` accepts a file whose latents these weights read, although its picture needs
        other weights, for example a g_s that was trained again.

        Raises: `BitstreamError` if the bytes are no whole and undamaged file of this model, or announce more than
        `max_pixels` pixels; `ImportError` if the extra of the file's coder is missing; `TypeError` on data that are no
        bytes; `ValueError` on a crop beyond the picture, on another scale, and on a crop with a scale.
        """
        watch, shown = Watch(), View.of(crop, scale)
        header, stream = self.opened(data, max_pixels=max_pixels, other_synthesis=other_synthesis)
        shown.check(header.height, header.width)
        gray, codec = header.colour == "gray", self.at_index(header.quality)
        found = self._latents(header, stream, view.compiling(self, self._expected, header, shown, progress))
        latents = codec.shown(*found)
        watch.lap("entropy")
        size, tick = (header.height, header.width), functools.partial(progress, "synthesis")
        kept = self._small.setdefault(header.quality, {})
        pixels = codec._run(view.synthesise, latents, gray, size, shown, kept, tick)
        image = pixels[..., : 1 if gray else 3].copy()
        watch.lap("synthesis")
        return Decoded(image, DecodeReport(len(image), image.shape[1], header.latents_crc32, watch.seconds))


def load(
    model: str | os.PathLike[str] | zoo.Weights = zoo.DEFAULT,
    *,
    transforms: Device | None = None,
    entropy: Device | None = None,
) -> Codec:
    """The codec of an installed model, of a weights file, or of weights that are read already.

    `transforms` is the device of g_a, h_a and g_s: a device of JAX or its name, as in "gpu" or "cpu:1"; JAX's default
    device unless given. `entropy` is the device of the exact path, the host's processor unless given, since this path
    is many small steps in turn. Raises `zoo.WeightsError`, and `ValueError` if there is no such device.
    """
    devices = device(transforms), for_entropy(entropy)
    weights = model if isinstance(model, zoo.Weights) else zoo.read(model, judge=judge)
    try:
        return Codec(weights, transforms=devices[0], entropy=devices[1])
    except zoo.WeightsError:  # says it already
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise zoo.WeightsError(f"the tables of '{weights.name}' are unfit ({error}): export it again") from error
