"""Blocks of the transforms: residual blocks and their concatenation, attention, and changes of resolution.

Inputs and outputs have the same shape [..., h, w, C] unless a docstring says otherwise. Source: GLLMM, figure 3, and
the authors' code.

Each block is a Flax module with its own parameters and can be used alone. So can `layers.primitive.GDN`:

    >>> import jax
    >>> from gllmm_jax.nn import ConcatenatedResidual
    >>> block, x = ConcatenatedResidual(stages=2), jax.numpy.ones((1, 8, 8, 32))
    >>> variables = block.init(jax.random.key(0), x)  # {"params": {"stage0": ..., "stage1": ...}}
    >>> block.apply(variables, x).shape
    (1, 8, 8, 32)
"""

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
from jaxtyping import Array, Float

from gllmm_jax.layers.primitive import GDN, LEAK, Layer, depth_to_space, leaky_relu, shortcut


class PlainResidual(Layer):
    """x + conv(relu(conv(x))), figure 3a (the caption only was available: reconstruction)."""

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        c = x.shape[-1]
        return shortcut(x, self.conv(c, name="conv1")(nn.relu(self.conv(c, name="conv0")(x))))


class LeakyResidual(Layer, kw_only=True):
    """x + f(x), f = conv, leaky ReLU, conv, leaky ReLU: figure 3b, the block of Cheng et al. 2020."""

    slope: float = LEAK

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        c = x.shape[-1]
        r = leaky_relu(self.conv(c, name="conv0")(x), self.slope)
        return shortcut(x, leaky_relu(self.conv(c, name="conv1")(r), self.slope))


class ConcatenatedResidual(Layer, kw_only=True):
    """Concatenated residual module: `stages` leaky residual blocks in a row, and one shortcut around all of them.

    Figure 3c and the authors' code have two stages, figure 3d has three (reconstruction).
    """

    stages: int = 2
    slope: float = LEAK

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        r = x
        for i in range(self.stages):
            r = LeakyResidual(slope=self.slope, name=f"stage{i}", **self.dtypes)(r)
        return shortcut(x, r)


RESIDUALS: dict[str, Callable[..., nn.Module]] = {
    "plain": PlainResidual,
    "leaky": LeakyResidual,
    "crm2": functools.partial(ConcatenatedResidual, stages=2),
    "crm3": functools.partial(ConcatenatedResidual, stages=3),
}


def residual(block: str, slope: float = LEAK, *, name: str | None = None) -> nn.Module:
    """The residual block that a config names; `plain` has no slope. Raises `ValueError` on an unknown name."""
    if block not in RESIDUALS:
        raise ValueError(f"there is no residual block '{block}': choose one of {', '.join(RESIDUALS)}")
    return RESIDUALS[block](name=name) if block == "plain" else RESIDUALS[block](slope=slope, name=name)


class Bottleneck(Layer, kw_only=True):
    """The residual unit of the attention block: 1x1 to half the width, 3x3, 1x1 back, with ReLUs between.

    With `last` a ReLU follows the sum too, as in CompressAI.
    """

    last: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        c = x.shape[-1]
        r = nn.relu(self.conv(c // 2, 1, name="conv0")(x))
        r = nn.relu(self.conv(c // 2, 3, name="conv1")(r))
        r = shortcut(x, self.conv(c, 1, name="conv2")(r))
        return nn.relu(r) if self.last else r


class Attention(Layer, kw_only=True):
    """x + sigmoid(mask(x)) * trunk(x). Each branch has three bottleneck units, which get `last`.

    Source: Cheng et al. 2020, who call it simplified attention. It has no non-local operation.
    """

    last: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w C"]:
        c, mask, trunk = x.shape[-1], x, x
        for i in range(3):
            mask = Bottleneck(last=self.last, name=f"mask{i}", **self.dtypes)(mask)
        for i in range(3):
            trunk = Bottleneck(last=self.last, name=f"trunk{i}", **self.dtypes)(trunk)
        return shortcut(x, nn.sigmoid(self.conv(c, 1, name="gate")(mask)) * trunk)


class Down(Layer):
    """[..., h, w, C] -> [..., h/2, w/2, features]: strided 3x3, leaky ReLU, 3x3, GDN, beside a strided 1x1."""

    features: int
    _: dataclasses.KW_ONLY
    slope: float = LEAK

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch (h+1)//2 (w+1)//2 {self.features}"]:
        main = leaky_relu(self.conv(self.features, stride=2, name="conv0")(x), self.slope)
        main = GDN(name="gdn", **self.dtypes)(self.conv(self.features, name="conv1")(main))
        return main + self.conv(self.features, 1, stride=2, name="skip")(x)


class Up(Layer, kw_only=True):
    """[..., h, w, C] -> [..., 2h, 2w, C]: sub-pixel 3x3, leaky ReLU, 3x3, inverse GDN, beside a sub-pixel 1x1.

    `skip` is the side of the last kernel, which is 3 in CompressAI.
    """

    slope: float = LEAK
    skip: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch 2*h 2*w C"]:
        c = x.shape[-1]
        main = leaky_relu(depth_to_space(self.conv(4 * c, name="conv0")(x)), self.slope)
        main = GDN(inverse=True, name="igdn", **self.dtypes)(self.conv(c, name="conv1")(main))
        return main + depth_to_space(self.conv(4 * c, self.skip, name="skip")(x))
