"""A first look: the codec compresses and decompresses photographs of scikit-image, and compares them with JPEG."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gllmm_jax import files, zoo
from gllmm_jax.codec import codec as codecs
from gllmm_jax.evaluate import plots
from gllmm_jax.evaluate.rows import Row, measure
from gllmm_jax.peers import table
from gllmm_jax.picture import picture

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
"""Photographs in scikit-image's own wheel: nothing is downloaded."""

KINDS = ("png", "gllm", "decoded.png", "jpg", "comparison.png")
"""Files left for each photograph: NAME.png ..."""

JPEG = ("jpeg-4:2:0", "jpeg-4:4:4")


def photograph(name: str) -> np.ndarray:
    """One of `PHOTOGRAPHS` -> uint8 [height, width, 3]. Raises `ImportError` without scikit-image."""
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError("the photographs come with scikit-image: pip install 'gllmm-jax[eval]'") from error
    return np.ascontiguousarray(getattr(data, name)())


def run(
    out_dir: str | os.PathLike[str] = "demo",
    model: str | os.PathLike[str] | None = None,
    qualities: Sequence[float | None] = (None,),
    *,
    force: bool = False,
) -> list[Row]:
    """Compress and decompress each photograph, print a table, leave files and comparisons in `out_dir` -> our rows.

    `qualities` are from 0 to 100, None for the model's own. With several qualities the names of files end in the
    quality.

    JPEG is optimised and progressive. For each chroma sampling it has the lowest quality whose file is at least as
    large as ours. The sampling of higher PSNR is shown. Raises `zoo.WeightsError` without the model, `files.WriteError`
    if the disk refuses or, unless `force`, a file exists already, `ImportError` if the `eval` extra is missing.
    """
    folder = files.make_folder(out_dir)
    names = {
        (name, quality): name if len(qualities) == 1 else f"{name}-{quality:g}"
        for name, quality in itertools.product(PHOTOGRAPHS, qualities)
    }
    for name, kind in itertools.product(names.values(), KINDS):
        files.check_free(folder / f"{name}.{kind}", force=force)
    codec = codecs.load(model or zoo.DEFAULT)
    print(f"model {codec.name}, beside JPEG at the same size or just above\n", flush=True)
    columns = f"{'photograph':11} {'size':>9} {'quality':>7} {'bytes':>8} {'bpp':>6} {'PSNR':>6}"
    print(f"{columns}  | {'JPEG bytes':>10} {'PSNR':>6} {'gain':>9}", flush=True)
    rows = []
    for (name, quality), kept in names.items():
        image, chosen = photograph(name), codec if quality is None else codec.at(quality)
        row, jpeg = _compare(chosen, kept, image, folder)
        height, width = image.shape[:2]
        ours, theirs = row["psnr"] or np.inf, jpeg["psnr"] or np.inf
        at = "" if chosen.quality is None else f"{chosen.quality:g}"
        left = f"{name:11} {f'{width}x{height}':>9} {at:>7} {row['bytes']:8,.0f} {row['bpp']:6.3f} {ours:6.2f}"
        print(f"{left}  | {jpeg['bytes']:10,.0f} {theirs:6.2f} {ours - theirs:+6.2f} dB", flush=True)
        rows.append(row)
    print(f"\nIn {folder}/: NAME.gllm, the pictures they decode to (NAME.decoded.png), and NAME.comparison.png")
    return rows


def _compare(codec: codecs.Codec, name: str, image: np.ndarray, folder: Path) -> tuple[Row, Row]:
    """Our row and that of the better JPEG. Writes the original, both files, our reconstruction, and the comparison."""
    data = codec.compress(image)
    decoded = codec.decompress(data)
    row = measure(name, image, decoded, len(data), codec=codec.name, setting=codec.quality)
    candidates = []
    for peer in JPEG:
        _, jpeg = table.at_size(peer, image, len(data))
        pixels = table.decode(peer, jpeg, image.shape)
        candidates.append((measure(peer, image, pixels, len(jpeg)), jpeg, pixels))
    best, jpeg, pixels = max(candidates, key=lambda candidate: candidate[0]["psnr"] or np.inf)
    picture.write(folder / f"{name}.png", image)
    files.write(folder / f"{name}.gllm", data)
    picture.write(folder / f"{name}.decoded.png", decoded)
    files.write(folder / f"{name}.jpg", jpeg)
    panels = [
        ("original", image),
        (_caption(codec.name, row), decoded),
        (_caption(best["image"].upper(), best), pixels),
    ]
    plots.save(plots.side_by_side(panels, plots.interesting_boxes(image)), folder / f"{name}.comparison.png")
    return row, best


def _caption(name: str, row: Row) -> str:
    return f"{name}: {row['bytes']:,.0f} bytes, {row['psnr'] or np.inf:.2f} dB"
