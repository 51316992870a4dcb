"""Planes with room: a network runs on a plane that lies in a larger one, and gives the result of the plane alone.

One compiled program then serves all planes up to its own size. A convolution pads its input with zeros at the edges.
Here it also sees zeros beyond the edges of the smaller plane, so the rest of the larger plane has no influence.
"""

import contextlib
from collections.abc import Iterable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Int32, Shaped

from gllmm_jax.layers.primitive import UpConv


def within(size: Int32[Array, "2"], room: int, **parts: Int32[Array, "2"]) -> contextlib.AbstractContextManager[Any]:
    """A context manager: inside it convolutions see zeros beyond `size`, the rows and columns of the smaller plane.

    `room` is the number of rows of the larger plane. `size` may be traced. An input with twice as many rows as `room`
    ends at twice the size, and so on. `parts` are modules by name whose planes end elsewhere. This does not change
    `MaskedContext`, which is no layer of Flax's: its input must be zero beyond `size` already.
    """

    def bounded(call: Any, arguments: Any, options: Any, context: nn.module.InterceptorContext) -> Any:
        layer: Any = context.module
        if isinstance(layer, nn.Conv | UpConv) and layer.kernel_size != (1, 1):
            x, *more = arguments
            ends = [parts[name] for name in layer.path if name in parts]
            arguments = inside(x, ends[0] if ends else size * (x.shape[1] // room)), *more
        return call(*arguments, **options)

    return nn.intercept_methods(bounded)


def inside(x: Shaped[Array, "*batch h w C"], size: Iterable[Int32[Array, ""]]) -> Shaped[Array, "*batch h w C"]:
    """x [..., h, w, C] with zeros beyond the rows and columns of `size`."""
    rows, columns = (jnp.arange(side, dtype=jnp.int32) < end for side, end in zip(x.shape[-3:-1], size, strict=True))
    mask = jnp.expand_dims(rows[:, None] & columns[None], (*range(x.ndim - 3), -1))
    return jnp.where(mask, x, jnp.zeros((), x.dtype))
