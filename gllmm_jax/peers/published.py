"""Published rates and distortions: means over a set of pictures, each point with its source.

The points are in `published.csv` beside this file. MS-SSIM is absent if the source has none.
"""

import csv
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """A point: `bpp` in bits per pixel, `psnr` in dB of RGB, `msssim` in [0, 1].

    `set` is "kodak" or "clic-pro-valid".
    """

    codec: str
    set: str
    bpp: float
    psnr: float
    msssim: float | None
    source: str


def read(pictures: str | None = None) -> list[Published]:
    """All points, or the points of one set of `pictures`, in order of codec and rate."""
    with FILE.open(newline="") as file:
        rows = [
            Published(
                **{name: line[name] for name in ("codec", "set", "source")},
                bpp=float(line["bpp"]),
                psnr=float(line["psnr"]),
                msssim=float(line["msssim"]) if line["msssim"] else None,
            )
            for line in csv.DictReader(file)
        ]
    return [row for row in rows if pictures in (None, row.set)]
