"""Checkpoints of the code of GLLMM's authors, which runs on TensorFlow 1: the parameters in this package's form.

    config, params = read("block_leaky_GLLMM_128_0.0075/model.ckpt-1500001")
    weights = codec.export.make_weights("gllmm-128-0.0075", config, params, pictures, short=False)

TensorFlow names a variable after the scopes that the code opened around its layer, and numbers scopes that are opened
again. `_scopes` has these names. Three things differ beside the names:

* TensorFlow-Compression 1.2 stores a 3x3 kernel as coordinates in the basis of the real DFT, [9, in * out].
* A layer made with `corr=False` convolves, and its kernel is flipped here, where all layers correlate.
* Medians of z are folded into neighbouring layers (`nn.hyper` says why the model is the same).

    >>> import numpy as np
    >>> from gllmm_jax.foreign.gllmm import real_dft
    >>> basis = real_dft()
    >>> np.allclose(basis.T @ basis, np.eye(9))
    True

Source: the authors' published test code, and TensorFlow-Compression 1.2.
"""

import dataclasses
import functools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.nn.model import init_params
from gllmm_jax.presets import PRESETS

NETWORKS = ("analysis", "synthesis", "hyper_analysis", "hyper_synthesis", "entropy_parameter", "entropy_bottleneck")
"""Outermost scopes of the model. Variables outside them belong to the training program."""

_NOT_TRAINED = r"/Adam(_\d+)?$|^entropy_bottleneck/(quantized_cdf|cdf_length)$"
"""Moments of the optimiser, and tables of the range coder."""

Variables = Mapping[str, np.ndarray]


def read(path: str | os.PathLike[str], model: str | None = None) -> tuple[ModelConfig, dict[str, Any]]:
    """Config and parameters, as from `nn.init_params`, of a checkpoint: its prefix, or a folder, whose newest is read.

    The sizes are read from the checkpoint; a `model`, as "gllmm-128", must be what it holds. Raises `ValueError` if it
    is no checkpoint, or not of this model; `ImportError` without TensorFlow.
    """
    try:
        config, params = parameters(read_variables(path))
        if model not in (None, config.preset):
            raise ValueError(f"it is {config.preset}")
    except KeyError as error:
        raise ValueError(f"{os.fspath(path)} holds no {model or 'GLLMM'}: {error.args[0]} is missing") from None
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} holds no {model or 'GLLMM'}: {error}") from None
    return config, params


def read_variables(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The trained variables of the model in a checkpoint, by TensorFlow's names. Raises as `read` does."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError("TensorFlow reads this checkpoint: pip install 'gllmm-jax[tfc]'") from error
    try:
        reader = tf.train.load_checkpoint(os.fspath(path))
        names = [name for name in reader.get_variable_to_shape_map() if name.split("/")[0] in NETWORKS]
        return {name: reader.get_tensor(name) for name in names if not re.search(_NOT_TRAINED, name)}
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(f"TensorFlow reads no checkpoint: {next(iter(str(error).splitlines()), '')}") from error


def parameters(variables: Variables) -> tuple[ModelConfig, dict[str, Any]]:
    """Config and parameter tree of the variables that `read_variables` gives.

    Raises `KeyError` with the names of a missing variable and of its parameter; `ValueError` for an extra variable, or
    for another shape.
    """
    scopes, left = {layer: (scope, flipped) for layer, scope, flipped in _scopes()}, dict(variables)
    config = _config(left, scopes)

    def parameter(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        *layer, last = (entry.key for entry in path)
        scope, flipped = scopes["/".join(layer)]
        (name, shape), here = _stored(scope, last, leaf.shape), "/".join((*layer, last))
        array = _found(left, name, here)
        if array.shape != shape:
            raise ValueError(f"the variable {name}, here {here}, is {array.shape} and not {shape}")
        del left[name]
        if name.endswith("_rdft"):
            array = real_dft() @ array
        if last == "offset":  # the quantile in the middle
            array = array[..., 1]
        array = array.reshape(leaf.shape)
        return np.ascontiguousarray(array[::-1, ::-1] if flipped and last == "kernel" else array, np.float32)

    shapes = jax.eval_shape(functools.partial(init_params, config), jax.random.key(0))
    tree = jax.tree_util.tree_map_with_path(parameter, shapes)
    if left:
        raise ValueError(f"it has a variable {min(left)} beside those of the model")
    _fold(tree)
    return config, tree


def _config(variables: Variables, scopes: Mapping[str, tuple[str, bool]]) -> ModelConfig:
    layers = ("g_a/down0/skip", "entropy/dense0", "entropy/dense1")
    n, *hidden = (_found(variables, f"{scopes[layer][0]}/bias", f"{layer}/bias").size for layer in layers)
    sizes = {"widths": (n,), "latents": n, "hyper": n, "hidden": tuple(hidden)}
    return dataclasses.replace(PRESETS["gllmm-128"], preset=f"gllmm-{n}", medians=True, **sizes)


def _found(variables: Variables, name: str, path: str) -> np.ndarray:
    if name not in variables:
        raise KeyError(f"the variable {name}, here {path},")
    return variables[name]


def _stored(scope: str, leaf: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Name and shape there of a parameter that has the name `leaf` and `shape` here."""
    if scope == "entropy_parameter/masked":
        return f"{scope}/{'weights' if leaf == 'kernel' else 'biases'}", shape
    if leaf == "kernel":
        if shape[:-2] == (3, 3):
            return f"{scope}/kernel_rdft", (9, shape[2] * shape[3])
        return f"{scope}/kernel", (1, 1, *shape[-2:])
    if leaf == "offset":
        return f"{scope}/quantiles", (*shape, 1, 3)
    if scope == "entropy_bottleneck":
        return f"{scope}/{leaf[:-1]}_{leaf[-1]}", shape
    return f"{scope}/{leaf if leaf == 'bias' else f'reparam_{leaf}'}", shape


def _fold(tree: dict[str, Any]) -> None:
    median, prior = tree["h_s"]["offset"]["offset"], tree["prior"]
    prior["bias0"] = prior["bias0"] + np.logaddexp(0, prior["matrix0"]) * median[:, None, None]
    tree["h_a"]["conv4"]["bias"] = tree["h_a"]["conv4"]["bias"] - median


def real_dft() -> np.ndarray:
    """The matrix [9, 9] from stored coordinates to a 3x3 kernel. Its columns are orthonormal.

    In each direction they are 1, cos and -sin of one period, of length one.
    """
    angle = 2 * np.pi / 3 * np.arange(3)
    rows = np.stack([np.full(3, 0.5**0.5), np.cos(angle), -np.sin(angle)], axis=1) * (2 / 3) ** 0.5
    return np.kron(rows, rows)


def _scopes() -> Iterator[tuple[str, str, bool]]:
    """Name of a layer here, the scope of its variables there, and whether it convolves there."""
    conv = "/signal_conv2d"
    for i in range(4):
        block, again = f"analysis/Block_{i}", "_1" if i else ""  # the residual block has opened layers 2 and 3 before
        for j in range(4 if i > 0 else 0):
            yield f"g_a/block{i - 1}/stage{j // 2}/conv{j % 2}", f"{block}_layer_{j}{conv}", False
        if i < 3:
            yield f"g_a/down{i}/skip", f"{block}_shortcut{conv}", False
            yield f"g_a/down{i}/conv0", f"{block}_layer_2{again}{conv}", False
            yield f"g_a/down{i}/conv1", f"{block}_layer_3{again}{conv}", False
            yield f"g_a/down{i}/gdn", f"{block}_layer_3{again}{conv}/gdn", False
    yield "g_a/last", f"analysis/Block_3_layer_2_1{conv}", False
    for i in range(4):
        block = f"synthesis/Block_{i}"
        yield f"g_s/block{i}/stage0/conv0", f"{block}_layer_0{conv}", True
        yield f"g_s/block{i}/stage0/conv1", f"{block}_layer_1{conv}", True
        for j in (2, 3):  # inside the scope of layer 1
            yield f"g_s/block{i}/stage1/conv{j - 2}", f"{block}_layer_1/Block_{i}_layer_{j}{conv}", False
        if i < 3:
            yield f"g_s/up{i}/skip", f"{block}_shortcut{conv}", True
            yield f"g_s/up{i}/conv0", f"{block}_layer_2{conv}", True
            yield f"g_s/up{i}/conv1", f"{block}_layer_3{conv}", True
            yield f"g_s/up{i}/igdn", f"{block}_layer_3{conv}/igdn", True
    yield "g_s/last", f"synthesis/Block_3_layer_2{conv}", True
    for part, transform in (("g_a", "analysis"), ("g_s", "synthesis")):
        for i in range(2):
            ours, theirs = f"{part}/attention{i}", f"{transform}/NLAB_{i}"
            yield f"{ours}/gate", f"{theirs}/conv_1x1{conv}", False
            for branch, name in (("trunk", "trunk"), ("mask", "attention")):
                for j in range(9):
                    unit = f"{theirs}/{name}_RB_{j // 3}/conv{j % 3}{conv}"
                    yield f"{ours}/{branch}{j // 3}/conv{j % 3}", unit, False
    for i, name in enumerate(("conv0", "up1", "conv2", "up3", "conv4")):
        yield f"h_a/conv{i}", f"hyper_analysis/layer_{i}{conv}", False
        yield f"h_s/{name}", f"hyper_synthesis/layer_{i}{conv}", True
    for i in range(3):  # these layers have no name, and Keras counts them
        yield f"entropy/dense{i}", f"entropy_parameter/layer_{i}{conv}{f'_{i}' if i else ''}", False
    yield "context", "entropy_parameter/masked", False
    yield "prior", "entropy_bottleneck", False
    yield "h_s/offset", "entropy_bottleneck", False
