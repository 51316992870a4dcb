"""The multi-scale progressive entropy model (MSP): which latents come in which call, and what predicts them.

Scale 0 is y itself; scale k + 1 is made of the odd rows and columns of scale k. The coarsest is coded under the
factorised prior, then every scale given the coarser one. Within a scale the places of a block are visited in one
order, the same in all blocks at once. At each place the seed channels come one by one, then all others, in one group
or in several (`splits`). One network serves all these calls. It sees mixed representations: latents where they are
known, elsewhere the nearest one of the coarser scale. There is no hyperprior.

Source: Zhang et al. 2022 ("Leveraging progressive model and overfitting for efficient learned image compression"),
whose sections on the network could not be had, and Nokia's later code of the same model. Reconstruction: planes are
folded, each block one position, so that a call computes nothing it does not need; there the mask of what is known is
the same everywhere, and enters as a bias of each call; latents lie on whole numbers and no state goes from call to
call, so that given y all calls are independent and are trained at once.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gllmm_jax.config import ModelConfig, Progressive
from gllmm_jax.layers.convolution import matmul
from gllmm_jax.layers.primitive import conv, dense, leaky_relu
from gllmm_jax.nn.quality import Rows
from gllmm_jax.prob.mixture import numbers_per_latent

ORDERS = {(2, 2): ((0, 0), (0, 1), (1, 0)), (2, 4): ((1, 2), (1, 0), (0, 3), (0, 1), (0, 2), (0, 0))}
"""Places (row, column) of a block in coding order; those of odd row and odd column are the coarser scale's."""

Folded = Float[Array, "B h w places M"]
Planes = TypeVar("Planes", jax.Array, np.ndarray)
"""Arrays [..., h, w, M]: NumPy's stay NumPy's."""


class Call(NamedTuple):
    """One group of latents: channels `first` to `last` (not included) of one place of every block of a scale."""

    scale: int
    place: int  # in the order of the block
    first: int
    last: int


def calls(config: Progressive, channels: int) -> list[Call]:
    """All of them in coding order, the coarsest scale's first; how many there are does not depend on the picture."""
    return [
        Call(scale, place, first, last)
        for scale in reversed(range(config.scales))
        for place in range(len(ORDERS[config.block]))
        for first, last in itertools.pairwise(config.edges(channels))
    ]


def subsampled(scale: int) -> slice:
    """Where the rows, or columns, of a scale lie in y."""
    return slice(2**scale - 1, None, 2**scale)


def group(config: Progressive, call: Call) -> tuple[slice, slice, slice]:
    """Rows, columns and channels of y that a call is about."""
    at = zip(ORDERS[config.block][call.place], config.block, strict=True)
    rows, columns = (slice(2**call.scale * (1 + i) - 1, None, 2**call.scale * step) for i, step in at)
    return rows, columns, slice(call.first, call.last)


def row(config: Progressive, call: Call) -> int:
    """The call's number among those of all scales, by scale, place and channels: which of the biases is its own."""
    groups = config.edges(call.last)[:-1]
    return (call.scale * len(ORDERS[config.block]) + call.place) * len(groups) + groups.index(call.first)


def mixed(config: Progressive, y: Planes, call: Call) -> Planes:
    """What the network sees before a call: of y [..., h, w, M], the folded plane of its scale."""
    at = subsampled(call.scale)
    plane = y[..., at, at, :]
    folded, inside = truths(plane, config.block)
    guess = guesses(plane[..., 1::2, 1::2, :], (plane.shape[-3], plane.shape[-2]), config.block)
    return _of(y).where(known(config, y.shape[-1], call) & inside, folded, guess)


def fold(plane: Planes, block: tuple[int, int]) -> Planes:
    """[..., h, w, M], sides multiples of the block's -> [..., h / rows, w / columns, rows columns, M]."""
    *batch, h, w, m = plane.shape
    (rows, columns), n = block, len(batch)
    x = plane.reshape(*batch, h // rows, rows, w // columns, columns, m).swapaxes(n + 1, n + 2)
    return x.reshape(*batch, h // rows, w // columns, rows * columns, m)


def unfold(folded: Planes, block: tuple[int, int]) -> Planes:
    """Inverse of `fold`."""
    *batch, h, w, _, m = folded.shape
    (rows, columns), n = block, len(batch)
    x = folded.reshape(*batch, h, w, rows, columns, m).swapaxes(n + 1, n + 2)
    return x.reshape(*batch, h * rows, w * columns, m)


def folded_size(size: tuple[int, int], block: tuple[int, int]) -> tuple[int, int]:
    """Blocks along each axis of a plane of `size`."""
    return -(-size[0] // block[0]), -(-size[1] // block[1])


def known(config: Progressive, channels: int, call: Call) -> np.ndarray:
    """Whether a latent of a block is known before the call, bool [rows columns, channels]."""
    rows, columns = config.block
    order = ORDERS[config.block]
    found = np.zeros((rows, columns, channels), bool)
    found[1::2, 1::2] = True
    for place in order[: call.place]:
        found[place] = True
    found[order[call.place]][: call.first] = True
    return found.reshape(rows * columns, channels)


def guesses(coarser: Planes, size: tuple[int, int], block: tuple[int, int]) -> Planes:
    """The nearest of the coarser scale [..., h, w, M], for every latent of the folded plane of `size`.

    Beyond its last row and column it goes on with them; where it has none, zeros.
    """
    *batch, h, w, m = coarser.shape
    rows, columns = (n * side // 2 for n, side in zip(folded_size(size, block), block, strict=True))
    if h and w:
        edges = [(0, 0)] * len(batch) + [(0, rows - h), (0, columns - w), (0, 0)]
        whole = _of(coarser).pad(coarser, edges, mode="edge")
    else:
        whole = _of(coarser).zeros((*batch, rows, columns, m), coarser.dtype)
    return fold(whole.repeat(2, axis=-3).repeat(2, axis=-2), block)


def truths(plane: Planes, block: tuple[int, int]) -> tuple[Planes, np.ndarray]:
    """A scale's plane [..., h, w, M] folded, and which places are inside it, bool [rows, columns, places, 1]."""
    h, w = plane.shape[-3:-1]
    more = [n * side - length for n, side, length in zip(folded_size((h, w), block), block, (h, w), strict=True)]
    edges = [(0, more[0]), (0, more[1]), (0, 0)]
    inside = np.pad(np.ones((h, w, 1), bool), edges)
    rows, columns = (side // b for side, b in zip(inside.shape[:2], block, strict=True))
    inside = inside.reshape(rows, block[0], columns, block[1]).swapaxes(1, 2).reshape(rows, columns, -1, 1)
    return fold(_of(plane).pad(plane, [(0, 0)] * (plane.ndim - 3) + edges), block), inside


def _of(array: jax.Array | np.ndarray) -> Any:
    # NumPy for its own arrays: nothing is worth compiling there
    return np if isinstance(array, np.ndarray) else jnp


class ProgressiveNet(nn.Module):
    """y_hat [B, h, w, M] -> raw mixture numbers of every latent, [B, h, w, P M]; zeros for those of the coarsest scale.

    `prob.mixture.split` gives them names.
    """

    config: ModelConfig

    def setup(self) -> None:
        c, msp = self.config, self._msp
        self.first = conv(msp.width, bias=False, variance=1.0)
        places = len(ORDERS[msp.block])
        zeros, calls_of_a_scale = nn.initializers.zeros_init(), places * (len(msp.edges(c.latents)) - 1)
        self.step = self.param("step", zeros, (msp.scales, calls_of_a_scale, msp.width), jnp.float32)
        self.blocks = [(conv(msp.width, name=f"block{i}_conv0"), conv(msp.width, name=f"block{i}_conv1"))
                       for i in range(msp.depth)]  # fmt: skip
        start, (wide, wider) = nn.initializers.lecun_normal(), c.hidden
        start_of_each = nn.initializers.lecun_normal(batch_axis=0)
        self.place = self.param("place", start_of_each, (places, msp.width, wide), jnp.float32)
        self.place_bias = self.param("place_bias", zeros, (places, wide), jnp.float32)
        self.dense = dense(wider)
        self.level = None if c.rate is None else Rows(c.rate, wider)
        numbers = numbers_per_latent(c.families, c.components)
        self.out = self.param("out", start, (wider, numbers * c.latents), jnp.float32)
        self.out_bias = self.param("out_bias", self._unit_scales, (numbers * c.latents,))

    @property
    def _msp(self) -> Progressive:
        assert self.config.msp is not None
        return self.config.msp

    def _unit_scales(self, _key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        # where nothing is known yet a scale of zero would cost the most that a latent can
        c = self.config
        width = 3 if c.components > 1 else 2
        groups = np.zeros((shape[0] // c.latents, c.latents), np.float32)
        groups[width - 1 : width * c.components * len(c.families) : width] = 1
        return jnp.asarray(groups.ravel())

    def features(self, mixed: Float[Array, "T B h w placesM"], scale: Any) -> Float[Array, "T B h w F"]:
        """Mixed representations [T, B, h, w, places M] before the calls of one scale -> [T, B, h, w, F]."""
        count, batch, *rest = mixed.shape
        x = self.first(mixed.reshape(count * batch, *rest))
        x = x.reshape(count, batch, *x.shape[1:]) + self.step[scale][:, None, None, None].astype(x.dtype)
        x = leaky_relu(x).reshape(count * batch, *x.shape[2:])
        for conv0, conv1 in self.blocks:
            x = leaky_relu(x + conv1(leaky_relu(conv0(x))))
        return x.reshape(count, batch, *x.shape[1:])

    def numbers(self, features: Float[Array, "T *batch F"], todo: Sequence[Call]) -> list[Float[Array, "*batch P _"]]:
        """Features [T, ..., F] before T calls -> raw mixture numbers [..., P, last - first] of the channels of each."""
        m, places = self.config.latents, np.array([call.place for call in todo])
        x = features.reshape(len(todo), -1, features.shape[-1])
        x = leaky_relu(x @ self.place[places] + self.place_bias[places][:, None])
        x = self.dense(x)
        if self.level is not None:
            level = jnp.broadcast_to(self.level().astype(x.dtype), (*features.shape[1:-1], x.shape[-1]))
            x = x + level.reshape(1, -1, x.shape[-1])
        x = leaky_relu(x)
        kernel, bias = self.out.reshape(len(self.out), -1, m), self.out_bias.reshape(-1, m)
        found = []
        for given, (_scale, _place, first, last) in zip(x, todo, strict=True):
            raw = matmul(given, kernel[:, :, first:last].reshape(len(kernel), -1))
            raw = raw.reshape(*features.shape[1:-1], -1, last - first)
            found.append(raw + jnp.expand_dims(bias[:, first:last], tuple(range(raw.ndim - 2))))
        return found

    def __call__(self, y_hat: Float[Array, "B h w {self.config.latents}"]) -> Float[Array, "B h w PM"]:
        m, p = self.config.latents, len(self.out_bias) // self.config.latents
        raw = jnp.zeros((*y_hat.shape[:3], p * m), y_hat.dtype)
        for scale in range(self._msp.scales):
            at = subsampled(scale)
            plane = y_hat[:, at, at]
            if 0 not in plane.shape:  # coarser scales overwrite what is theirs
                raw = raw.at[:, at, at].set(self._scale(plane, scale).astype(raw.dtype))
        return raw

    def _scale(self, plane: jax.Array, scale: int) -> jax.Array:
        # raw numbers of all latents of a scale, zeros where they are those of a coarser one
        (h, w), block = plane.shape[1:3], self._msp.block
        guess = guesses(plane[:, 1::2, 1::2], (h, w), block)
        return unfold(self.of_blocks(*truths(plane, block), guess, scale), block)[:, :h, :w]

    def of_blocks(self, folded: Folded, inside: Any, guess: Folded, scale: Any) -> Float[Array, "B h w places PM"]:
        """The same of a scale's `truths` and `guesses`, both [B, h, w, places, M] -> [B, h, w, places, P M]."""
        msp, m = self._msp, self.config.latents
        todo = [call for call in calls(msp, m) if call.scale == 0]  # those of any scale are alike
        sees = [(known(msp, m, call)[None, None] & inside)[None] for call in todo]
        mixed = jnp.stack([jnp.where(truth, folded, guess) for truth in sees])
        features = self.features(mixed.reshape(*mixed.shape[:-2], -1), scale)
        found = self.numbers(features, todo)
        each = len(msp.edges(m)) - 1  # calls about one place
        parts = {}
        for place, at in enumerate(ORDERS[msp.block]):
            whole = jnp.concatenate(found[each * place : each * (place + 1)], axis=-1)
            parts[at] = whole.reshape(*whole.shape[:-2], -1)
        coarser = jnp.zeros_like(parts[0, 0])
        rows, columns = msp.block
        places = [parts.get((i, j), coarser) for i in range(rows) for j in range(columns)]
        return jnp.stack(places, axis=-2)
