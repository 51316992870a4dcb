"""Where a training step's time goes on this machine: seconds and GFLOP/s of its parts.

    python experiments/step_profile.py --preset light-vr --batch 4 --crop 256

Each part is a program of its own, timed in turn with the others: the forward passes of g_a, of g_s and of the entropy
model with both hyper networks; the same with their gradients; the loss; the loss with its gradient; the step. The parts
share no work here, so their times need not add up to that of the step. FLOP are XLA's own count. Medians. A minute.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import TrainConfig
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.step import create_state, loss_fn, make_update


def parts(preset: str, batch: int, crop: int) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """By name, a function and what it takes."""
    model = PRESETS[preset]
    lmbda = 0.013 if model.rate is None else (model.rate.lowest, model.rate.highest)
    config = TrainConfig("", lmbda=lmbda, steps=1, warmup=0.0)
    key = jax.random.key(0)
    params = init_params(model, key)
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (batch, crop, crop, 3), dtype=np.uint8))
    x = images.astype(jnp.float32) / 255
    state = create_state(config, params, jax.random.PRNGKey(0))
    y = jax.random.normal(key, (batch, crop // model.stride, crop // model.stride, model.latents))

    def chosen(params: Any) -> Any:
        return params if model.rate is None else at_quality(params, jnp.full(batch, 128.0))

    def analysis(params: Any, x: jax.Array) -> jax.Array:
        return jnp.sum(apply(model, chosen(params), x, method=Model.analysis))

    def synthesis(params: Any, y: jax.Array) -> jax.Array:
        return jnp.sum(apply(model, chosen(params), y, method=Model.synthesis))

    def entropy(params: Any, y: jax.Array) -> jax.Array:
        z = apply(model, chosen(params), y, method=Model.hyper_analysis)
        return sum(map(jnp.sum, apply(model, chosen(params), y, z, method=Model.bits)), jnp.float32(0))

    def loss(params: Any, x: jax.Array) -> jax.Array:
        return loss_fn(params, x, key, model=model, config=config)[0]

    found: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
    for name, function, given in (
        ("g_a", analysis, x),
        ("g_s", synthesis, y),
        ("entropy model", entropy, y),
        ("loss", loss, x),
    ):
        found[name] = function, (params, given)
        found[f"{name}, with gradients"] = jax.grad(function, argnums=(0,) if given is x else (0, 1)), (params, given)
    return found | {"step": (make_update(model, config), (state, images, jnp.float32(0)))}


def main() -> None:
    """A line a part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="light-vr", choices=sorted(PRESETS))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    found = parts(arguments.preset, arguments.batch, arguments.crop)
    compiled = {name: jax.jit(function).lower(*given).compile() for name, (function, given) in found.items()}
    taken: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(arguments.repeats):
        for name, program in compiled.items():
            begun = time.perf_counter()
            jax.block_until_ready(program(*found[name][1]))
            taken[name].append(time.perf_counter() - begun)
    for name, program in compiled.items():
        cost: Any = program.cost_analysis()
        flops, seconds = cost["flops"], statistics.median(taken[name])
        print(f"{name:32} {1e3 * seconds:8.1f} ms {flops / 1e9:8.1f} GFLOP {flops / seconds / 1e9:7.1f} GFLOP/s")


if __name__ == "__main__":
    main()
