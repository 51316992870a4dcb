"""Rows and pictures for a report, with names that would be markup if nothing stopped them."""

import io

import numpy as np
from PIL import Image

from gllmm_jax.evaluate import points
from gllmm_jax.evaluate.rows import Row
from gllmm_jax.report.page import Report
from gllmm_jax.report.pictures import Shown, View

OURS = "</script><script>window.hurt = 1</script>"
OTHER = "jpeg & <b>bold</b>"
IMAGES = ("b <img src=x onerror='window.hurt = 2'>", "a\"'&lt;c10", "c9")
SETTINGS = (10, 30, 50, 70)


def a_row(codec: str, setting: float, image: str) -> Row:
    """Figures that differ from codec to codec, setting to setting and picture to picture."""
    bpp, seed = setting / 50, IMAGES.index(image)
    ahead = 2 if codec == OURS else 0
    return Row(
        codec=codec,
        setting=setting,
        image=image,
        bytes=1000 * setting + seed,
        bpp=bpp,
        psnr=30 + 4 * np.log2(bpp) + ahead - seed,
        msssim=1 - 0.02 / (bpp + ahead / 10),
        msssim_db=-10 * np.log10(0.02 / (bpp + ahead / 10)),
        encode_seconds=0.1 + bpp,
        decode_seconds=0.02,
        peak_mb=None if codec == OTHER else 300.0,
    )


def a_view(row: Row | None, colour: int) -> View:
    """Of 480 x 320 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (480, 320), (colour, 90, 200 - colour)).save(buffer, "AVIF")
    return View(row, buffer.getvalue())


def a_report(pictures: int = 2) -> Report:
    """Two codecs of four points on three pictures, of which some are shown."""
    rows = [a_row(codec, setting, image) for image in IMAGES for codec in (OURS, OTHER) for setting in SETTINGS]
    shown = []
    for image in IMAGES[:pictures]:
        views = a_view(None, 0), a_view(a_row(OURS, 30, image), 100), a_view(a_row(OTHER, 50, image), 200)
        shown.append(Shown(image, 320, 480, False, 45.0, views))
    return Report("run <1>.csv", rows, points.means(rows), [OURS], OTHER, shown)
