"""What a model costs, counted in the programs it makes. `python -m gllmm_jax.evaluate.cost` prints every preset's."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from gllmm_jax.config import TAPS, ModelConfig
from gllmm_jax.nn.model import Model, apply, init_params
from gllmm_jax.presets import PRESETS


def _multiply_adds(jaxpr: Any) -> int:
    """Multiplications of all convolutions and products in a jaxpr; zeros inserted by an up-convolution not counted."""
    total = 0
    for eqn in jaxpr.eqns:
        out = eqn.outvars[0].aval
        if eqn.primitive.name == "conv_general_dilated":
            kernel = eqn.invars[1].aval.shape
            total += math.prod(out.shape) * math.prod(kernel[:-1]) // math.prod(eqn.params["lhs_dilation"])
        elif eqn.primitive.name == "dot_general":
            ((contracted, _), _) = eqn.params["dimension_numbers"]
            total += math.prod(out.shape) * math.prod(eqn.invars[0].aval.shape[i] for i in contracted)
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", None)
            total += _multiply_adds(inner) if hasattr(inner, "eqns") else 0
    return total


def costs(config: ModelConfig) -> dict[str, float]:
    """kMAC per pixel of every network of `nn.model.Model`, by its method's name.

    The closed taps that the context's product includes are not counted.
    """
    shapes = jax.eval_shape(functools.partial(init_params, config), jax.random.key(0))
    m, n = config.latents, config.hyper
    inputs = {
        Model.analysis: [(1, 256, 256, 3)],
        Model.hyper_analysis: [(1, 16, 16, m)],
        Model.hyper_synthesis: [(1, 4, 4, n)],
        Model.context: [(1, 16, 16, m)],
        Model.parameters: [(1, 16, 16, 2 * m), (1, 16, 16, 2 * m)],
        Model.synthesis: [(1, 16, 16, m)],
    }

    def cost(method: Any, arrays: list[tuple[int, ...]]) -> float:
        traced = jax.make_jaxpr(lambda p, *arrays: apply(config, p, *arrays, method=method))
        return _multiply_adds(traced(shapes, *map(jnp.zeros, arrays)).jaxpr) / 256**2 / 1e3

    found = {method.__name__: cost(method, arrays) for method, arrays in inputs.items()}
    rows = {"raster": 3, "checkerboard": 5}[config.order]
    return {**found, "context": found["context"] * len(TAPS[config.order]) / (5 * rows)}


def main() -> None:
    """Every preset's, as the codec runs it."""
    for preset, config in PRESETS.items():
        found = costs(config)
        decode = sum(found[name] for name in ("hyper_synthesis", "context", "parameters", "synthesis"))
        encode = sum(found.values()) - found["synthesis"]
        print(f"{preset:10} encode {encode:7.1f} decode {decode:7.1f} kMAC a pixel")


if __name__ == "__main__":
    main()
