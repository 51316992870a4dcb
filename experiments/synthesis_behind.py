"""Synthesis transforms trained behind the latents of trained weights, in turn: how fast each kind of block learns.

    python experiments/synthesis_behind.py --data PHOTOGRAPHS --weights light-vr-3 -o rows.jsonl \\
        "two stages: block='crm2'" "one stage: block='leaky'" "one, as costly: block='leaky', widths=(56, 112, 164)"
    python experiments/synthesis_behind.py --data PHOTOGRAPHS --weights light-vr-3 -o rows.jsonl --table

A run is named, and what it changes comes after a colon: fields of the model, or `steps`, `batch`, `learning_rate`,
`seed`. The linear path of g_s begins as trained and the rest begins with random parameters, so that a run may have any
width. The rate is the same in all runs. The latents of every training photograph, and of its mirror image, are
calculated once, and a step is that of g_s alone. `block` is the kind of two of the three residual blocks; that at the
highest resolution always has one stage. The latents were trained together with blocks of two stages, which favours
these.

PSNR is that of five qualities, on held-out crops of 256x256, several of each photograph. The table has the difference
in PSNR to the first run, the mean over qualities, with its 95 % confidence interval (bootstrap over photographs). Runs
that are in the file already are skipped.
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from behind import CROP, Arguments, Scene, optimizer

from gllmm_jax.config import ModelConfig
from gllmm_jax.evaluate.cost import costs
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.objective import balance, mean_squared_error
from gllmm_jax.train.run import VALIDATION_QUALITIES
from gllmm_jax.train.step import draw_qualities

RUN: dict[str, Any] = {"steps": 1500, "batch": 4, "learning_rate": 1e-3, "seed": 0}
KEPT = "linear"


def errors(config: ModelConfig, params: Any, x: jax.Array, y: jax.Array, quality: Any) -> jax.Array:
    """MSE [B] of uint8 x [B, H, W, 3] decoded from its latents y [B, h, w, M] before any gain."""
    params = at_quality(params, quality)
    y_hat = jnp.round(apply(config, params, y, method=Model.gained))
    return mean_squared_error(x / jnp.float32(255), apply(config, params, y_hat, method=Model.synthesis))


def run(config: ModelConfig, scene: Scene, **how: Any) -> dict[str, Any]:
    """MSE of every held-out crop at every quality, [5][n], and seconds a step."""
    key, rng, rate = jax.random.key(how["seed"]), np.random.default_rng(how["seed"]), config.rate
    given, side, stride = scene.params, CROP // config.stride, config.stride
    assert rate is not None
    params = init_params(config, key)["g_s"] | {KEPT: given["g_s"][KEPT]}
    adam = optimizer(how["learning_rate"], how["steps"])

    def loss(params: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
        quality = draw_qualities(key, len(y))
        found = errors(config, {"gain": given["gain"], "g_s": params}, x, y, quality)
        return jnp.mean(balance(rate, quality) * rate.lmbda(quality) * found)

    @jax.jit
    def step(params: Any, state: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> Any:
        gradient = jax.grad(loss)(params, x, y.astype(jnp.float32), key)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(params, updates), state

    state, taken = adam.init(params), []
    for number in range(how["steps"]):
        pairs = []
        for index in rng.integers(len(scene.latents), size=how["batch"]):
            y = scene.latents[index]
            top, left = (rng.integers(length - side + 1) for length in y.shape[:2])
            x = scene.views[index][top * stride :, left * stride :][:CROP, :CROP]
            pairs.append((x, y[top : top + side, left : left + side]))
        batch, begun = map(np.stack, zip(*pairs, strict=True)), time.perf_counter()
        params, state = jax.block_until_ready(step(params, state, *batch, jax.random.fold_in(key, number)))
        taken.append(time.perf_counter() - begun)
    whole = {"gain": given["gain"], "g_s": params}
    judge = jax.jit(lambda x, y, quality: errors(config, whole, x[None], y[None], quality)[0])
    crops = list(zip(scene.crops, scene.held_out, strict=True))
    mse = [[float(judge(*crop, quality)) for crop in crops] for quality in VALIDATION_QUALITIES]
    return {"seconds": float(np.median(taken)), "kmac": costs(config)["synthesis"], "mse": mse}


def table(rows: list[dict[str, Any]]) -> None:
    """Means of the runs, and how they differ from the first."""

    def psnr(row: dict[str, Any]) -> np.ndarray:  # [5, photographs]
        found = 20 * np.log10(255) - 10 * np.log10(row["mse"])
        return found.reshape(len(found), row["photographs"], -1).mean(-1)

    first, rng = psnr(rows[0]), np.random.default_rng(0)
    drawn = rng.integers(first.shape[1], size=(2000, first.shape[1]))
    print(f"{'':32} {'kMAC':>6} {'s a step':>8}  PSNR at five qualities           over the first, 95 % interval")
    for row in rows:
        over = (psnr(row) - first).mean(0)
        low, high = np.percentile(over[drawn].mean(-1), (2.5, 97.5))
        points = " ".join(f"{point:.2f}" for point in psnr(row).mean(1))
        interval = f"{over.mean():+.3f} dB ({low:+.3f} to {high:+.3f})"
        print(f"{row['name']:32} {row['kmac']:6.2f} {row['seconds']:8.3f}  {points}   {interval}")


def main() -> None:
    """The runs, a JSON line each, then the table."""
    args = Arguments((__doc__ or "").splitlines()[0], RUN)
    if args.todo:
        scene = Scene(args.weights, args.data, args.held_out)
        for name, how, fields in args.todo:
            row = run(dataclasses.replace(scene.config, **fields), scene, **how)
            args.add(name, {"photographs": scene.photographs, "changed": fields, **how, **row})
            print(f"{name}: MSE {np.array(row['mse']).mean(1).round(2)}, {row['seconds']:.3f} s a step", flush=True)
    table(args.rows)


if __name__ == "__main__":
    main()
