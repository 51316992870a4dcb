"""Networks: parameters and wiring, in Flax Linen. No formulas.

Later versions keep the names in `__all__`. Each part is an ordinary Flax module. Its arguments begin with sizes; its
options are given by name. Inputs may have any number of batch axes; a module with a `rate` takes exactly one.

Layers and blocks take `dtype` and `param_dtype` as Flax's layers do. Without a `dtype` a layer calculates in the dtype
of its parameters. `FactorizedPrior` takes only `param_dtype`, because rates are in float32 at least. `Model` takes
neither: `init_params` makes float32 parameters, and a model with parameters cast to bfloat16 calculates in bfloat16.

The parts also work in `flax.nnx`:

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
