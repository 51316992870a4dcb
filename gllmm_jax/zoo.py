"""Weights at rest: everything a codec needs in one .npz file, without pickle.

Members: `meta` (UTF-8 JSON: format, name, config, provenance), `params/...` (float16, the path of each parameter in its
tree) and `tables/...` (the integer twin as `twin.integer` lays it out). The installed files lie in
`gllmm_jax/weights`, named as the models are.
"""

import difflib
import io
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gllmm_jax import archive, files
from gllmm_jax.config import ModelConfig
from gllmm_jax.presets import PRESETS

DEFAULT = "light-vr-3"
APART = ("light-0.0130", "light-msp-0.0130", "light-msp-vr")  # in a wheel of their own: `weights/pyproject.toml`
BROUGHT = "`pip install ./gllmm_jax/weights` in the sources brings it"
FORMAT = 1
FOLDER = Path(__file__).parent / "weights"
PLACES = "GLLMM_JAX_WEIGHTS"
"""Names an environment variable: further folders with weights, parted as in PATH."""

Tree = Mapping[str, Any]
"""Nested mappings with arrays as leaves."""

Judge = Callable[[ModelConfig, Tree, Mapping[str, np.ndarray]], str | None]
"""What is wrong with the names, shapes and dtypes of parameters and tables, if anything."""

MEMBERS = re.compile(r"meta u1|params/.+ f[24]|tables/.+ [iu]\d")
"""Names and dtypes, as NumPy writes them, of the members of a file."""

LARGEST_META = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")


class WeightsError(ValueError):
    """Weights that are not there or cannot be used; the message is one sentence that says what to do."""


class Weights(NamedTuple):
    """One trained codec: `params` floats of any width, `tables` integers, `provenance` JSON (lmbda, steps, ...)."""

    name: str
    config: ModelConfig
    params: Tree
    tables: Mapping[str, np.ndarray]
    provenance: Mapping[str, Any]


def names() -> list[str]:
    """Names of the models in `places`, sorted."""
    return sorted(_models())


def places() -> list[Path]:
    """Folders in which weights are looked for: that of the installed ones, then those of $GLLMM_JAX_WEIGHTS."""
    return [FOLDER, *(Path(text) for text in os.environ.get(PLACES, "").split(os.pathsep) if text)]


def candidates(name: str) -> list[Path]:
    """All weights files in `places`, those called `name` first."""
    found = [path for place in places() for path in sorted(place.glob("*.npz"))]
    return sorted(found, key=lambda path: path.stem != name)


def _models() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in candidates(DEFAULT):
        found.setdefault(path.stem, path)  # an installed one before another of its name
    return found


def check_name(name: str) -> str:
    """The name itself. Raises `WeightsError` where it could not go into a file's header."""
    if not _NAME.fullmatch(name):
        raise WeightsError(f"'{name}' cannot be a model's name: up to 63 letters, digits and . _ + - are allowed")
    return name


def half(params: Tree) -> dict[str, Any]:
    """The same tree in float16, as it is stored. Raises `WeightsError` on a number that float16 does not hold."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves(params):
        array = np.asarray(leaf, np.float32)
        if not np.all(np.abs(array) <= np.finfo(np.float16).max):  # also false for NaN
            raise WeightsError(f"the parameter {path} holds numbers that float16 does not")
        _insert(tree, path, array.astype(np.float16))
    return tree


def single(params: Tree) -> dict[str, Any]:
    """The same tree in float32, NumPy arrays. Raises `WeightsError` on a number that is not finite."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves(params):
        array = np.asarray(leaf, np.float32)
        if not np.isfinite(array).all():
            raise WeightsError(f"the parameter {path} is not finite: a picture would be garbage")
        _insert(tree, path, array)
    return tree


def count(params: Tree) -> int:
    """How many numbers a tree holds."""
    return sum(np.size(leaf) for _, leaf in leaves(params))


def save(path: str | os.PathLike[str], weights: Weights) -> None:
    """Write `weights` to `path`, whole or not at all. Raises `WeightsError`, `files.WriteError` if the disk refuses."""
    meta: dict[str, Any] = {"format": FORMAT, "name": check_name(weights.name), "config": weights.config.to_dict()}
    meta |= {"provenance": dict(weights.provenance)}
    arrays: dict[str, Any] = {"meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)}
    arrays |= {f"params/{key}": leaf for key, leaf in leaves(half(weights.params))}
    arrays |= {f"tables/{key}": np.asarray(table) for key, table in weights.tables.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    files.write(path, buffer.getvalue())


def read(name_or_path: str | os.PathLike[str] = DEFAULT, *, judge: Judge | None = None) -> Weights:
    """The weights of a model in `places`, or of a file. Raises `WeightsError`.

    Nothing is unpacked that is not an array of weights, nor more than a GiB in all. A `judge` is asked beforehand
    whether a file fits its config, as `twin.judge.judge` tells; of `installed` models it is not asked.
    """
    path, data = read_bytes(name_or_path)
    return parse(path, data, None if installed(path) else judge)


def installed(path: Path) -> bool:
    """Whether a weights file came with a wheel, which is trusted."""
    return path.parent == FOLDER


def read_bytes(name_or_path: str | os.PathLike[str]) -> tuple[Path, bytes]:
    """Where those weights lie, and the bytes of their file, at most a GiB. Raises `WeightsError`."""
    path = locate(name_or_path)
    try:
        return path, archive.contents(path)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def locate(name_or_path: str | os.PathLike[str]) -> Path:
    """Where those weights lie; the file exists. Raises `WeightsError` naming the models there are."""
    text = os.fspath(name_or_path)
    path, models = Path(text), _models()
    if isinstance(name_or_path, str) and text in models:
        return models[text]
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{text} is a folder, not a weights file")
    if path.suffix == ".npz" or len(path.parts) > 1:
        raise WeightsError(f"there is no weights file {text}")
    raise WeightsError(f"there is no model '{text}'; {_suggestion(text)}")


def _suggestion(name: str) -> str:
    known, listed = names(), ", ".join(names()) or "none"
    if name in APART or name in PRESETS:
        made = BROUGHT if name in APART else f"it is a preset, and `gllmm-jax train --preset {name}` makes weights"
        return f"{made}; there are: {listed}"
    if not known:
        return f"no models are installed: give a weights file, or set {PLACES} to a folder of them"
    close = difflib.get_close_matches(name, [*known, *PRESETS], n=1, cutoff=0.4)
    meant = f"did you mean '{close[0]}'? T" if close and len(known) > 1 else "t"
    return f"{meant}here are: {listed}"


def parse(path: Path, data: bytes, judge: Judge | None = None) -> Weights:
    """`read` of the bytes of that file. Raises `WeightsError`."""
    if not data.startswith(b"PK\x03\x04"):
        raise WeightsError(f"{path} is not a weights file" if data else f"{path} is empty")
    try:
        found = _announced(path, data)
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            if meta["format"] > FORMAT:
                raise WeightsError(f"{path} has the format {meta['format']} of a newer gllmm_jax: upgrade to read it")
            config = _config(path, meta["config"])
            if judge is not None:
                _check(path, config, found, judge)
            arrays = {key: stored[key] for key in stored.files if key != "meta"}
        return Weights(check_name(meta["name"]), config, *_trees(arrays), dict(meta["provenance"]))
    except (WeightsError, MemoryError):
        raise
    except Exception as error:  # a broken archive may raise nearly anything
        raise WeightsError(f"{path} is damaged or cut short") from error


def _announced(path: Path, data: bytes) -> dict[str, archive.Announced]:
    try:
        found = archive.announced(io.BytesIO(data))
    except ValueError as error:
        raise WeightsError(f"{path} is not read: {error}") from error
    if "meta" not in found:
        raise WeightsError(f"{path} is an .npz file but holds no gllmm_jax weights")
    for name, (shape, dtype) in found.items():
        large = name == "meta" and math.prod(shape) > LARGEST_META
        if large or not MEMBERS.fullmatch(f"{name} {dtype.str[1:]}"):
            raise WeightsError(f"{path} is not read: weights have no {dtype} {name} of the shape {shape}")
    return found


def _check(path: Path, config: ModelConfig, found: Mapping[str, archive.Announced], judge: Judge) -> None:
    arrays = {name: np.broadcast_to(np.zeros((), dtype), shape) for name, (shape, dtype) in found.items()}
    if problem := judge(config, *_trees(arrays)):
        raise WeightsError(f"{path} is not read: {problem}")


def _config(path: Path, values: dict[str, Any]) -> ModelConfig:
    try:
        return ModelConfig.from_dict(values)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path} holds no model that can be: {error}") from error


def _trees(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    params: dict[str, Any] = {}
    for key, array in arrays.items():
        if key.startswith("params/"):
            _insert(params, key.removeprefix("params/"), array)
    return params, {key.removeprefix("tables/"): array for key, array in arrays.items() if key.startswith("tables/")}


def leaves(tree: Tree, prefix: str = "") -> list[tuple[str, Any]]:
    """Paths like "g_s/up0/kernel" and what is there, in one order for equal trees."""
    pairs: list[tuple[str, Any]] = []
    for key in sorted(tree):
        value = tree[key]
        pairs += leaves(value, f"{prefix}{key}/") if isinstance(value, Mapping) else [(prefix + key, value)]
    return pairs


def _insert(tree: dict[str, Any], path: str, leaf: Any) -> None:
    *folders, last = path.split("/")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    if tree.setdefault(last, leaf) is not leaf:
        raise ValueError(f"{path} is a folder, too")
