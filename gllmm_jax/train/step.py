"""One training step and the evaluation step, as pure functions and compiled. Images are uint8 [B, h, w, 3]."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from gllmm_jax.config import QUALITIES, ModelConfig, TrainConfig
from gllmm_jax.metrics import ms_ssim
from gllmm_jax.nn.model import apply
from gllmm_jax.nn.quality import at_quality
from gllmm_jax.objective import Terms, balance, rate_distortion
from gllmm_jax.optimizer.optimizer import global_norm, make_optimizer
from gllmm_jax.optimizer.schedule import learning_rate
from gllmm_jax.optimizer.state import TrainState, create_state
from gllmm_jax.prob.quantize import is_batch_of_keys

__all__ = [
    "Metrics",
    "TrainState",
    "Update",
    "create_state",
    "draw_qualities",
    "loss_fn",
    "make_eval_step",
    "make_train_step",
    "make_update",
]

Metrics = dict[str, jax.Array]
Update = Callable[..., tuple[TrainState, Metrics]]


def loss_fn(
    params: Any,
    x: jax.Array,
    key: jax.Array | None,
    noisy: jax.Array | bool = False,
    settled: jax.Array | bool = False,
    *,
    model: ModelConfig,
    config: TrainConfig,
    quality: jax.Array | None = None,
) -> tuple[jax.Array, Terms]:
    """R + lmbda * D of images `x` [B, H, W, 3] in [0, 1]: (loss, its terms).

    A `key`, or keys [B], adds training noise. With `noisy` g_s sees the noise too. With `settled` the rate sees no
    noise. With a variable rate every image has a quality of its own, [B] from 0 to 255. Its key draws the quality
    unless `quality` is given, and its loss has the weight of `objective.balance`. Networks calculate in
    `config.compute`.
    """
    lmbda, weight = cast(float, config.lmbda), 1.0
    if config.compute == "bfloat16":
        params = in_bfloat16(params)
    if model.rate is not None:
        if quality is None:
            if key is None:
                raise ValueError("a model with a variable rate needs a quality, or a key to draw it from")
            quality = draw_qualities(key, len(x))
        params = at_quality(params, quality)
        lmbda, weight = model.rate.lmbda(quality), balance(model.rate, quality)
    output = apply(model, params, x, key, noisy, settled)
    x_hat, rates = output.x_hat.astype(jnp.float32), (output.bits_y, output.bits_z)
    terms = rate_distortion(x, x_hat, *rates, lmbda=lmbda, weight=weight, distortion=config.distortion)
    return terms.loss, terms


def draw_qualities(key: jax.Array, count: int) -> jax.Array:
    """Qualities of images, float32 [count] from 0 to 255, drawn with one key or with a key for each image.

    Qualities are uniform, but each end of the range gets one image in 27, because the ends suffer most if one model
    serves all qualities.
    """
    keys = key if is_batch_of_keys(key) else jax.random.split(key, count)
    wide = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, QUALITIES), (), minval=-0.04, maxval=1.04))
    return (QUALITIES - 1) * jnp.clip(wide(keys), 0.0, 1.0)


SINGLE = ("prior", "gain", "linear", "last")
"""Parts of a model, and layers, that always calculate in float32, because latents and pictures depend on them.

The attention that ends some g_a calculates in float32 too.
"""


def in_bfloat16(params: Any) -> Any:
    def narrow(path: Any, leaf: jax.Array) -> jax.Array:
        names = [entry.key for entry in path]
        single = not set(SINGLE).isdisjoint(names) or names[:2] == ["g_a", "attention1"]
        return leaf if single else leaf.astype(jnp.bfloat16)

    return jax.tree_util.tree_map_with_path(narrow, params)


def _unit_range(images: jax.Array) -> jax.Array:
    if images.dtype != jnp.uint8:
        raise TypeError(f"images are uint8 [B, h, w, 3] here, not {images.dtype}")
    return images.astype(jnp.float32) / 255.0


def _metrics(terms: Terms) -> Metrics:
    bpp = terms.bpp_y + terms.bpp_z
    return {"loss": terms.loss, "bpp": bpp, "bpp_y": terms.bpp_y, "bpp_z": terms.bpp_z, "mse": terms.mse,
            "psnr": 10 * jnp.log10(255.0**2 / terms.mse)}  # fmt: skip


def make_update(
    model: ModelConfig, config: TrainConfig, *, axis_name: str | None = None, quality: float | None = None
) -> Update:
    """(state, images, progress) -> (state, metrics): one step, a pure function to jit, pmap or shard_map.

    Images are uint8 [B, h, w, 3] with sides that are multiples of 64 (`TypeError` if they are floats). Progress is a
    scalar in [0, 1]. Metrics are float32 scalars: loss, bpp, bpp_y, bpp_z, mse, psnr (of the mean MSE), grad_norm
    (before clipping), lr, skipped. A step whose gradient is not finite has `skipped` 1, and changes only the step's
    number. All other steps have `skipped` 0.

    With a variable rate each image has a quality of its own, drawn from the state's key; with a `quality` from 0 to 255
    all images have this one. Raises `ValueError` for another quality, and for any if the model has no variable rate.

    With an `axis_name` each device of that axis has its own B images of a batch, in the order of the axis, and the same
    state. Gradients and metrics are means over the axis. Without an `axis_name` the images are the whole batch, also if
    `jax.jit` shards them.
    """
    if quality is not None and (model.rate is None or not 0 <= quality <= QUALITIES - 1):
        raise ValueError(f"a quality is from 0 to {QUALITIES - 1}, for a model with a variable rate, not {quality}")
    optimizer = make_optimizer(config)

    def update(state: TrainState, images: jax.Array, progress: jax.Array) -> tuple[TrainState, Metrics]:
        x, progress = _unit_range(images), jnp.asarray(progress, jnp.float32)
        params, place = state.params, jnp.arange(len(x))
        if axis_name is not None:
            params, place = _of_each_device(params, axis_name), place + len(x) * lax.axis_index(axis_name)
        key = jax.random.fold_in(state.key, state.step)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, place)
        noisy, settled = progress < config.noise, progress >= 1.0 - config.settle

        def loss(params: Any) -> tuple[jax.Array, Terms]:
            chosen = None if quality is None else jnp.full(len(x), quality, jnp.float32)
            return loss_fn(params, x, keys, noisy, settled, model=model, config=config, quality=chosen)

        gradients, terms = jax.grad(loss, has_aux=True)(params)
        if axis_name is not None:
            gradients, terms = lax.pmean((gradients, terms), axis_name)
        gradients = _thawed(gradients, config, settled)
        norm, lr = global_norm(gradients), learning_rate(config, progress)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        updates = _thawed(updates, config, settled)  # Adam's moments would move a part that settled late
        params = jax.tree.map(lambda p, u: p - lr * u, state.params, updates)
        # early in the run the average is over all steps so far, so that the random start does not hold it back
        steps = state.step.astype(jnp.float32)
        decay = jnp.minimum(config.ema, (1.0 + steps) / (10.0 + steps))
        ema = jax.tree.map(lambda e, p: e + (1.0 - decay) * (p - e), state.ema, params)
        taken, finite = (params, ema, opt_state), jnp.isfinite(norm)
        taken = jax.tree.map(lambda a, b: jnp.where(finite, a, b), taken, (state.params, state.ema, state.opt_state))
        metrics = _metrics(terms) | {"grad_norm": norm, "lr": lr, "skipped": 1.0 - finite.astype(jnp.float32)}
        params, ema, opt_state = taken
        return TrainState(state.step + 1, params, ema, opt_state, state.key), metrics

    return update


def _of_each_device(tree: Any, axis_name: str) -> Any:
    # the gradient is then that of each device's own images: otherwise shard_map would add up all devices
    if hasattr(lax, "pcast"):
        return jax.tree.map(lambda leaf: lax.pcast(leaf, axis_name, to="varying"), tree)
    return tree


def _thawed(gradients: Any, config: TrainConfig, settled: jax.Array) -> Any:
    # zeros for the frozen parts that the model has, and for g_a once it has settled
    still = {name: jax.tree.map(jnp.zeros_like, gradients[name]) for name in config.frozen if name in gradients}
    if config.settle:  # gains too: the gradient of a rounded rate is no guide for gains
        for name in ("g_a", "gain"):
            if name in gradients and name not in still:
                still[name] = jax.tree.map(lambda leaf: jnp.where(settled, 0.0, leaf), gradients[name])
    return gradients | still if still else gradients


def make_train_step(
    model: ModelConfig,
    config: TrainConfig,
    *,
    state_sharding: Any = None,
    draw: Callable[..., jax.Array] | None = None,
) -> Update:
    """`make_update`, compiled. The caller gives up the input state. Progress is a real scalar of Python, NumPy or JAX.

    `state_sharding` is a sharding, or a tree of shardings in the shape of `TrainState` (`state_shardings`). The state
    has this sharding before and after the step. Images keep their own sharding. With `draw` the second argument is what
    `draw` makes the images from: `draw(given, state.key, state.step)`.

    If `config.steps_per_call` is more than one, a fourth argument is the number of steps in the call. All these steps
    have the same progress, and each has new images of `draw`. Metrics are then means over the steps that were not
    skipped, and `skipped` is the share of skipped steps.
    """
    update = make_update(model, config)

    def drawn(state: TrainState, given: Any, progress: jax.Array) -> tuple[TrainState, Metrics]:
        return update(state, given if draw is None else draw(given, state.key, state.step), progress)

    def several(state: TrainState, given: Any, progress: jax.Array, count: jax.Array) -> tuple[TrainState, Metrics]:
        def one(_: jax.Array, carried: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
            state, metrics = drawn(carried[0], given, progress)
            taken = {name: jnp.where(metrics["skipped"] > 0, 0.0, value) for name, value in metrics.items()}
            return state, jax.tree.map(jnp.add, carried[1], taken | {"skipped": metrics["skipped"]})

        nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(drawn, state, given, progress)[1])
        state, sums = lax.fori_loop(0, count, one, (state, nothing))
        skipped, count = sums["skipped"], count.astype(jnp.float32)
        return state, {name: total / (count - skipped) for name, total in sums.items()} | {"skipped": skipped / count}

    kept = None if state_sharding is None else (state_sharding, None)
    compiled = jax.jit(drawn if config.steps_per_call == 1 else several, donate_argnums=0, out_shardings=kept)
    # progress always has one type: a Python float would compile a second program
    return lambda state, images, progress, *count: compiled(
        state, images, jnp.asarray(progress, jnp.float32), *(jnp.asarray(number, jnp.int32) for number in count)
    )


def make_eval_step(model: ModelConfig, config: TrainConfig) -> Callable[..., Metrics]:
    """(params, images) -> metrics as the codec would have them: rounded latents, no noise, clipped picture, float32.

    Images and metrics are those of `make_update`, without grad_norm, lr and skipped, and with ms_ssim. With a variable
    rate the function takes (params, images, quality), where quality is a number from 0 to 255.
    """

    def step(params: Any, images: jax.Array, quality: jax.Array | float = 0.0) -> Metrics:
        x, lmbda, weight = _unit_range(images), cast(float, config.lmbda), 1.0
        if model.rate is not None:
            qualities = jnp.full(len(x), quality, jnp.float32)
            params = at_quality(params, qualities)
            lmbda, weight = model.rate.lmbda(qualities), balance(model.rate, qualities)
        output = apply(model, params, x)
        x_hat = jnp.round(jnp.clip(output.x_hat, 0.0, 1.0) * 255.0) / 255.0
        rates = output.bits_y, output.bits_z
        terms = rate_distortion(x, x_hat, *rates, lmbda=lmbda, weight=weight, distortion=config.distortion)
        return _metrics(terms) | {"ms_ssim": jnp.mean(ms_ssim(x, x_hat))}

    return jax.jit(step)
