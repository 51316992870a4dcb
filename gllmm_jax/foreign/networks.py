"""Networks of a trained codec as programs for others: StableHLO by `jax.export`, and ONNX by jax2onnx.

The programs hold their parameters, calculate in float32, and take and give arrays in the layouts of `nn.model.Model`.
StableHLO needs neither Flax nor this package: `export.deserialize(bytearray(data)).call(x)`. It takes pictures of any
size, on a CPU, a GPU or a TPU. An ONNX program takes one size.

    >>> import gllmm_jax.zoo as zoo, numpy as np
    >>> from jax import export
    >>> from gllmm_jax.foreign.networks import of_quality, stablehlo
    >>> weights = zoo.read()
    >>> data = stablehlo(weights.config, of_quality(weights, 128), "hyper_analysis")
    >>> export.deserialize(bytearray(data)).call(np.zeros((1, 8, 12, 320), np.float32)).shape
    (1, 2, 3, 64)

These are the float networks. The integer twin decodes a `.gllm` file. It does not leave this package.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from gllmm_jax import zoo
from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.quality import at_quality

PLATFORMS = ("cpu", "cuda", "tpu")


class Network(NamedTuple):
    """A function of `Model`, and its arguments, each a pixel stride and a number of channels."""

    method: Callable[..., Any]
    takes: tuple[tuple[int, int], ...]


def networks(config: ModelConfig) -> dict[str, Network]:
    """The networks of a model, by name.

    `analysis` is x -> y, `synthesis` y_hat -> x_hat, `hyper_analysis` y -> z, `hyper_synthesis` z_hat -> phi.
    `distributions` takes y_hat and z_hat, or y_hat alone -> logarithms of the weights, means and scales of each
    mixture.
    """
    y, z = (config.stride, config.latents), (config.stride * HYPER_STRIDE, config.hyper)
    found = {"analysis": Network(Model.analysis, ((1, 3),)), "synthesis": Network(Model.synthesis, (y,))}
    if config.has_hyperprior:
        found["hyper_analysis"] = Network(Model.hyper_analysis, (y,))
        found["hyper_synthesis"] = Network(Model.hyper_synthesis, (z,))
        found["distributions"] = Network(_distributions, (y, z))
    if config.msp is not None:
        found["distributions"] = Network(_distributions, (y,))
    return found


def takes_any_size(config: ModelConfig, name: str) -> bool:
    """Whether the program of a network can take pictures of any size."""
    return name != "distributions" or (config.entropy_model != "progressive" and config.order != "checkerboard")


def _check(config: ModelConfig, size: tuple[int, int] | None) -> None:
    side = config.stride * HYPER_STRIDE
    if size is not None and any(length % side for length in size):
        raise ValueError(f"the sides of a picture must be multiples of {side} pixels here, not {size}")


def _distributions(model: Model, y_hat: jax.Array, z_hat: jax.Array | None = None) -> tuple[jax.Array, ...]:
    mixture = model.progression(y_hat) if z_hat is None else model.distributions(y_hat, z_hat)
    return mixture.log_weight, mixture.mean, mixture.scale


def of_quality(weights: zoo.Weights, index: float = 0) -> Any:
    """Float32 parameters of one quality, 0 ... 255, of a model with several; else the model's parameters."""
    params = jax.tree.map(jnp.asarray, zoo.single(weights.params))
    return params if weights.config.rate is None else at_quality(params, index)


def stablehlo(config: ModelConfig, params: Any, name: str, *, size: tuple[int, int] | None = None) -> bytes:
    """A network in the format of `jax.export`. `params` are of one quality.

    `size` (height, width), multiples of 64, is the size of the pictures. Without it, any size and any number of
    pictures will do. Raises `KeyError` if the model has no such network; `ValueError` if it needs a size, or another
    size; `ImportError` without the extra `networks`.
    """
    method, takes = networks(config)[name]
    if size is None and not takes_any_size(config, name):
        raise ValueError(f"{name} of this model depends on the size of the latents: give that of the pictures")
    _check(config, size)
    side, scope = config.stride * HYPER_STRIDE, export.SymbolicScope()

    def shape(stride: int, channels: int) -> jax.ShapeDtypeStruct:
        if size is not None:
            return jax.ShapeDtypeStruct((1, size[0] // stride, size[1] // stride, channels), jnp.float32)
        each = side // stride
        symbolic = export.symbolic_shape(f"b, {each}*h, {each}*w, {channels}", scope=scope)
        return jax.ShapeDtypeStruct(symbolic, jnp.float32)

    function = jax.jit(lambda *arrays: apply(config, params, *arrays, method=method))
    exported = export.export(function, platforms=PLATFORMS)(*(shape(*one) for one in takes))
    try:
        return bytes(exported.serialize())
    except ImportError as error:
        raise ImportError("a program is written by flatbuffers: pip install 'gllmm-jax[networks]'") from error


def onnx(config: ModelConfig, params: Any, name: str, *, size: tuple[int, int]) -> bytes:
    """A network in ONNX format, for one picture of `size` (height, width), multiples of 64.

    Raises `ImportError` without the extra `onnx`; `KeyError` as `stablehlo` does; `ValueError` for other sizes, and if
    jax2onnx fails or writes what ONNX's own checker refuses.
    """
    try:
        from jax2onnx import to_onnx
        from onnx import checker
    except ImportError as error:
        raise ImportError("ONNX is written by jax2onnx: pip install 'gllmm-jax[onnx]'") from error
    _check(config, size)
    method, takes = networks(config)[name]
    shapes = [(1, size[0] // stride, size[1] // stride, channels) for stride, channels in takes]
    inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    try:
        model = to_onnx(lambda *arrays: apply(config, params, *arrays, method=method), inputs)
        checker.check_model(model, full_check=True)
    except Exception as error:  # an error of any jax2onnx plugin, or the checker's
        raise ValueError(f"jax2onnx cannot take {name}: {error}") from error
    return model.SerializeToString()
