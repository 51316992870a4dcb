"""CompressAI's checkpoints: the parameters of its image models in this package's form.

    config, params = read("mbt2018-mean-3.pth.tar", "mbt2018-mean")
    weights = codec.export.make_weights("mbt2018-mean-3", config, params, pictures, short=False)

Every tensor has one place here (`_places`). The order of axes and channels differs, and medians are folded into
neighbouring layers (`nn.hyper` says why the model is the same).

    >>> from gllmm_jax.foreign import compressai
    >>> list(compressai.MODELS)[2:]
    ['mbt2018-mean', 'mbt2018', 'cheng2020-anchor', 'cheng2020-attn']
    >>> config = compressai.MODELS["mbt2018"]
    >>> config.latents, config.entropy_model
    (192, 'context')
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gllmm_jax.config import ModelConfig
from gllmm_jax.foreign.torch_file import TorchFileError
from gllmm_jax.foreign.torch_file import read as read_tensors
from gllmm_jax.nn.misfit import misfit
from gllmm_jax.presets import BASELINES

MODELS = {
    name: BASELINES[f"{name}-{m}"]
    for name, m in (
        ("bmshj2018-factorized", 192),
        ("bmshj2018-hyperprior", 192),
        ("mbt2018-mean", 192),
        ("mbt2018", 192),
        ("cheng2020-anchor", 128),
        ("cheng2020-attn", 128),
    )
}
"""Config of one size of each model, by CompressAI's name. The sizes of a checkpoint are read from it."""

_OLD = (
    (r"^module\.", ""),
    (r"\.downsample\.", ".skip."),
    (r"^entropy_bottleneck\._bias(es\.)?(\d)$", r"entropy_bottleneck.biases.\2"),
    (r"^entropy_bottleneck\._matri(ces\.|x)(\d)$", r"entropy_bottleneck.matrices.\2"),
    (r"^entropy_bottleneck\._factor(s\.)?(\d)$", r"entropy_bottleneck.factors.\2"),
)
"""Names in earlier versions, and in models trained on several devices."""

_NOT_TRAINED = (
    r"reparam\.|\.bound$|\.mask$|^gaussian_conditional\.|bottleneck\.(_offset|_quantized_cdf|_cdf_length|target)$"
)

Tensors = Mapping[str, np.ndarray]


def read(path: str | os.PathLike[str], model: str) -> tuple[ModelConfig, dict[str, Any]]:
    """Config and parameters, as from `nn.init_params`, of a checkpoint or state dict of one of `MODELS`.

    Raises `ValueError` if there is no such model, or the file is not of that model; `OSError` if there is no file.
    """
    if model not in MODELS:
        raise ValueError(f"there is no model '{model}' of CompressAI's here: choose one of {', '.join(MODELS)}")
    tensors = renamed(read_tensors(path))
    try:
        config = _config(model, tensors)
        params = parameters(config, tensors)
    except KeyError as error:
        raise TorchFileError(f"{os.fspath(path)} holds no {model}: {error.args[0]} is missing") from None
    except (IndexError, ValueError) as error:  # an array has another number of axes
        raise TorchFileError(f"{os.fspath(path)} holds no {model}: {error}") from None
    return config, params


def renamed(tensors: Tensors) -> dict[str, np.ndarray]:
    """The trained tensors of a state dict, by their current names."""
    found = {}
    for name, tensor in tensors.items():
        for old, new in _OLD:
            name = re.sub(old, new, name)
        if not re.search(_NOT_TRAINED, name):
            found[name] = tensor
    return found


def _config(model: str, tensors: Tensors) -> ModelConfig:
    base = MODELS[model]
    first = "g_a.0.weight" if base.transform == "balle" else "g_a.0.conv1.weight"
    n = tensors[first].shape[0]
    m = tensors["g_a.6.weight"].shape[0] if base.transform == "balle" else n
    hyper, hidden = (n if base.hyper else 0), (m * 10 // 3, m * 8 // 3)
    return dataclasses.replace(base, preset=f"{model}-{m}", widths=(n,), latents=m, hyper=hyper, hidden=hidden)


def parameters(config: ModelConfig, tensors: Tensors) -> dict[str, Any]:
    """The parameter tree of the tensors that `renamed` gives.

    Raises `KeyError` with the name of a missing tensor, `ValueError` for an extra tensor or another shape.
    """
    left, tree = dict(tensors), {}
    for path, theirs, form in _places(config):
        place = _branch(tree, path)
        if form == "gdn":
            place |= {"beta": left.pop(f"{theirs}.beta"), "gamma": left.pop(f"{theirs}.gamma").T}
            continue
        kernel, bias = left.pop(f"{theirs}.weight"), left.pop(f"{theirs}.bias")
        kernel = kernel.transpose(2, 3, 0, 1)[::-1, ::-1] if form == "up" else kernel.transpose(2, 3, 1, 0)
        place |= {"kernel": kernel[0, 0] if form.startswith("dense") else kernel, "bias": bias}
    if more := [name for name in left if not name.startswith("entropy_bottleneck.")]:
        raise ValueError(f"it has a tensor {min(more)[:60]} beside those of the model")
    _prior(config, left, tree)
    for path, _, form in _places(config):
        _arrange(config, _branch(tree, path), form)
    return _map(tree)


def _arrange(config: ModelConfig, place: dict[str, Any], form: str) -> None:
    """Brings the channels of a layer into the order that they have here."""
    if form == "shuffle":
        place |= {name: np.moveaxis(_in_blocks(a), -3, -1).reshape(a.shape) for name, a in place.items()}
    if form in ("halves", "dense out"):  # scales come first there, means come first here
        place |= {name: np.roll(a, config.latents, axis=-1) for name, a in place.items()}
    if form == "dense in":  # phi comes first there, the context comes first here
        place["kernel"] = np.roll(place["kernel"], config.context_features, axis=-2)


def _prior(config: ModelConfig, left: dict[str, np.ndarray], tree: dict[str, Any]) -> None:
    prior, quantiles = _branch(tree, "prior"), left.pop("entropy_bottleneck.quantiles")
    for i in range(5):
        prior |= {f"matrix{i}": left.pop(f"entropy_bottleneck.matrices.{i}")}
        prior |= {f"bias{i}": left.pop(f"entropy_bottleneck.biases.{i}")}
        prior |= {f"factor{i}": left.pop(f"entropy_bottleneck.factors.{i}")} if i < 4 else {}
    before, after = ("h_a", "h_s") if config.has_hyperprior else ("g_a", "g_s")
    last, median = _branch(tree, f"{before}/{'last' if before == 'g_a' else max(tree[before])}"), quantiles[:, 0, 1]
    _branch(tree, f"{after}/offset")["offset"] = median
    if problem := misfit(config, tree):  # before anything is calculated or copied: small arrays may make a large one
        raise ValueError(problem)
    prior["bias0"] = prior["bias0"] + np.logaddexp(0, prior["matrix0"]) * median[:, None, None]
    last["bias"] = last["bias"] - median


def _places(config: ModelConfig) -> Iterator[tuple[str, str, str]]:
    """Name of a layer here, its name there, and its form there."""
    if config.transform == "balle":
        for i in range(3):
            yield f"g_a/down{i}", f"g_a.{2 * i}", "conv"
            yield f"g_a/gdn{i}", f"g_a.{2 * i + 1}", "gdn"
            yield f"g_s/up{i}", f"g_s.{2 * i}", "up"
            yield f"g_s/igdn{i}", f"g_s.{2 * i + 1}", "gdn"
        yield "g_a/last", "g_a.6", "conv"
        yield "g_s/last", "g_s.6", "up"
    else:
        analysis = "down0 block0 down1 attention0 block1 down2 block2 last attention1"
        synthesis = "attention0 block0 up0 block1 up1 attention1 block2 up2 block3 last"
        for part, layers in (("g_a", analysis), ("g_s", synthesis)):
            names = [name for name in layers.split() if config.attention or not name.startswith("attention")]
            for i, name in enumerate(names):
                for inner, theirs, form in _inner(part, name):
                    yield f"{part}/{name}{inner}", f"{part}.{i}{theirs}", form
    if not config.has_hyperprior:
        return
    if config.design == "cheng":
        yield from ((f"h_a/conv{i}", f"h_a.{2 * i}", "conv") for i in range(5))
        yield from ((f"h_s/conv{i}", f"h_s.{2 * i}", "conv") for i in (0, 2, 4))
        yield from ((f"h_s/sub{i}", f"h_s.{2 * i}.0", "shuffle") for i in (1, 3))
    else:
        yield from ((f"h_a/conv{i}", f"h_a.{2 * i}", "conv") for i in range(3))
        yield from ((f"h_s/up{i}", f"h_s.{2 * i}", "up") for i in range(2))
        yield "h_s/conv2", "h_s.4", "halves" if config.centred else "conv"
    if not config.direct:
        yield "context", "context_prediction", "conv"
        yield "entropy/dense0", "entropy_parameters.0", "dense in"
        yield "entropy/dense1", "entropy_parameters.2", "dense"
        yield "entropy/dense2", "entropy_parameters.4", "dense out"


def _inner(part: str, name: str) -> Iterator[tuple[str, str, str]]:
    """The layers of a block of Cheng's transforms, by the ends of their names after the block's name."""
    kind = name.rstrip("0123456789")
    if kind == "last":
        yield ("", "", "conv") if part == "g_a" else ("", ".0", "shuffle")
    elif kind == "attention":
        yield "/gate", ".conv_b.3", "conv"
        for branch, theirs in (("trunk", "conv_a"), ("mask", "conv_b")):
            for i in range(3):
                yield from ((f"/{branch}{i}/conv{j}", f".{theirs}.{i}.conv.{2 * j}", "conv") for j in range(3))
    elif kind == "up":
        yield "/conv0", ".subpel_conv.0", "shuffle"
        yield "/conv1", ".conv", "conv"
        yield "/igdn", ".igdn", "gdn"
        yield "/skip", ".upsample.0", "shuffle"
    else:
        yield "/conv0", ".conv1", "conv"
        yield "/conv1", ".conv2", "conv"
        if kind == "down":
            yield "/gdn", ".gdn", "gdn"
            yield "/skip", ".skip", "conv"


def _in_blocks(array: np.ndarray) -> np.ndarray:
    """Channels [..., 4 C] as in PyTorch's pixel shuffle, [..., C, 2, 2]."""
    return array.reshape(*array.shape[:-1], -1, 2, 2)


def _branch(tree: dict[str, Any], path: str) -> dict[str, Any]:
    for name in path.split("/"):
        tree = tree.setdefault(name, {})
    return tree


def _map(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _map(leaf) for name, leaf in tree.items()}
    return np.ascontiguousarray(tree, np.float32)
