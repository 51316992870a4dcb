"""Planes with room: a network runs on a larger plane than it is given, and the result is that of the plane alone.

A program then serves all planes up to its own size. A convolution pads its input with zeros at the edges. Here it sees
zeros beyond the plane's own edges too, so nothing of the room reaches the plane.
"""

import contextlib
from collections.abc import Iterable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Int32, Shaped


def within(size: Int32[Array, "2"], room: int) -> contextlib.AbstractContextManager[Any]:
    """Context in which convolutions see zeros beyond `size` int [2], rows and columns of a plane that has `room` rows.

    `size` may be traced. An input with twice as many rows as `room` ends at twice the size, and so on. The masked
    context is no layer of Flax's and is left alone: what it sees has to be zero there already.
    """

    def bounded(call: Any, arguments: Any, options: Any, context: nn.module.InterceptorContext) -> Any:
        layer: Any = context.module
        if isinstance(layer, nn.Conv | nn.ConvTranspose) and layer.kernel_size != (1, 1):
            x, *more = arguments
            arguments = inside(x, size * (x.shape[1] // room)), *more
        return call(*arguments, **options)

    return nn.intercept_methods(bounded)


def inside(x: Shaped[Array, "*batch h w C"], size: Iterable[Int32[Array, ""]]) -> Shaped[Array, "*batch h w C"]:
    """x [..., h, w, C] with zeros beyond the rows and columns of `size`."""
    rows, columns = (jnp.arange(side, dtype=jnp.int32) < end for side, end in zip(x.shape[-3:-1], size, strict=True))
    mask = jnp.expand_dims(rows[:, None] & columns[None], (*range(x.ndim - 3), -1))
    return jnp.where(mask, x, jnp.zeros((), x.dtype))
