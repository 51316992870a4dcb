"""`nn.model.apply` in one program, where tests would otherwise wait for hundreds of small ones."""

import jax

from gllmm_jax.nn import model

apply = jax.jit(model.apply, static_argnums=0, static_argnames="method")
