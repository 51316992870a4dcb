"""SHA-256 of saved values, which shows damage."""

import hashlib
import json
from typing import Any

import jax
import numpy as np

from gllmm_jax.mesh import on_host


def of_arrays(tree: Any) -> str:
    """Hexadecimal digest of types, shapes and bytes of all arrays of a tree, in its order, wherever the arrays are.

    All processes that hold a part of an array call this function, as `mesh.on_host`.
    """
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = on_host(leaf)
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def of_values(values: dict[str, Any]) -> str:
    """Hexadecimal digest of plain JSON values. Tuples count as lists, so reading back keeps it."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
