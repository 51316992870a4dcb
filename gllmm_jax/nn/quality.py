"""One model for every quality: what its networks take from the quality they work at.

A quality q is a number from 0 to 255, and lambda grows by equal factors from one to the next (`VariableRate.lmbda`).
Whatever depends on it is a parameter called `rows`, [A, C]: one row for each of A anchors, evenly spread over the
qualities. `at_quality` puts the row of one quality in their place, linear between anchors, and what it returns is a
model of one quality like any other. No other function needs to know of qualities.

Source: Cui et al. 2021 (gains on latents, interpolated between anchors); the DCVC codecs of 2023 and later (scales
within the transforms). That only the entropy net's biases and the prior see the quality is ours: integers stay exact.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from gllmm_jax.config import QUALITIES, VariableRate

ROWS = "rows"


def interpolate(rows: Float[ArrayLike, "A C"], quality: Real[ArrayLike, "*batch"]) -> Float[Array, "*batch C"]:
    """Rows [A, C] of the anchors at qualities [...] from 0 to 255 -> [..., C], float32."""
    rows = jnp.asarray(rows, jnp.float32)
    return jnp.matmul(_weights(jnp.asarray(quality, jnp.float32), rows.shape[0], jnp), rows, precision="highest")


def _weights(quality: Any, anchors: int, library: Any) -> Any:
    # of each anchor at qualities [...] in float32 -> [..., A], with JAX or NumPy
    place = (quality * np.float32((anchors - 1) / (QUALITIES - 1)))[..., None]
    every = library.arange(anchors, dtype=np.float32).reshape((1,) * (place.ndim - 1) + (anchors,))
    return library.maximum(np.float32(1) - abs(place - every), np.float32(0))


def at_quality(params: Any, quality: Real[ArrayLike, ""] | Real[ArrayLike, "B"]) -> Any:
    """Parameters of one quality, or of a quality for each image of a batch [B]: the same tree, other leaves shared.

    Parameters of a model with one quality come back as they are. Qualities are from 0 to 255, not only whole ones.
    """
    return _replaced(params, lambda rows: _chosen(rows, jnp.atleast_1d(jnp.asarray(quality, jnp.float32))))


def at_index(params: Any, index: int) -> Any:
    """`at_quality` of one whole number, by NumPy and not in programs: nothing is compiled, and all devices agree."""

    def row(rows: Any) -> np.ndarray:
        rows = np.asarray(rows, np.float32)
        return np.matmul(_weights(np.float32(index), len(rows), np), rows)[None, None, None]

    return _replaced(params, lambda found: [row(rows) for rows in found])


def _replaced(params: Any, chosen: Callable[[list[Any]], Any]) -> Any:
    # the same tree with others in the place of all rows
    found, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves = [leaf for _, leaf in found]
    places = [i for i, (path, _) in enumerate(found) if getattr(path[-1], "key", None) == ROWS]
    for i, rows in zip(places, chosen([leaves[i] for i in places]), strict=True):
        leaves[i] = rows
    return tree.unflatten(leaves)


def has_anchors(params: Any, rate: VariableRate | None) -> bool:
    """Whether all rows of parameters are those of the anchors of `rate`, [A, C]."""
    found = jax.tree_util.tree_leaves_with_path(params)
    rows = [np.shape(leaf) for path, leaf in found if getattr(path[-1], "key", None) == ROWS]
    return rate is not None and all(len(shape) == 2 and shape[0] == rate.anchors for shape in rows)


@jax.jit
def _chosen(rows: list[Any], quality: Float[Array, "B"]) -> list[jax.Array]:
    return [interpolate(leaf, quality)[:, None, None, :] for leaf in rows]


class Rows(nn.Module):
    """A row of C numbers that depends on the quality: [B, 1, 1, C], B images or 1. `start` makes the anchors' rows.

    Raises `ValueError` where no quality was chosen.
    """

    rate: VariableRate
    features: int
    start: Callable[..., jax.Array] = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self) -> Float[Array, "B 1 1 {self.features}"]:
        shape = (self.rate.anchors, self.features)
        if self.is_initializing():
            return self.param(ROWS, self.start, shape, jnp.float32)[:1, None, None, :]
        rows = self.get_variable("params", ROWS)  # `param` would insist on the shape of the anchors
        if rows is None or (rows.ndim == 4 and rows.shape[-1] != self.features):
            return self.param(ROWS, self.start, shape, jnp.float32)  # raises Flax's error
        if rows.ndim != 4:
            raise ValueError("these parameters serve many qualities: choose one with nn.quality.at_quality")
        return rows


class Level(nn.Module):
    """x (1 + scale) + shift, both rows of the quality, zero at the start; the same x without a `rate`."""

    rate: VariableRate | None

    @nn.compact
    def __call__(self, x: Float[Array, "*batch C"]) -> Float[Array, "*batch C"]:
        if self.rate is None:
            return x
        scale, shift = (Rows(self.rate, x.shape[-1], name=name)() for name in ("scale", "shift"))
        return x * (1 + scale.astype(x.dtype)) + shift.astype(x.dtype)


def log_gains(rate: VariableRate) -> Callable[..., jax.Array]:
    """A start for `Rows`: logarithms of gains that make a quantiser's step fit each anchor's lambda, [A, C].

    A step's square goes with 1 / lambda; in the middle of the qualities the gain is one.
    """

    def start(_key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        spread = jnp.linspace(-0.25, 0.25, shape[0], dtype=dtype) * jnp.log(rate.highest / rate.lowest)
        return jnp.broadcast_to(spread[:, None], shape)

    return start


class Gains(nn.Module):
    """What latents are multiplied by before they are rounded (`analysis`) and what they are after it (`synthesis`)."""

    rate: VariableRate
    features: int

    def setup(self) -> None:
        start = log_gains(self.rate)
        self._before = Rows(self.rate, self.features, start, name="analysis")
        self._after = Rows(self.rate, self.features, lambda *given: -start(*given), name="synthesis")

    def analysis(self, y: Float[Array, "B h w M"]) -> Float[Array, "B h w M"]:
        """y [B, h, w, M] -> the numbers that are rounded."""
        return y * jnp.exp(self._before())

    def synthesis(self, y_hat: Float[Array, "B h w M"]) -> Float[Array, "B h w M"]:
        """Rounded numbers [B, h, w, M] -> y as g_s takes it."""
        return y_hat * jnp.exp(self._after())
