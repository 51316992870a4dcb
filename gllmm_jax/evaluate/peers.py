"""The codecs everybody has, through Pillow, measured as ours is: real files, 8-bit RGB.

A peer's `quality` is its library's own integer scale; larger files with larger numbers.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features

from gllmm_jax.evaluate.bdrate import Curve, psnr_at
from gllmm_jax.evaluate.files import Row, measure


class Peer(NamedTuple):
    """How Pillow is called, the qualities a search may use, and those that draw a curve."""

    format: str
    options: Mapping[str, Any]
    qualities: range
    curve: tuple[int, ...]


_JPEG = {"optimize": True, "progressive": True}
_JPEG_CURVE = (5, 8, 12, 18, 25, 35, 50, 65, 75, 85, 92, 96)

PEERS: dict[str, Peer] = {
    "jpeg-4:2:0": Peer("JPEG", _JPEG | {"subsampling": 2}, range(1, 97), _JPEG_CURVE),
    "jpeg-4:4:4": Peer("JPEG", _JPEG | {"subsampling": 0}, range(1, 97), _JPEG_CURVE),
    "webp": Peer("WEBP", {"method": 6}, range(101), (1, 5, 10, 20, 35, 50, 65, 75, 83, 90, 95, 98)),
    "avif-4:2:0": Peer("AVIF", {"speed": 3, "subsampling": "4:2:0"}, range(101), tuple(range(10, 91, 8))),
    "avif-4:4:4": Peer("AVIF", {"speed": 3, "subsampling": "4:4:4"}, range(101), tuple(range(10, 91, 8))),
}


def available() -> list[str]:
    """Names of the peers this Pillow can write."""
    return [name for name, peer in PEERS.items() if peer.format == "JPEG" or features.check(peer.format.lower())]


def encode(name: str, image: np.ndarray, quality: int) -> bytes:
    """A file of the peer `name` from uint8 [height, width, 3 or 1]."""
    peer = PEERS[name]
    buffer = io.BytesIO()
    plane = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(plane).save(buffer, peer.format, quality=quality, **peer.options)
    return buffer.getvalue()


def decode(data: bytes, channels: int = 3) -> np.ndarray:
    """The picture in a peer's file -> uint8 [height, width, channels], `channels` 3 or 1."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels if channels == 3 else pixels[..., None]


def at_size(name: str, image: np.ndarray, size: int) -> tuple[int, bytes]:
    """The lowest quality whose file has `size` bytes or more, and that file: the same size, in the peer's favour.

    Where even the best file is smaller, that one. Found by bisection: sizes rise with quality but for a few bytes.
    """
    qualities = PEERS[name].qualities
    low, high = 0, len(qualities) - 1
    best = encode(name, image, qualities[high])
    while low < high:
        middle = (low + high) // 2
        data = encode(name, image, qualities[middle])
        if len(data) >= size:
            high, best = middle, data
        else:
            low = middle + 1
    return qualities[high], best


def rows(name: str, image: np.ndarray, label: str, qualities: Iterable[int] | None = None) -> list[Row]:
    """One row a quality, `PEERS[name].curve` unless given, each named `label`."""
    result = []
    for quality in PEERS[name].curve if qualities is None else qualities:
        data = encode(name, image, quality)
        result.append(measure(label, image, decode(data, image.shape[-1]), len(data)))
    return result


def curve(points: Iterable[Row]) -> Curve:
    """The curve of one picture, cheapest point first, without points that cost more and are no better."""
    kept: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda row: (row["bpp"], -(row["psnr"] or 0))):
        if point["psnr"] is not None and (not kept or (point["psnr"] > kept[-1][1] and point["bpp"] > kept[-1][0])):
            kept.append((point["bpp"], point["psnr"]))
    return Curve([bpp for bpp, _ in kept], [psnr for _, psnr in kept])


def read_points(path: str | os.PathLike[str]) -> dict[str, dict[str, list[Row]]]:
    """Stored measurements: a CSV with columns codec, image, bytes, bpp, psnr, msssim -> rows by codec and image."""
    points: dict[str, dict[str, list[Row]]] = {}
    with open(path, newline="") as file:
        for line in csv.DictReader(file):
            values = {key: float(line[key]) for key in ("bytes", "bpp", "psnr", "msssim")}
            row = Row(image=line["image"], quality=None, **values)
            points.setdefault(line["codec"], {}).setdefault(line["image"], []).append(row)
    return points


def psnr_at_equal_rate(points: Iterable[Row], bpp: float) -> float:
    """PSNR in dB a peer reaches for one picture at `bpp`, interpolated between its points; NaN outside them."""
    return psnr_at(curve(points), bpp)
