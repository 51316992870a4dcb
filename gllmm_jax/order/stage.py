"""What the walk needs to know of an entropy model for one picture."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.entropy.symbols import Static
from gllmm_jax.order.schedule import Schedule
from gllmm_jax.prob.distributions import Distributions

Latents = TypeVar("Latents", np.ndarray, jax.Array)
"""Latents int32 [h, w, M]: arrays of NumPy are changed in place, arrays of JAX are not."""


class Program(Protocol):
    """Gives the distributions of a part of the walk. It is hashable, and its two functions can be traced."""

    def prepare(self, stage: Any, part: Any, plane: jax.Array) -> Any:
        """What the groups of a part share, a tree of arrays, from the plane and from what stage and part know.

        Arrays of the stage are handed on as they are, without a copy: a program compiles what it calculates itself.
        """
        ...

    def distribute(self, prepared: Any, plane: jax.Array, rows: jax.Array) -> Distributions:
        """See `loops.Distribute`."""
        ...


class Part(NamedTuple):
    """Groups with one program, which the loop takes without leaving the device."""

    program: Program
    known: Any  # a tree of arrays
    schedule: Schedule  # of rows of the stage's plane
    most: int  # rows that a picture of the same bucket may have at most
    first: int = 0  # the first channel of the distributions


@dataclasses.dataclass(frozen=True)
class Stage:
    """Parts that share a plane, which holds all latents or those of one scale."""

    raster: np.ndarray  # int32 [R], number in y_hat, row by row, of the position in each row of the plane; -1 for none
    known: Callable[[Any], Any]  # y_hat with the latents of earlier stages -> a tree of arrays for the programs
    parts: Sequence[Part]

    def plane(self, y_hat: np.ndarray | jax.Array) -> jax.Array:
        """Latents int32 [h, w, M] as a plane on the device, int32 [R, M], with zeros in rows without a position."""
        flat, inside = y_hat.reshape(-1, y_hat.shape[-1]), self.raster >= 0
        if not isinstance(flat, np.ndarray):
            return jnp.where(inside[:, None], flat[np.maximum(self.raster, 0)], 0)
        plane = np.zeros((len(self.raster), flat.shape[1]), np.int32)
        plane[inside] = flat[self.raster[inside]]
        return jax.device_put(plane)

    def written(self, y_hat: Latents, plane: jax.Array) -> Latents:
        """`y_hat` with the latents of the plane; an array of NumPy is changed in place."""
        inside, shape = self.raster >= 0, (-1, y_hat.shape[-1])
        if isinstance(y_hat, np.ndarray):
            y_hat.reshape(shape)[self.raster[inside]] = np.asarray(plane)[inside]
            return y_hat
        return y_hat.reshape(shape).at[self.raster[inside]].set(plane[inside]).reshape(y_hat.shape)


class EntropyModel(Protocol):
    """The entropy model of one picture's latents y_hat [h, w, M], under a twin.

    Arrays may be NumPy's or, under a trace, JAX's.
    """

    def static(self) -> Static:
        """The distributions of the symbols that come first in the stream. They depend on nothing in it."""
        ...

    def symbols(self, y_hat: Latents, z_hat: Latents) -> Latents:
        """The symbols of `static`, int32 [S]. A symbol of an outlier is outside its table."""
        ...

    def positions(self) -> np.ndarray:
        """Indices into y_hat [h, w, M] of the latents that `static` codes, increasing, int64 [S]; [0] if it codes z."""
        ...

    def begin(self, symbols: Latents, y_hat: Latents) -> tuple[Latents, Latents]:
        """(y_hat, z_hat), with the latents that the symbols of `static` stand for.

        The argument `y_hat` holds the excess of outliers, to which the symbols are added.
        """
        ...

    def stages(self, z_hat: Any) -> Sequence[Stage]:
        """The stages in which the other latents follow."""
        ...
