"""Short training runs of `light-vr` from one start, one after the other: which settings bring the loss down fastest.

    python experiments/training_choices.py --data PHOTOGRAPHS --init WEIGHTS --seconds 590 -o choices.jsonl \\
        "adam, 2e-4: learning_rate=2e-4" "soap, 2e-4: learning_rate=2e-4, optimizer='soap'"

Each run has as many steps as fit in the seconds at its median step, timed before it, and a rate that falls to zero.
Settings are those of `TrainConfig`, and these:

- `steps=540` gives the number of steps instead of the seconds, for a run beside other work.
- `quality=128` trains for that quality alone, out of 0 to 255: beside a run for all, it tells the price of one model
  for every quality.
- `late=(2, 384)` gives the last third of the steps batches of 2 crops of 384x384 pixels.
- `balanced=False` gives the losses of all qualities one weight, where `objective.balance` weighs them.

The loss is that of `train` over five qualities, on the first held-out crops. Runs that are in the file already are
skipped.
"""

import argparse
import ast
import contextlib
import json
import statistics
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

import gllmm_jax.train.step
from gllmm_jax import cache, zoo
from gllmm_jax.config import TrainConfig, VariableRate
from gllmm_jax.data.batches import Batches, sample_photographs, validation_images
from gllmm_jax.data.photographs import items, split
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.run import VALIDATION_QUALITIES
from gllmm_jax.train.start import from_weights
from gllmm_jax.train.step import create_state, make_eval_step, make_update

MODEL, RATE = PRESETS["light-vr"], VariableRate()
BASE: dict[str, Any] = {"batch": 4, "crop": 256, "schedule": "linear", "clip": 0.5, "ema": 0.99}
TIMED = 24
"""Steps whose median says how many fit; a third of them are not counted."""


def run(
    config: TrainConfig,
    params: Any,
    files: list,
    held_out: np.ndarray,
    seconds: float | None,
    quality: float | None = None,
    late: tuple[int, int] | None = None,
    balanced: bool = True,
) -> dict[str, Any]:
    """One run: steps, seconds a step, validation loss; and loss, bpp and PSNR at each quality.

    The steps are the config's, or as many as fit in the seconds.
    """
    batches = Batches(files, seed=config.seed, share=(0, 1), batch=config.batch, crop=config.crop)
    larger = Batches(files, seed=config.seed + 1, share=(0, 1), batch=late[0], crop=late[1]) if late else batches
    step = jax.jit(make_update(MODEL, config, quality=quality), donate_argnums=0)
    assert config.steps is not None

    def advance(steps: int, whole: int | None) -> tuple[Any, float]:
        # the state after so many steps of a run of `whole`, and their median seconds; at the full rate where it is None
        state, taken = create_state(config, params, jax.random.PRNGKey(config.seed)), []
        for number in range(steps):
            images = next(larger if whole and number >= whole - whole // 3 else batches)
            begun = time.perf_counter()
            state, metrics = step(state, images, jnp.float32(number / whole if whole else 0.0))
            jax.block_until_ready(metrics)
            taken.append(time.perf_counter() - begun)
        return state, statistics.median(taken[steps // 3 :])

    same = mock.patch.object(gllmm_jax.train.step, "balance", return_value=1.0)
    with contextlib.nullcontext() if balanced else same:
        steps = config.steps if seconds is None else int(seconds / advance(TIMED, None)[1])
        state, each = advance(steps, steps)
    judge, points = make_eval_step(MODEL, config), []
    for quality in VALIDATION_QUALITIES:
        rows = [jax.device_get(judge(state.ema, image[None], quality)) for image in held_out]
        points.append([float(np.mean([row[name] for row in rows])) for name in ("loss", "bpp", "psnr")])
    return {"steps": steps, "seconds": each, "loss": float(np.mean([point[0] for point in points])), "points": points}


def settings(text: str) -> dict[str, Any]:
    """`learning_rate=2e-4, optimizer='soap'` as a dict."""
    call = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}


def main() -> None:
    """The runs, a JSON line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--init", default="light-vr-3")
    parser.add_argument("--seconds", type=float, default=590.0)
    parser.add_argument("--held-out", type=int, default=40, help="crops to judge on (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("runs", nargs="+", metavar="NAME: SETTINGS")
    args = parser.parse_args()
    cache.enable()
    files, kept = split(items(args.data))
    pictures, key = sample_photographs(files), jax.random.key(0)
    params, _ = from_weights(MODEL, key, zoo.read(args.init), lmbda=RATE.middle, photographs=pictures)
    held_out = validation_images(kept, crop=BASE["crop"])[: args.held_out]
    lines = args.output.read_text().splitlines() if args.output.exists() else []
    done = {json.loads(line)["name"] for line in lines}
    for name, _, given in (text.partition(":") for text in args.runs):
        if name not in done:
            changed = BASE | settings(given.strip())
            seconds = None if "steps" in changed else args.seconds
            own = {name: changed.pop(name) for name in ("quality", "late", "balanced") if name in changed}
            changed.setdefault("steps", 1)
            config = TrainConfig(data=args.data, lmbda=(RATE.lowest, RATE.highest), **changed)
            row = {"name": name, "settings": given.strip(), **run(config, params, files, held_out, seconds, **own)}
            with args.output.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}: {row['steps']} steps of {row['seconds']:.3f} s, loss {row['loss']:.4f}", flush=True)


if __name__ == "__main__":
    main()
