"""One model for every quality: the parameters of its networks that depend on the quality.

A quality q is a number from 0 to 255, and lambda grows by equal factors from one quality to the next
(`VariableRate.lmbda`). Each parameter that depends on the quality is called `rows`, [A, C]: one row for each of A
anchors, which are evenly spread over the qualities. `at_quality` replaces these rows by the row of one quality, linear
between anchors. The result is the parameters of an ordinary model of one quality. No other function knows qualities.

Source: Cui et al. 2021 (gains on latents, interpolated between anchors); the DCVC codecs of 2023 and later (scales
within the transforms). In the entropy model only biases and the prior depend on the quality, so that integers stay
exact; this is ours.
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
    """Interpolate the rows of the anchors at qualities from 0 to 255, in float32."""
    rows = jnp.asarray(rows, jnp.float32)
    return jnp.matmul(_weights(jnp.asarray(quality, jnp.float32), rows.shape[0], jnp), rows, precision="highest")


def _weights(quality: Any, anchors: int, library: Any) -> Any:
    # of each anchor at qualities [...] in float32 -> [..., A], with JAX or NumPy
    position = (quality * np.float32((anchors - 1) / (QUALITIES - 1)))[..., None]
    every = library.arange(anchors, dtype=np.float32).reshape((1,) * (position.ndim - 1) + (anchors,))
    return library.maximum(np.float32(1) - abs(position - every), np.float32(0))


def at_quality(params: Any, quality: Real[ArrayLike, ""] | Real[ArrayLike, "B"]) -> Any:
    """The parameters at one quality from 0 to 255, or at a quality for each image of a batch; fractions are allowed.

    The tree is the same, and leaves that do not depend on the quality are shared. Parameters of a model with one
    quality come back unchanged.
    """
    return _replaced(params, lambda rows: _chosen(rows, jnp.atleast_1d(jnp.asarray(quality, jnp.float32))))


def at_index(params: Any, index: int) -> Any:
    """`at_quality` of one whole number, by NumPy: nothing is compiled, and the result is the same for all devices."""

    def row(rows: Any) -> np.ndarray:
        rows = np.asarray(rows, np.float32)
        return np.matmul(_weights(np.float32(index), len(rows), np), rows)[None, None, None]

    return _replaced(params, lambda found: [row(rows) for rows in found])


def _replaced(params: Any, chosen: Callable[[list[Any]], Any]) -> Any:
    # the same tree with others in the place of all rows
    found, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves = [leaf for _, leaf in found]
    indices = [i for i, (path, _) in enumerate(found) if getattr(path[-1], "key", None) == ROWS]
    for i, rows in zip(indices, chosen([leaves[i] for i in indices]), strict=True):
        leaves[i] = rows
    return tree.unflatten(leaves)


def has_anchors(params: Any, rate: VariableRate | None) -> bool:
    """Whether all `rows` in parameters have one row for each anchor of `rate`, [A, C]."""
    found = jax.tree_util.tree_leaves_with_path(params)
    rows = [np.shape(leaf) for path, leaf in found if getattr(path[-1], "key", None) == ROWS]
    return rate is not None and all(len(shape) == 2 and shape[0] == rate.anchors for shape in rows)


@jax.jit
def _chosen(rows: list[Any], quality: Float[Array, "B"]) -> list[jax.Array]:
    return [interpolate(leaf, quality)[:, None, None, :] for leaf in rows]


class Rows(nn.Module):
    """C numbers that depend on the quality, for each of B images or for all (B = 1). `start` initialises the anchors.

    Raises `ValueError` if the parameters are not yet of one quality.
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
    """x (1 + scale) + shift, where scale and shift depend on the quality and start at zero; without a `rate`, x."""

    rate: VariableRate | None

    @nn.compact
    def __call__(self, x: Float[Array, "*batch C"]) -> Float[Array, "*batch C"]:
        if self.rate is None:
            return x
        scale, shift = (Rows(self.rate, x.shape[-1], name=name)() for name in ("scale", "shift"))
        return x * (1 + scale.astype(x.dtype)) + shift.astype(x.dtype)


def log_gains(rate: VariableRate) -> Callable[..., jax.Array]:
    """An initialiser for `Rows`: logarithms of gains that fit the quantiser's step to each anchor's lambda, [A, C].

    The square of the best step is proportional to 1 / lambda. The gain is one in the middle of the qualities.
    """

    def start(_key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        spread = jnp.linspace(-0.25, 0.25, shape[0], dtype=dtype) * jnp.log(rate.highest / rate.lowest)
        return jnp.broadcast_to(spread[:, None], shape)

    return start


class Gains(nn.Module):
    """The factors of each channel of latents before rounding (`analysis`) and after it (`synthesis`)."""

    rate: VariableRate
    features: int

    def setup(self) -> None:
        start = log_gains(self.rate)
        self._before = Rows(self.rate, self.features, start, name="analysis")
        self._after = Rows(self.rate, self.features, lambda *given: -start(*given), name="synthesis")

    def analysis(self, y: Float[Array, "B h w M"]) -> Float[Array, "B h w M"]:
        """y of g_a -> y that is rounded."""
        return y * jnp.exp(self._before())

    def synthesis(self, y_hat: Float[Array, "B h w M"]) -> Float[Array, "B h w M"]:
        """Rounded y -> y for g_s."""
        return y_hat * jnp.exp(self._after())
