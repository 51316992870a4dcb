"""What a worker of a corpus does with a batch of rows. It holds a codec, and knows nothing of Ray."""

import abc
import dataclasses
import io
import math
import time
from typing import Any

from gllmm_jax import cache, metrics, transcode
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.codec.many import map_in_threads
from gllmm_jax.corpus import table
from gllmm_jax.corpus.place import Place
from gllmm_jax.picture import picture


@dataclasses.dataclass(frozen=True)
class Job:
    """What all batches of a run have in common."""

    model: str
    source: Place | None  # of pictures; None where the rows have them
    target: Place | None  # of .gllm files; None where they go into the rows
    quality: float | None = None
    convert: bool = False
    max_pixels: int = picture.MAX_PIXELS
    psnr: bool = True
    threads: int = 1  # pictures in one worker at once


class Worker(abc.ABC):
    """One codec, and a batch of rows after the other."""

    def __init__(self, job: Job) -> None:
        cache.enable()
        self.job = job
        self.codec: Codec = load(job.model)

    def __call__(self, batch: Any) -> Any:
        """A table of Arrow -> another, row by row."""
        return table.batch(map_in_threads(self._guarded, batch.to_pylist(), self.job.threads))

    def _guarded(self, given: dict[str, Any]) -> dict[str, Any]:
        # one bad picture does not end a run of a million
        try:
            return self.work(given)
        except Exception as error:
            return table.row(str(given["name"]), error=" ".join(str(error).split()) or type(error).__name__)

    @abc.abstractmethod
    def work(self, given: dict[str, Any]) -> dict[str, Any]:
        """The row that a row becomes. What it raises becomes the row's `error`."""

    def pixels(self, name: str, data: bytes | None) -> Any:
        """A picture of the source, or of a row's own bytes, with what it carries."""
        if data is None:
            if self.job.source is None:
                raise ValueError("its row has no picture")
            data = self.job.source.read(name)
        job, file = self.job, io.BytesIO(data)
        return picture.load(name, file=file, convert=job.convert, max_pixels=job.max_pixels)


class Compressor(Worker):
    """Rows with `name`, `output` and, where there is no source, `picture` -> rows with a `.gllm` file."""

    def work(self, given: dict[str, Any]) -> dict[str, Any]:
        """See `Worker`."""
        start, name = time.perf_counter(), given["name"]
        whole = self.pixels(name, given.get("picture"))
        data, report = transcode.encode(self.codec, whole, warn=_silent, estimate=False, quality=self.job.quality)
        psnr = math.nan
        if self.job.psnr:
            image, _ = self.codec.decode(data, max_pixels=None)
            psnr = float(metrics.psnr(whole.pixels, image, 255.0))
        if self.job.target is not None:
            self.job.target.write(given["output"], data)
        facts = {"width": report.width, "height": report.height, "bytes": len(data), "bpp": report.bpp}
        facts |= {"crc32": report.latents_crc32, "psnr": psnr, "seconds": time.perf_counter() - start}
        kept = {"data": data, "output": ""} if self.job.target is None else {"output": given["output"]}
        return table.row(name, **facts, **kept)


class Verifier(Worker):
    """Rows with a `.gllm` file -> the same rows, with an error where the file does not decode to its latents.

    Where the job has a source the pictures are compared with theirs: `psnr` and `ms_ssim`.
    """

    def work(self, given: dict[str, Any]) -> dict[str, Any]:
        """See `Worker`."""
        start = time.perf_counter()
        data = given["data"]
        if self.job.target is not None:
            data = self.job.target.read(given["output"])
        image, report = self.codec.decode(data, max_pixels=None)
        if (report.latents_crc32, len(data)) != (given["crc32"], given["bytes"]):
            raise ValueError("the file is another than the one that was written")
        found = {**given, "data": b"", "seconds": time.perf_counter() - start}
        if self.job.source is not None:
            pixels = self.pixels(given["name"], None).pixels
            measure = {"psnr": metrics.psnr, "ms_ssim": metrics.ms_ssim}
            found |= {name: float(metric(pixels, image, 255.0)) for name, metric in measure.items()}
        return found


def _silent(_text: str) -> None:
    """Nobody reads what each of a million pictures leaves out."""
