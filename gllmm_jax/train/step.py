"""One training step, jitted and donated, and its evaluation twin. Images come as uint8 [B, h, w, 3]."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.nn.model import apply
from gllmm_jax.objective import Terms, rate_distortion

try:
    import optax
except ImportError as error:
    raise ImportError("training needs optax: pip install 'gllmm-jax[train]'") from error

Metrics = dict[str, jax.Array]


class TrainState(NamedTuple):
    """A run at one step: everything that a resumed run needs beside its data.

    `step` is how many steps were taken, an int32 scalar. `params` and `ema` are trees as of `init_params`, float32;
    `ema` is the running average of `params`, which is validated and exported. `opt_state` is optax's: two moments of
    the gradient in the shape of `params`, float32, and a count. `key` is the run's PRNG key, the same at every step:
    the noise of a step is drawn from it and the step's number.
    """

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    key: jax.Array


def learning_rate(config: TrainConfig, progress: jax.Array) -> jax.Array:
    """Linear warm-up, then half a cosine to zero, over `progress` in [0, 1] of the run (its clock or steps)."""
    warm = jnp.minimum(progress / config.warmup, 1.0) if config.warmup else 1.0
    rest = jnp.clip((progress - config.warmup) / (1.0 - config.warmup), 0.0, 1.0)
    return config.learning_rate * warm * 0.5 * (1.0 + jnp.cos(jnp.pi * rest))


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(config.clip), optax.scale_by_adam())


def create_state(config: TrainConfig, params: Any, key: jax.Array) -> TrainState:
    """The state before the first step, from initial `params` of any float type; both arguments stay the caller's."""
    # the step donates its state, so no leaf may share a buffer with another one or with the caller
    own, average = (jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32), params) for _ in range(2))
    return TrainState(jnp.int32(0), own, average, _optimizer(config).init(own), jnp.copy(key))


def loss_fn(
    params: Any, x: jax.Array, key: jax.Array | None, *, model: ModelConfig, lmbda: float
) -> tuple[jax.Array, Terms]:
    """R + lmbda * D of images `x` [B, H, W, 3] in [0, 1]: (loss, its terms). A `key` adds training noise."""
    output = apply(model, params, x, key)
    terms = rate_distortion(x, output.x_hat, output.bits_y, output.bits_z, lmbda=lmbda)
    return terms.loss, terms


def _unit_range(images: jax.Array) -> jax.Array:
    if images.dtype != jnp.uint8:
        raise TypeError(f"images are uint8 [B, h, w, 3] here, not {images.dtype}")
    return images.astype(jnp.float32) / 255.0


def _metrics(terms: Terms) -> Metrics:
    bpp = terms.bpp_y + terms.bpp_z
    return {"loss": terms.loss, "bpp": bpp, "bpp_y": terms.bpp_y, "bpp_z": terms.bpp_z, "mse": terms.mse,
            "psnr": 10 * jnp.log10(255.0**2 / terms.mse)}  # fmt: skip


def make_train_step(model: ModelConfig, config: TrainConfig) -> Callable[..., tuple[TrainState, Metrics]]:
    """(state, images, progress) -> (state, metrics), compiled; the state that goes in is given up.

    Images are uint8 [B, h, w, 3], sides multiples of 64 (`TypeError` where they are floats); progress is any real
    scalar in [0, 1], of Python, NumPy or JAX.

    Metrics are float32 scalars: loss, bpp, bpp_y, bpp_z, mse, psnr (of the mean MSE), grad_norm (before clipping), lr.
    """
    optimizer = _optimizer(config)

    def step(state: TrainState, images: jax.Array, progress: jax.Array) -> tuple[TrainState, Metrics]:
        x = _unit_range(images)
        key = jax.random.fold_in(state.key, state.step)
        gradients, terms = jax.grad(loss_fn, has_aux=True)(state.params, x, key, model=model, lmbda=config.lmbda)
        updates, opt_state = optimizer.update(gradients, state.opt_state)
        lr = learning_rate(config, progress)
        params = jax.tree.map(lambda p, u: p - lr * u, state.params, updates)
        # early on the average is over all steps so far, so that it is not held back by the random start
        decay = jnp.minimum(config.ema, (1.0 + state.step) / (10.0 + state.step))
        ema = jax.tree.map(lambda e, p: e + (1.0 - decay) * (p - e), state.ema, params)
        metrics = _metrics(terms) | {"grad_norm": optax.global_norm(gradients), "lr": lr}
        return TrainState(state.step + 1, params, ema, opt_state, state.key), metrics

    compiled = jax.jit(step, donate_argnums=0)
    # of one type whatever is given: a Python float would compile a second program
    return lambda state, images, progress: compiled(state, images, jnp.asarray(progress, jnp.float32))


def make_eval_step(model: ModelConfig, config: TrainConfig) -> Callable[[Any, jax.Array], Metrics]:
    """(params, images) -> metrics as the codec would see them: rounded latents, no noise, clipped picture.

    Images and metrics are those of `make_train_step`, without grad_norm and lr.
    """

    def step(params: Any, images: jax.Array) -> Metrics:
        x = _unit_range(images)
        output = apply(model, params, x)
        x_hat = jnp.round(jnp.clip(output.x_hat, 0.0, 1.0) * 255.0) / 255.0
        return _metrics(rate_distortion(x, x_hat, output.bits_y, output.bits_z, lmbda=config.lmbda))

    return jax.jit(step)
