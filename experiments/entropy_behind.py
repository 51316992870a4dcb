"""Entropy models trained behind the transforms of trained weights, in turn: what each is worth.

    python experiments/entropy_behind.py --data PHOTOGRAPHS --weights light-vr-3 -o rows.jsonl \\
        "context" "msp: msp={}" "msp, F 128: msp={'width': 128}" "noise: rounded=False"
    python experiments/entropy_behind.py --data PHOTOGRAPHS --weights light-vr-3 -o rows.jsonl --table

A run is named, and what it changes comes after a colon: fields of the model, or `steps`, `batch`, `learning_rate`,
`rounded` (whether y is rounded in training, as in a file, or noisy), `start`, `warm`. A run begins with random
parameters. With `start='NAME|FILE'` it begins with those of other weights, where these have them; the other weights may
have fewer latents. A run that is warm begins with the parameters of the weights. If its mixture is another, each
component begins as one of the weights' mixture, with the mean, the standard deviation and the weight of that. The
weights are then at the optimum of their own mixture, and their transforms too were trained with it. So a difference
between warm runs is the most that their own mixture gains. With `--keep DIR` a run writes what it trained as a weights
file, whose integer twin is calibrated on training photographs: it compresses pictures like any other.

    ... "GLLMM: warm=True" "GMM3: warm=True, families=('gaussian',), components=3" "as they are: warm=True, steps=0"

g_a of every training photograph, and of its mirror image, is calculated once, so a step is that of the entropy model
alone.

Rates are those of rounded latents at five qualities, on held-out crops of 256x256, several of each photograph. The
table has the difference in rate to the first run, the mean over qualities, with its 95 % confidence interval (bootstrap
over photographs). Runs that are in the file already are skipped.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from behind import CROP, Arguments, Scene, optimizer

from gllmm_jax import zoo
from gllmm_jax.cli.learn import CALIBRATION_CROP, CALIBRATION_PICTURES
from gllmm_jax.codec.export import make_weights
from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.data.batches import validation_images
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.objective import balance
from gllmm_jax.prob.quantize import add_noise
from gllmm_jax.train.run import VALIDATION_QUALITIES
from gllmm_jax.train.start import grafted
from gllmm_jax.train.step import draw_qualities

FROZEN = ("g_a", "g_s", "gain")
RUN: dict[str, Any] = {"steps": 2000, "batch": 8, "learning_rate": 1e-3, "rounded": True, "seed": 0, "start": None,
                       "warm": False}  # fmt: skip


DEVIATION = {"gaussian": 1.0, "laplace": 2**0.5, "logistic": np.pi / 3**0.5}
"""Standard deviation of each density of scale one."""

ALONE = 1, 1.5
"""The component that a single density begins as, and how much wider: in `light-vr-3` none alone has a lower rate."""


def last_kernel(kernel: np.ndarray, before: ModelConfig, after: ModelConfig) -> np.ndarray:
    """The last kernel [hidden, P M] of an entropy net, made for another mixture, of one family.

    The old mixture has one component of each family. Component c of the new one begins with the mean, the standard
    deviation and the weight's logit of component c; a single one begins as `ALONE` says.
    """
    if (before.families, before.components) == (after.families, after.components):
        return kernel
    assert before.components == 1 and after.components <= len(before.families) and len(after.families) == 1
    numbers, groups = kernel.reshape(len(kernel), -1, before.latents), []
    chosen = [(c, 1.0) for c in range(after.components)] if after.components > 1 else [ALONE]
    for c, wider in chosen:
        wider *= DEVIATION[before.families[c]] / DEVIATION[after.families[0]]
        groups += [numbers[:, c - len(before.families)]] if after.components > 1 else []
        groups += [numbers[:, 2 * c], numbers[:, 2 * c + 1] * wider]
    return np.stack(groups, axis=1).reshape(len(kernel), -1)


def rates(config: ModelConfig, params: Any, y: jax.Array, quality: Any, key: jax.Array | None, rounded: bool) -> Any:
    """Bits per pixel [B] of y [B, h, w, M] before any gain; with a key z is noisy, and so is y unless `rounded`."""
    params = at_quality(params, quality)
    y = apply(config, params, y, method=Model.gained)
    z = apply(config, params, y, method=Model.hyper_analysis)
    if key is None:
        y, z = jnp.round(y), jnp.round(z)
    else:
        key_y, key_z = jax.random.split(key)
        y, z = jnp.round(y) if rounded else add_noise(key_y, y), add_noise(key_z, z)
    return sum(apply(config, params, y, z, method=Model.bits)) / (y.shape[1] * y.shape[2] * config.stride**2)


def run(config: ModelConfig, scene: Scene, **how: Any) -> tuple[dict[str, Any], Any]:
    """Bits per pixel of every held-out crop at every quality, [5][n], and seconds a step; and the parameters."""
    key, rng, side = jax.random.key(how["seed"]), np.random.default_rng(how["seed"]), CROP // config.stride
    given, store = scene.params, scene.latents
    frozen = {part: given[part] for part in FROZEN if part in given}
    fresh = {part: tree for part, tree in init_params(config, key).items() if part not in FROZEN}
    if how["start"] is not None:
        other = zoo.read(how["start"])
        fresh, missed = grafted(fresh, zoo.single(other.params), (other.config.latents, config.latents))
        print(f"{how['start']} lacks {', '.join(missed) or 'nothing'}", flush=True)
    if how["warm"]:
        last = f"dense{len(config.hidden)}"
        kernel = last_kernel(np.asarray(given["entropy"][last]["kernel"]), scene.config, config)
        fresh = {part: given[part] for part in fresh}
        fresh["entropy"] = given["entropy"] | {last: {"kernel": jnp.asarray(kernel)}}
    rate = config.rate
    assert rate is not None
    adam = optimizer(how["learning_rate"], how["steps"])

    def loss(params: Any, y: jax.Array, key: jax.Array) -> jax.Array:
        quality = draw_qualities(key, len(y))
        found = rates(config, frozen | params, y, quality, jax.random.fold_in(key, 1), how["rounded"])
        return jnp.mean(balance(rate, quality) * found)

    @jax.jit
    def step(params: Any, state: Any, y: jax.Array, key: jax.Array) -> Any:
        gradient = jax.grad(loss)(params, y.astype(jnp.float32), key)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(params, updates), state

    params, state, taken = fresh, adam.init(fresh), []
    for number in range(how["steps"]):
        crops = []
        for index in rng.integers(len(store), size=how["batch"]):
            top, left = (rng.integers(length - side + 1) for length in store[index].shape[:2])
            crops.append(store[index][top : top + side, left : left + side])
        begun = time.perf_counter()
        params, state = jax.block_until_ready(step(params, state, np.stack(crops), jax.random.fold_in(key, number)))
        taken.append(time.perf_counter() - begun)
        if (number + 1) % 500 == 0:
            print(f"step {number + 1:,} of {how['steps']:,}, {np.median(taken):.3f} s a step", flush=True)
    judge = jax.jit(lambda y, quality: rates(config, frozen | params, y[None], quality, None, rounded=True)[0])
    bpp = [[float(judge(y, quality)) for y in scene.held_out] for quality in VALIDATION_QUALITIES]
    row = {"seconds": float(np.median(taken or np.nan)), "parameters": zoo.count(fresh), "bpp": bpp}
    return row, frozen | params


def by_photograph(row: dict[str, Any]) -> np.ndarray:
    """Bits per pixel [5, photographs] of a run."""
    bpp = np.array(row["bpp"])
    return bpp.reshape(len(bpp), row["photographs"], -1).mean(-1)


def table(rows: list[dict[str, Any]]) -> None:
    """Means of the runs, and how they differ from the first."""
    first, rng = by_photograph(rows[0]), np.random.default_rng(0)
    drawn = rng.integers(first.shape[1], size=(2000, first.shape[1]))
    print(f"{'':32} {'parameters':>10} {'s a step':>8}  bpp at five qualities                     rate, 95 % interval")
    for row in rows:
        bpp = by_photograph(row)
        # the geometric mean over qualities
        change = 100 * np.expm1((np.log(bpp[:, drawn].mean(-1)) - np.log(first[:, drawn].mean(-1))).mean(0))
        mean = 100 * np.expm1((np.log(bpp.mean(1)) - np.log(first.mean(1))).mean())
        low, high = np.percentile(change, (2.5, 97.5))
        points = " ".join(f"{point:.4f}" for point in bpp.mean(1))
        interval = f"{mean:+6.2f} % ({low:+.2f} to {high:+.2f})"
        print(f"{row['name']:32} {row['parameters']:10,} {row['seconds']:8.3f}  {points}   {interval}")


def main() -> None:
    """The runs, a JSON line each, then the table."""
    args = Arguments((__doc__ or "").splitlines()[0], RUN, keep=True)
    for name, how, _ in args.todo:
        if how["warm"] and how["start"] is not None:
            raise SystemExit(f"{name}: a run is warm, or starts from other weights")
        if args.keep is not None:
            zoo.check_name(name)
    if args.todo:
        if args.keep is not None:
            args.keep.mkdir(parents=True, exist_ok=True)
        scene = Scene(args.weights, args.data, args.held_out)
        for name, how, fields in args.todo:
            msp = {"msp": Progressive(**fields["msp"])} if isinstance(fields.get("msp"), dict) else {}
            config = dataclasses.replace(scene.config, **fields | msp)
            row, trained = run(config, scene, **how)
            args.add(name, {"photographs": scene.photographs, "changed": fields, **how, **row})
            if args.keep is not None:
                start = how["start"] and Path(how["start"]).name
                provenance = how | {"behind": Path(args.weights).name, "data": Path(args.data).name, "start": start}
                pictures = list(validation_images(scene.files, crop=CALIBRATION_CROP, limit=CALIBRATION_PICTURES))
                zoo.save(args.keep / f"{name}.npz", make_weights(name, config, trained, pictures, provenance))
            print(f"{name}: {np.array(row['bpp']).mean(1).round(4)}, {row['seconds']:.3f} s a step", flush=True)
    table(args.rows)


if __name__ == "__main__":
    main()
