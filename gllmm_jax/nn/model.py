"""One codec's networks, wired.

    x -- g_a -- y --+-- round -- y_hat --+---------------------- g_s -- x_hat
                    |                    |
                   h_a                context --+-- entropy net -- mixture of every y
                    |                           |
                    z -- round -- z_hat -- h_s --

With `config.msp` there is no z, and one network (`nn.progressive`) stands where h_a, h_s, context and entropy net do. A
`direct` config has no entropy net. Of a `centred` one, y of all methods that are about rates is y less `means`.

Pure functions of parameters: `apply(config, params, x, method=Model.analysis)`, and so on. A model with `config.rate`
takes parameters of one quality (`nn.quality.at_quality`). Every layer calculates in the dtype of its parameters (cast
them to bfloat16, say), distributions and rates in float32 at least. `layers.blocks` shows how to take one module alone;
mixtures are plain functions (`prob.mixture`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, SLOPES, ModelConfig
from gllmm_jax.nn import entropy, hyper
from gllmm_jax.nn.balle import BalleAnalysis, BalleSynthesis
from gllmm_jax.nn.light import LightAnalysis, LightSynthesis
from gllmm_jax.nn.paper import PaperAnalysis, PaperSynthesis
from gllmm_jax.nn.progressive import Call, ProgressiveNet, known, subsampled
from gllmm_jax.nn.quality import Gains
from gllmm_jax.nn.residual import ResidualAnalysis, ResidualSynthesis
from gllmm_jax.prob import factorized, mixture
from gllmm_jax.prob.mixture import Mixture, at_least_single
from gllmm_jax.prob.quantize import add_noise, is_batch_of_keys, round_straight_through

TRANSFORMS = {
    "paper": (PaperAnalysis, PaperSynthesis),
    "light": (LightAnalysis, LightSynthesis),
    "residual": (ResidualAnalysis, ResidualSynthesis),
    "balle": (BalleAnalysis, BalleSynthesis),
    "cheng": (PaperAnalysis, PaperSynthesis),
}


class Output(NamedTuple):
    """`x_hat` [B, H, W, 3] (not clipped), rates `bits_y` and `bits_z` [B] in bits per image.

    `bits_z` are those of what the factorised prior codes: z or, of a progressive model, the coarsest scale of y.
    """

    x_hat: jax.Array
    bits_y: jax.Array
    bits_z: jax.Array


class Model(nn.Module):
    """g_a, g_s, h_a, h_s, context, entropy net and prior under one roof. Source: GLLMM, figure 2."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        analysis, synthesis = TRANSFORMS[c.transform]
        self.g_a, self.g_s = analysis(c), synthesis(c)
        # y grows with the quality and z need not
        own = c.design == "gllmm"
        filters = factorized.FILTERS if own else factorized.DEEP
        self.prior = entropy.FactorizedPrior(
            c.static_channels, rate=c.rate, grows=not c.has_hyperprior, filters=filters
        )
        self.gain = None if c.rate is None else Gains(c.rate, c.latents)
        if c.msp is not None:
            self.progressive = ProgressiveNet(c)
        if not c.has_hyperprior:
            return
        self.h_a, self.h_s = hyper.hyper_networks(c)
        if c.entropy_model == "context":
            self.context_net = entropy.MaskedContext(
                c.latents, features=c.context_features, order=c.order, name="context"
            )
        if not c.direct:
            own_way = {"rate": c.rate, "slope": SLOPES[c.design], "bias": not own, "name": "entropy"}
            sizes = {"hidden": c.hidden, "families": c.families, "components": c.components}
            self.entropy_net = entropy.EntropyParameters(c.latents, **sizes, **own_way)

    def analysis(self, x: jax.Array) -> jax.Array:
        """g_a: x [B, H, W, 3] in [0, 1], sides multiples of the stride S -> y [B, H/S, W/S, M]."""
        return self.gained(self.ungained(x))

    def ungained(self, x: jax.Array) -> jax.Array:
        """g_a alone, the same at every quality."""
        return self.g_a(x)

    def gained(self, y: jax.Array) -> jax.Array:
        """The other half of `analysis`: what y of `ungained` is at the quality of the parameters."""
        return y if self.gain is None else self.gain.analysis(at_least_single(y))

    def synthesis(self, y_hat: jax.Array) -> jax.Array:
        """g_s: y_hat [B, h, w, M] -> x_hat [B, S h, S w, 3], not clipped; S the stride."""
        return self.g_s(y_hat if self.gain is None else self.gain.synthesis(at_least_single(y_hat)))

    def small_synthesis(self, y_hat: jax.Array, scale: int) -> jax.Array:
        """The linear part of the `light` g_s: [B, 16h/scale, 16w/scale, 3]."""
        return self.g_s(y_hat if self.gain is None else self.gain.synthesis(at_least_single(y_hat)), scale)

    def hyper_analysis(self, y: jax.Array) -> jax.Array:
        """h_a: y [B, h, w, M], sides multiples of 4 -> z [B, h/4, w/4, N]; [B, 0, 0, 0] without hyperprior."""
        return self.h_a(y) if self.config.has_hyperprior else jnp.zeros((len(y), 0, 0, 0), y.dtype)

    def hyper_synthesis(self, z_hat: jax.Array) -> jax.Array:
        """h_s: z_hat [B, h, w, N] -> phi [B, 4h, 4w, F], F of `config.context_features`."""
        return self.h_s(z_hat)

    def context(self, y_hat: jax.Array) -> jax.Array:
        """Causal context of y_hat [B, h, w, M] -> [B, h, w, F]."""
        return self.context_net(y_hat)

    def parameters(self, context: jax.Array | None, phi: jax.Array) -> jax.Array:
        """Raw mixture numbers [..., P M] from context, where the model has one, and phi, both [..., F]."""
        return self.entropy_net(context, phi)

    def mixture(self, y_hat: jax.Array, phi: jax.Array) -> Mixture:
        """The distribution of every latent given those before it: arrays [B, h, w, C, M], all at once."""
        c = self.config
        context = self.context(y_hat) if c.entropy_model == "context" else None
        raw = hyper.without_means(phi, c.latents) if c.direct else self.parameters(context, phi)
        return mixture.split(raw, c.families, c.components, bounded=c.design != "gllmm")

    def means(self, z_hat: jax.Array) -> jax.Array:
        """What a `centred` model subtracts from y, [B, 4h, 4w, M], of z_hat [B, h, w, N]."""
        return self.hyper_synthesis(z_hat)[..., : self.config.latents]

    def progression(self, y_hat: jax.Array) -> Mixture:
        """The same of a progressive model; without meaning where y_hat is of the coarsest scale."""
        return mixture.split(self.progressive(y_hat), self.config.families, self.config.components)

    def distributions(self, y_hat: jax.Array, z_hat: jax.Array) -> Mixture:
        """Either of these, whichever model it is: of latents [B, h, w, M] and hyper-latents as of `hyper_analysis`.

        Networks run in the dtype of `y_hat`; of a progressive model `z_hat` is left alone.
        """
        if self.config.msp is not None:
            return self.progression(y_hat)
        phi = self.hyper_synthesis(z_hat.astype(y_hat.dtype))
        return self.mixture(y_hat, phi[:, : y_hat.shape[1], : y_hat.shape[2]])

    def prior_bits(self, z: jax.Array) -> jax.Array:
        """Information content of every z [..., N], in bits."""
        return self.prior(z)

    def bits(self, y_hat: jax.Array, z_hat: jax.Array, dtype: Any = None) -> tuple[jax.Array, jax.Array]:
        """Rates (bits_y, bits_z), [B] each, of latents [B, h, w, M] and hyper-latents [B, ceil(h/4), ceil(w/4), N].

        Networks run in `dtype`, that of the latents unless given. Of a progressive model `z_hat` is left alone.
        """
        bits_y, bits_z = self.element_bits(y_hat, z_hat, dtype)
        return jnp.sum(bits_y, axis=(1, 2, 3)), jnp.sum(bits_z, axis=(1, 2, 3))

    def element_bits(self, y_hat: jax.Array, z_hat: jax.Array, dtype: Any = None) -> tuple[jax.Array, jax.Array]:
        """Information content of every latent and hyper-latent, in the shapes of `bits`'s arguments.

        Without hyperprior the second are those of y that the prior codes (`config.coarsest`); they are zeros among the
        first.
        """
        return self.bits_of(y_hat, z_hat, y_hat, z_hat, dtype)

    def bits_of(
        self, seen_y: jax.Array, seen_z: jax.Array, y: jax.Array, z: jax.Array, dtype: Any = None
    ) -> tuple[jax.Array, jax.Array]:
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

    def scale_bits(self, folded: jax.Array, inside: Any, guess: jax.Array, scale: jax.Array | int) -> jax.Array:
        """Information content of one scale's latents, of `nn.progressive`'s `truths` and `guesses`, in the same shape.

        Zeros for those of coarser scales, and outside.
        """
        c, msp = self.config, self.config.msp
        assert msp is not None
        raw = self.progressive.of_blocks(folded, inside, guess, scale)
        bits = mixture.bin_bits(folded, mixture.split(raw, c.families, c.components))
        own = inside & ~known(msp, c.latents, Call(0, 0, 0, 0))[None, None]
        return jnp.where(own[None], bits, 0.0)

    def __call__(
        self,
        x: jax.Array,
        key: jax.Array | None = None,
        noisy: jax.Array | bool = False,
        settled: jax.Array | bool = False,
    ) -> Output:
        """Everything at once, for images [B, H, W, 3] with sides multiples of 64.

        With a `key`, or keys [B], as in training: the rate and its networks see additive uniform noise, g_s sees
        rounded latents with a straight-through gradient, or the noise too where `noisy`. Where `settled`, the rate sees
        rounded latents as well. Without a key, as the codec does it: everything is rounded.
        """
        y = at_least_single(self.analysis(x))  # half as wide, it would be coarser than what it is rounded to
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
    """`method` of the config's model, at `params` (a tree as of `init_params`) and `arrays`: a pure function.

    Without a `method` it is `Model.__call__`: `apply(config, params, x, key)` -> `Output` with training's noise, and
    `apply(config, params, x)` as the codec sees it; `objective.rate_distortion` makes a loss of either. NumPy's
    arrays will do.
    """
    # a layer takes arrays of JAX alone
    params, arrays = jax.tree.map(lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) else a, (params, arrays))
    return Model(config).apply({"params": params}, *arrays, method=method)


def init_params(config: ModelConfig, key: jax.Array) -> Any:
    """Fresh float32 parameters: a tree of arrays for each of `config.parts`.

    `key` is of `jax.random.key` or `PRNGKey`, whatever its generator: it only seeds XLA's own ("unsafe_rbg"), which
    compiles three times as fast but gives other numbers on another kind of device or under another version of XLA.
    """
    key = jax.random.wrap_key_data(jnp.resize(jax.random.key_data(key), (4,)), impl="unsafe_rbg")
    side = config.stride * HYPER_STRIDE
    return jax.jit(Model(config).init)(key, jnp.zeros((1, side, side, 3), jnp.float32))["params"]
