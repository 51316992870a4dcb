"""The devices of a run: a mesh of one axis. Batches are shared out along it, and parameters are on every device.

`jax.jit` over such a mesh is the modern form of `jax.pmap`: the program is that of one device, and arrays know where
their parts are. With several processes each holds its own part of the batch, and all call the same programs.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gllmm_jax import placement

AXIS = "data"


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """All given devices in one row; all devices of all processes unless given."""
    return Mesh(np.array(placement.devices() if devices is None else devices), (AXIS,))


def replicated(mesh: Mesh) -> NamedSharding:
    """A sharding with the same array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def shared_out(mesh: Mesh) -> NamedSharding:
    """A sharding with one part of the first axis on each device."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def place(tree: Any, shardings: Any) -> Any:
    """Host arrays, the same in every process, put on the devices."""

    def put(array: Any, sharding: NamedSharding) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(put, tree, shardings)


def share_out(mesh: Mesh, images: np.ndarray) -> jax.Array:
    """The images of this process [B / processes, ...] as its part of a batch [B, ...].

    The whole batch must divide among the devices (`check_batch`).
    """
    return jax.make_array_from_process_local_data(shared_out(mesh), images)


def check_batch(mesh: Mesh, batch: int) -> None:
    """Raises `ValueError` if so many images do not divide among the devices."""
    if batch % mesh.size:
        raise ValueError(f"a batch of {batch} does not divide among {mesh.size} devices: change it to a multiple")


def whole(mesh: Mesh, tree: Any) -> Any:
    """The same arrays, whole, on the first device of this process. All processes call it together."""
    if not all(leaf.is_fully_replicated for leaf in jax.tree.leaves(tree)):
        tree = jax.jit(lambda tree: tree, out_shardings=replicated(mesh))(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def on_host(array: Any) -> np.ndarray:
    """One whole array from JAX or NumPy. All processes that hold a part of it call this together."""
    if isinstance(array, jax.Array):
        if array.is_fully_replicated:
            array = array.addressable_data(0)
        elif not array.is_fully_addressable:
            return multihost_utils.process_allgather(array, tiled=True)
    return np.asarray(array)


def everywhere(tree: Any) -> Any:
    """The arrays of the first process, in all processes. They call this together."""
    return tree if jax.process_count() == 1 else multihost_utils.broadcast_one_to_all(tree)


def largest(values: Sequence[float]) -> list[float]:
    """The largest of each value over all processes. They call this together."""
    if jax.process_count() == 1:
        return list(values)
    found = multihost_utils.process_allgather(np.asarray(values, np.float32))
    return [float(value) for value in np.asarray(found).max(axis=0)]
