"""One codec's networks, wired.

    x -- g_a -- y --+-- round -- y_hat --+---------------------- g_s -- x_hat
                    |                    |
                   h_a                context --+-- entropy net -- mixture of every y
                    |                           |
                    z -- round -- z_hat -- h_s --

A config with `msp` has no z: one network (`nn.progressive`) replaces h_a, h_s, context and entropy net. With `splits`
one network (`nn.space_channel`) replaces context and entropy net. A `direct` config has no entropy net. A `centred`
model codes y less `means`; its methods for rates expect that difference as y.

`apply(config, params, x, method=Model.analysis)` calls a method as a pure function of the parameters. A model with
`config.rate` takes parameters of one quality (`nn.quality.at_quality`). Every layer calculates in the dtype of its
parameters, which may be cast to bfloat16. Distributions and rates are in float32 at least.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gllmm_jax.config import HYPER_STRIDE, SLOPES, ModelConfig
from gllmm_jax.nn import entropy, hyper
from gllmm_jax.nn.progressive import Call, ProgressiveNet, known, subsampled
from gllmm_jax.nn.quality import Gains
from gllmm_jax.nn.space_channel import SpaceChannel
from gllmm_jax.nn.transforms import TRANSFORMS
from gllmm_jax.prob import factorized, mixture
from gllmm_jax.prob.mixture import Mixture, at_least_single
from gllmm_jax.prob.quantize import add_noise, is_batch_of_keys, round_straight_through

Images = Float[Array, "B H W 3"]  # in [0, 1]
Latents = Float[Array, "B h w M"]
HyperLatents = Float[Array, "B hz wz N"]  # hz = ceil(h/4), wz = ceil(w/4); [B, 0, 0, 0] without hyperprior
PriorBits = Float[Array, "B hp wp K"]  # shape of what the prior codes: z or, without hyperprior, the coarsest y
Folded = Float[Array, "B h w P M"]  # blocks of P places
Rates = Float[Array, "B"]  # in bits per image


class Output(NamedTuple):
    """The decoded images, not clipped, and their rates. `bits_z` counts what the factorised prior codes."""

    x_hat: Images
    bits_y: Rates
    bits_z: Rates


class Model(nn.Module):
    """g_a, g_s, h_a, h_s, context, entropy net and prior under one roof. Source: GLLMM, figure 2."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        analysis, synthesis = TRANSFORMS[c.transform]
        self.g_a, self.g_s = analysis(c), synthesis(c)
        own = c.design == "gllmm"
        form = {"grows": not c.has_hyperprior, "filters": factorized.FILTERS if own else factorized.DEEP}
        self.prior = entropy.FactorizedPrior(c.static_channels, rate=c.rate, **form)
        self.gain = None if c.rate is None else Gains(c.rate, c.latents)
        if c.msp is not None:
            self.progressive = ProgressiveNet(c)
        if not c.has_hyperprior:
            return
        self.h_a, self.h_s = hyper.hyper_networks(c)
        if c.splits:
            self.space_channel = SpaceChannel(c)
            return
        if c.entropy_model == "context":
            form = {"features": c.context_features, "order": c.order, "name": "context"}
            self.context_net = entropy.MaskedContext(c.latents, **form)
        if not c.direct:
            own_way = {"rate": c.rate, "slope": SLOPES[c.design], "bias": not own, "name": "entropy"}
            sizes = {"hidden": c.hidden, "families": c.families, "components": c.components}
            self.entropy_net = entropy.EntropyParameters(c.latents, **sizes, **own_way)

    def analysis(self, x: Images) -> Latents:
        """g_a and the gain: x -> y [B, H/S, W/S, M]. H and W are multiples of the stride S."""
        return self.gained(self.ungained(x))

    def ungained(self, x: Images) -> Latents:
        """g_a alone: y before the gain, the same at every quality."""
        return self.g_a(x)

    def gained(self, y: Latents) -> Latents:
        """The gain alone: y of `ungained` -> y at the quality of the parameters."""
        return y if self.gain is None else self.gain.analysis(at_least_single(y))

    def synthesis(self, y_hat: Latents) -> Images:
        """The inverse gain and g_s: y_hat -> x_hat [B, S h, S w, 3], not clipped. S is the stride."""
        return self.g_s(y_hat if self.gain is None else self.gain.synthesis(at_least_single(y_hat)))

    def small_synthesis(self, y_hat: Latents, scale: int) -> Images:
        """The linear part of the `light` g_s: [B, 16h/scale, 16w/scale, 3]."""
        return self.g_s(y_hat if self.gain is None else self.gain.synthesis(at_least_single(y_hat)), scale)

    def hyper_analysis(self, y: Latents) -> HyperLatents:
        """h_a: y -> z. h and w are multiples of 4."""
        return self.h_a(y) if self.config.has_hyperprior else jnp.zeros((len(y), 0, 0, 0), y.dtype)

    def hyper_synthesis(self, z_hat: HyperLatents) -> Float[Array, "B 4*hz 4*wz F"]:
        """h_s: z_hat -> phi. F is `config.context_features`."""
        return self.h_s(z_hat)

    def context(self, y_hat: Latents) -> Float[Array, "B h w F"]:
        """The features that each latent's causal neighbours in y_hat give."""
        return self.context_net(y_hat)

    def parameters(
        self, context: Float[Array, "*batch F"] | None, phi: Float[Array, "*batch F"]
    ) -> Float[Array, "*batch PM"]:
        """The raw mixture numbers, from phi and from the context where the model has one."""
        return self.entropy_net(context, phi)

    def mixture(self, y_hat: Latents, phi: Float[Array, "B h w F"]) -> Mixture:
        """The distribution of every latent given those before it, for all latents at once: arrays [B, h, w, C, M]."""
        c = self.config
        match c.entropy_model:
            case "space-channel":
                raw = self.space_channel(y_hat, phi)
            case "context":
                raw = self.parameters(self.context(y_hat), phi)
            case _:
                raw = hyper.without_means(phi, c.latents) if c.direct else self.parameters(None, phi)
        return mixture.split(raw, c.families, c.components, bounded=c.design != "gllmm")

    def means(self, z_hat: HyperLatents) -> Float[Array, "B 4*hz 4*wz M"]:
        """What a `centred` model subtracts from y."""
        return self.hyper_synthesis(z_hat)[..., : self.config.latents]

    def progression(self, y_hat: Latents) -> Mixture:
        """`mixture` for a progressive model. At latents of the coarsest scale the result has no meaning."""
        return mixture.split(self.progressive(y_hat), self.config.families, self.config.components)

    def distributions(self, y_hat: Latents, z_hat: HyperLatents) -> Mixture:
        """`progression` or `mixture`, as the model needs. A progressive model does not look at `z_hat`.

        The networks run in the dtype of `y_hat`.
        """
        if self.config.msp is not None:
            return self.progression(y_hat)
        phi = self.hyper_synthesis(z_hat.astype(y_hat.dtype))
        return self.mixture(y_hat, phi[:, : y_hat.shape[1], : y_hat.shape[2]])

    def prior_bits(self, z: Float[Array, "*batch N"]) -> Float[Array, "*batch N"]:
        """Information content of every z, in bits."""
        return self.prior(z)

    def bits(self, y_hat: Latents, z_hat: HyperLatents, dtype: Any = None) -> tuple[Rates, Rates]:
        """The rates (bits_y, bits_z). The networks run in `dtype`, by default that of the latents."""
        bits_y, bits_z = self.element_bits(y_hat, z_hat, dtype)
        return jnp.sum(bits_y, axis=(1, 2, 3)), jnp.sum(bits_z, axis=(1, 2, 3))

    def element_bits(self, y_hat: Latents, z_hat: HyperLatents, dtype: Any = None) -> tuple[Latents, PriorBits]:
        """Information content of every latent, and of everything that the factorised prior codes, in bits.

        Without hyperprior the prior codes a part of y (`config.coarsest`). The first array is zero there.
        """
        return self.bits_of(y_hat, z_hat, y_hat, z_hat, dtype)

    def bits_of(
        self, seen_y: Latents, seen_z: HyperLatents, y: Latents, z: HyperLatents, dtype: Any = None
    ) -> tuple[Latents, PriorBits]:
        """`element_bits` of y and z under the distributions that the networks make of `seen_y` and `seen_z`."""
        if self.config.entropy_model == "factorized":
            return jnp.zeros_like(at_least_single(y)), self.prior_bits(y)
        dtype = dtype or seen_y.dtype
        distributions = self.distributions(seen_y.astype(dtype), seen_z)
        least = mixture.PROBABILITY_MIN if self.config.design == "gllmm" else factorized.LIKELIHOOD_MIN
        bits_y = mixture.bin_bits(y, distributions, least=least)
        if self.config.has_hyperprior:
            return bits_y, self.prior_bits(z)
        at = subsampled(self.config.coarsest)
        return bits_y.at[:, at, at].set(0.0), self.prior_bits(y[:, at, at])

    def scale_bits(
        self, folded: Folded, inside: Bool[Array, "h w P 1"], guess: Folded, scale: Int[Array, ""] | int
    ) -> Folded:
        """Information content of one scale's latents, in bits, from `truths` and `guesses` of `nn.progressive`.

        It is zero at latents of coarser scales and where `inside` is false.
        """
        c, msp = self.config, self.config.msp
        assert msp is not None
        raw = self.progressive.of_blocks(folded, inside, guess, scale)
        bits = mixture.bin_bits(folded, mixture.split(raw, c.families, c.components))
        own = inside & ~known(msp, c.latents, Call(0, 0, 0, 0))[None, None]
        return jnp.where(own[None], bits, 0.0)

    def __call__(
        self,
        x: Images,
        key: jax.Array | None = None,
        noisy: Bool[Array, ""] | bool = False,
        settled: Bool[Array, ""] | bool = False,
    ) -> Output:
        """Decode images whose sides are multiples of 64, and count their rates.

        Without a key all latents are rounded, as in the codec. With a `key`, or keys [B], it is the model of training:
        the rate and its networks see additive uniform noise, and g_s sees rounded latents with a straight-through
        gradient. With `noisy` g_s sees the noise too. With `settled` the rate sees rounded latents too.
        """
        y = at_least_single(self.analysis(x))  # bfloat16 is coarser than the whole numbers that large y round to
        z = at_least_single(self.hyper_analysis(y))
        if key is None:
            key_y, z_rate = None, jnp.round(z)
        else:
            many = is_batch_of_keys(key)
            key_y, key_z = jax.vmap(jax.random.split, out_axes=1)(key) if many else jax.random.split(key)
            z_rate = jnp.where(settled, round_straight_through(z), add_noise(key_z, z))
        means = self.means(z_rate) if self.config.centred else None
        y = y if means is None else y - means
        y_hat = round_straight_through(y)
        if key_y is None:
            y_rate = jnp.round(y)
        else:
            y_noisy = add_noise(key_y, y)
            y_rate = jnp.where(settled, y_hat, y_noisy)
            y_hat = jnp.where(noisy, y_noisy, y_hat)
        bits_y, bits_z = self.bits(y_rate, z_rate)
        return Output(self.synthesis(y_hat if means is None else y_hat + means), bits_y, bits_z)


def apply(config: ModelConfig, params: Any, *arrays: Any, method: Callable[..., Any] = Model.__call__) -> Any:
    """Call a `method` of the config's model on `arrays`, as a pure function of `params`, a tree as of `init_params`.

    The default is `Model.__call__`: `apply(config, params, x, key)` -> `Output` with the noise of training, and
    `apply(config, params, x)` -> `Output` as the codec sees it. `objective.rate_distortion` makes a loss of either.
    The arrays may be NumPy's.
    """
    # a layer takes arrays of JAX alone
    params, arrays = jax.tree.map(lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) else a, (params, arrays))
    return Model(config).apply({"params": params}, *arrays, method=method)


def init_params(config: ModelConfig, key: jax.Array) -> Any:
    """Fresh float32 parameters: a tree of arrays for each of `config.parts`.

    `key` is of `jax.random.key` or `PRNGKey`, of any generator. It seeds XLA's own generator ("unsafe_rbg"), which
    compiles three times as fast. Another kind of device, or another version of XLA, gives other numbers.
    """
    key = jax.random.wrap_key_data(jnp.resize(jax.random.key_data(key), (4,)), impl="unsafe_rbg")
    side = config.stride * HYPER_STRIDE
    return jax.jit(Model(config).init)(key, jnp.zeros((1, side, side, 3), jnp.float32))["params"]
