"""What the trials behind frozen transforms share: latents of photographs, and named runs in a file of JSON lines."""

import argparse
import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from training_choices import settings

from gllmm_jax import cache, zoo
from gllmm_jax.config import ModelConfig
from gllmm_jax.data.batches import ImageSource
from gllmm_jax.data.photographs import items, split
from gllmm_jax.nn.model import Model, apply

CROP = 256
"""Side of the crops, in pixels."""


def views_of(files: list) -> Iterator[np.ndarray]:
    """Every photograph and its mirror image, uint8 [H, W, 3], cut to multiples of 64: few shapes, few programs."""
    source = ImageSource(files, crop=CROP, cache_bytes=0)
    for index in range(len(files)):
        image = source.load(index)
        if image is not None:
            height, width = (side // 64 * 64 for side in image.shape[:2])
            yield from (view[:height, :width] for view in (image, image[:, ::-1]))


def latents_of(config: ModelConfig, params: Any, views: Iterable[np.ndarray]) -> list[np.ndarray]:
    """y of every view, before any gain, float16 [h, w, M]."""
    analysis = jax.jit(lambda x: apply(config, params, x[None], method=Model.ungained)[0])
    return [np.asarray(analysis(view.astype(np.float32) / 255), np.float16) for view in views]


def held_out_crops(files: list, count: int) -> np.ndarray:
    """uint8 [n, CROP, CROP, 3]: the same number of each photograph, `count` at most in all, one after the other."""
    each, source, found = max(1, count // len(files)), ImageSource(files, crop=CROP, cache_bytes=0), []
    for image in (source[index] for index in range(len(files))):
        rows, columns = (range(0, length - CROP + 1, CROP) for length in image.shape[:2])
        places = [(top, left) for top in rows for left in columns]
        chosen = [places[i * len(places) // each] for i in range(each)]
        found += [image[top : top + CROP, left : left + CROP] for top, left in chosen]
    return np.stack(found)


class Scene:
    """Trained weights, and what their g_a makes of training photographs and of held-out crops.

    `views` and `latents` are in one order, and so are `crops` and `held_out`. `photographs` is the number of held-out
    photographs, each of which has the same number of crops. `files` are those of the training photographs.
    """

    def __init__(self, weights: str, data: str, held_out: int) -> None:
        read, (self.files, kept) = zoo.read(weights), split(items(data))
        self.config, self.params, self.photographs = read.config, zoo.single(read.params), len(kept)
        self.views = list(views_of(self.files))
        self.latents = latents_of(self.config, self.params, self.views)
        self.crops = held_out_crops(kept, held_out)
        self.held_out = jax.lax.map(
            lambda x: apply(self.config, self.params, x[None] / 255.0, method=Model.ungained)[0],
            self.crops.astype(np.float32),
        )
        print(f"{len(self.views)} views of photographs, {len(self.crops)} held-out crops", flush=True)


class Arguments:
    """The command line, for runs with the values of `run`.

    `rows` are the runs that are in the file. `todo` are the others: name, values of `run`, changed fields of the model.
    """

    def __init__(self, title: str, run: dict[str, Any], *, keep: bool = False) -> None:
        parser = argparse.ArgumentParser(description=title)
        parser.add_argument("--data", required=True)
        parser.add_argument("--weights", default=zoo.DEFAULT, metavar="NAME|FILE")
        parser.add_argument("--held-out", type=int, default=200, help="crops to judge on (%(default)s)")
        parser.add_argument("-o", "--output", type=Path, required=True)
        if keep:
            parser.add_argument("--keep", type=Path, metavar="DIR", help="write weights of each run: NAME.npz")
        parser.add_argument("--table", action="store_true", help="of the runs that there are")
        parser.add_argument("runs", nargs="*", metavar="NAME: CHANGES")
        given = parser.parse_args()
        cache.enable()
        self.weights, self.data, self.held_out, self.output = given.weights, given.data, given.held_out, given.output
        self.keep: Path | None = given.keep if keep else None
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        known, named = {row["name"] for row in self.rows}, [text.partition(":") for text in given.runs]
        missing = [] if given.table else [(name, text) for name, _, text in named if name not in known]
        self.todo = [(name, *divided(settings(text.strip()), run)) for name, text in missing]
        if not self.todo and not self.rows:
            parser.error(f"there are no runs, neither given nor in {self.output}")

    def add(self, name: str, row: dict[str, Any]) -> None:
        """A run that has ended."""
        self.rows.append({"name": name, **row})
        with self.output.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")


def optimizer(peak: float, steps: int) -> optax.GradientTransformation:
    """Adam with clipping; the rate warms up for a fiftieth of the steps, then falls to zero as a cosine."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, peak, max(steps // 50, 1), max(steps, 2))
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


def divided(changes: dict[str, Any], run: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run changes: the values of `run` with its own in place, and fields of the model.

    Raises `SystemExit` if the model has no such field.
    """
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(changes) - set(run) - fields):
        raise SystemExit(f"neither runs nor models have {', '.join(unknown)}")
    own = {key: value for key, value in changes.items() if key in run}
    return run | own, {key: value for key, value in changes.items() if key not in run}
