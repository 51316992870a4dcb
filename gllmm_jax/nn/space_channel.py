"""The space-channel context: channels in groups, each on a checkerboard, and each seeing the groups before it.

Three things give the distributions of a group: phi, a network of all channels before it (`ChannelContext`), and the
group's own neighbours on the checkerboard (`nn.entropy.MaskedContext`). Decoding takes two rounds for each group, at
any size of picture.

Source: He et al. 2022 ("ELIC"), figure 4 and section 3.2; widths as in CompressAI. Any mixture may stand for its
Gaussian.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gllmm_jax.config import SLOPES, ModelConfig
from gllmm_jax.layers.primitive import Layer, leaky_relu
from gllmm_jax.nn.entropy import EntropyParameters, MaskedContext


def features(first: int, last: int) -> int:
    """Channels of each of the two contexts of a group."""
    return 2 * (last - first)


def hidden(config: ModelConfig, first: int, last: int) -> tuple[int, int]:
    """Widths of the hidden layers of a group's entropy net.

    They go evenly from the number of its inputs to that of its means and scales, but not below F.
    """
    given = features(first, last) * (2 if first else 1) + config.context_features
    low, high = (given + (features(first, last) - given) * i // 3 for i in (1, 2))
    return max(low, config.context_features), max(high, config.context_features)


class ChannelContext(Layer):
    """The channels before a group, [..., h, w, C] -> [..., h, w, F]: three 5x5 convolutions, ReLUs between them."""

    hidden: tuple[int, int]
    features: int  # F
    slope: float

    @nn.compact
    def __call__(self, y_hat: Float[Array, "*batch h w C"]) -> Float[Array, "*batch h w {self.features}"]:
        for i, width in enumerate(self.hidden):
            y_hat = leaky_relu(self.conv(width, 5, variance=1.0, name=f"conv{i}")(y_hat), self.slope)
        return self.conv(self.features, 5, variance=1.0, name="conv2")(y_hat)


class SpaceChannel(nn.Module):
    """y_hat and phi -> the raw mixture numbers of every latent. `prob.mixture.split` makes a mixture of them."""

    config: ModelConfig

    @nn.compact
    def __call__(
        self, y_hat: Float[Array, "B h w {self.config.latents}"], phi: Float[Array, "B h w F"]
    ) -> Float[Array, "B h w PM"]:
        c, slope, found = self.config, SLOPES[self.config.design], []
        form = {"families": c.families, "components": c.components, "rate": c.rate, "slope": slope}
        form["bias"] = c.design != "gllmm"
        for k, (first, last) in enumerate(c.groups):
            count, wide = last - first, features(first, last)
            near = MaskedContext(count, features=wide, order=c.order, name=f"context{k}")(y_hat[..., first:last])
            seen = [near]
            if first:
                seen.append(ChannelContext(c.hidden, wide, slope, name=f"channels{k}")(y_hat[..., :first]))
            net = EntropyParameters(count, hidden=hidden(c, first, last), name=f"entropy{k}", **form)
            raw = net(jnp.concatenate(seen, axis=-1), phi)
            found.append(raw.reshape(*raw.shape[:-1], -1, count))
        whole = jnp.concatenate(found, axis=-1)
        return whole.reshape(*whole.shape[:-2], -1)
