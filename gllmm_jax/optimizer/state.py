"""The state of a run at one step: its parts, its beginning, and the places of its parts on devices."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.mesh import AXIS, replicated
from gllmm_jax.nn.model import init_params
from gllmm_jax.optimizer.optimizer import make_optimizer


class TrainState(NamedTuple):
    """A run at one step: everything that a resumed run needs besides its data.

    `step` is the number of steps taken, an int32 scalar. `params` and `ema` are float32 trees as those of
    `init_params`. `ema` is the running average of `params`, which is validated and exported. `opt_state` is optax's
    state. For Adam it holds two moments of the gradient in the shape of `params`, float32, and a count. `key` is the
    run's PRNG key, uint32 as from `PRNGKey`, the same at every step. The noise of an image is drawn from the key, the
    number of the step and the image's place in the batch.
    """

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    key: jax.Array


def create_state(config: TrainConfig, params: Any, key: jax.Array) -> TrainState:
    """The state before the first step, from initial `params` of any float type. The caller keeps all arguments.

    `key` is from `jax.random.key` or `PRNGKey`, of JAX's default generator. The state holds its numbers, as `PRNGKey`
    gives them. Raises `ValueError` for a key of another generator.
    """
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.dtype != (default := jax.random.key(0).dtype):
            raise ValueError(f"a state takes a key of the default generator, {default}, not {key.dtype}")
        key = jax.random.key_data(key)
    # the step takes over the state's buffers, so no leaf may share a buffer with another leaf or with the caller
    own, average = (jax.tree.map(lambda leaf: jnp.array(leaf, jnp.float32), params) for _ in range(2))
    return TrainState(jnp.int32(0), own, average, make_optimizer(config).init(own), jnp.copy(key))


@functools.cache
def state_shapes(model: ModelConfig, train: TrainConfig) -> TrainState:
    """The `TrainState` of such a run, with shapes and types instead of arrays."""
    key = jax.random.PRNGKey(0)
    return jax.eval_shape(lambda key: create_state(train, init_params(model, key), key), key)


def state_shardings(mesh: Mesh, state: TrainState, *, shard_optimizer: bool = False) -> Any:
    """Shardings of the parts of a state, a tree in its shape. `state` may hold arrays or shapes.

    With `shard_optimizer` Adam's moments and the averaged weights are shared out among the devices, each array along
    its longest axis that divides evenly. These take three quarters of a state. Parameters stay on every device.
    """
    on_all = replicated(mesh)
    shardings = jax.tree.map(lambda _: on_all, state)
    if not shard_optimizer:
        return shardings

    def part(leaf: Any) -> NamedSharding:
        divisible = [(n, -axis) for axis, n in enumerate(leaf.shape) if n % mesh.size == 0]
        if not divisible:
            return on_all
        axis = -max(divisible)[1]
        return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))

    return shardings._replace(opt_state=jax.tree.map(part, state.opt_state), ema=jax.tree.map(part, state.ema))
