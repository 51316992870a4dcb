"""Networks: parameters and wiring, in Flax Linen. No formulas.

The names that `__all__` lists stay. Sizes come first, options by name. Any number of batch axes goes through, but where
a `rate` is given, which takes one. A part is a Flax module like any other.

Layers and blocks take `dtype` and `param_dtype`, as Flax's do, but that a layer without a `dtype` calculates in that of
its parameters. `FactorizedPrior` takes `param_dtype` alone: rates are in float32 at least. `Model` takes neither:
`init_params` makes float32 parameters, and those that are cast to bfloat16 have it calculate in bfloat16.

Parts serve in `flax.nnx` too:

    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from gllmm_jax.nn import Attention
    >>> x = jnp.ones((1, 8, 8, 32))
    >>> block = nnx.bridge.lazy_init(nnx.bridge.ToNNX(Attention(), rngs=nnx.Rngs(0)), x)
    >>> block(x).shape
    (1, 8, 8, 32)
    >>> gradients = nnx.grad(lambda block: jnp.square(block(x)).sum())(block)
"""

from gllmm_jax.layers.blocks import Attention, ConcatenatedResidual, Down, LeakyResidual, PlainResidual, Up
from gllmm_jax.layers.primitive import GDN
from gllmm_jax.nn.entropy import EntropyParameters, FactorizedPrior, HyperAnalysis, HyperSynthesis, MaskedContext
from gllmm_jax.nn.model import Model, Output, apply, init_params
from gllmm_jax.nn.quality import at_quality

__all__ = [
    "GDN",
    "Attention",
    "ConcatenatedResidual",
    "Down",
    "EntropyParameters",
    "FactorizedPrior",
    "HyperAnalysis",
    "HyperSynthesis",
    "LeakyResidual",
    "MaskedContext",
    "Model",
    "Output",
    "PlainResidual",
    "Up",
    "apply",
    "at_quality",
    "init_params",
]
