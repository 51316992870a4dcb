"""Weights at rest."""

import contextlib
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gllmm_jax import zoo
from gllmm_jax.presets import PRESETS
from gllmm_jax.zoo import Weights, WeightsError


def small(**changes) -> Weights:
    params = {"g_a": {"conv": {"kernel": np.ones((3, 3, 2, 4), np.float32) / 3}}, "prior": {"bias0": np.zeros(5)}}
    tables = {"entropy/dense0": np.arange(6, dtype=np.int32).reshape(2, 3), "shift": np.array(7, np.int64)}
    return Weights("small-1", PRESETS["mu"], params, tables, {"lmbda": 0.013, "steps": 100})._replace(**changes)


def rewritten(path, **changes):
    """The file with other `meta` values."""
    arrays: dict[str, Any] = dict(np.load(path))
    meta = json.loads(arrays["meta"].tobytes()) | changes
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(path, **arrays)
    return path


@pytest.fixture
def path(tmp_path):
    zoo.save(tmp_path / "small-1.npz", small())
    return tmp_path / "small-1.npz"


def test_round_trip(path):
    weights = zoo.read(path)
    assert weights[:2] == small()[:2]
    assert weights.provenance == small().provenance
    kernel = weights.params["g_a"]["conv"]["kernel"]
    assert kernel.dtype == np.float16
    assert np.array_equal(kernel, small().params["g_a"]["conv"]["kernel"].astype(np.float16))
    for name, table in small().tables.items():
        assert weights.tables[name].dtype == table.dtype
        assert np.array_equal(weights.tables[name], table)
    assert zoo.count(weights.params) == 77


def test_equal_weights_give_equal_files(path, tmp_path):
    zoo.save(tmp_path / "again.npz", zoo.read(path))
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_names_and_installed_models(path, install):
    install(path.parent)
    assert zoo.names() == ["small-1"]
    assert zoo.read("small-1").name == "small-1"
    with pytest.raises(WeightsError, match=r"^there is no model 'tiny'; there are: small-1$"):
        zoo.read("tiny")
    with pytest.raises(
        WeightsError,
        match=r"^there is no model 'gllmm-128'; it is a preset, and `gllmm-jax train --preset gllmm-128` makes weights",
    ):
        zoo.read("gllmm-128")
    zoo.save(path.parent / "big-2.npz", small())
    with pytest.raises(WeightsError, match=r"did you mean 'small-1'\? There are: big-2, small-1$"):
        zoo.read("smal-1")


def test_models_that_the_wheel_leaves_out_have_one_of_their_own(path, install):
    project = Path(__file__).parent.parent
    wheel, apart = (
        tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
        for folder in (project, zoo.FOLDER)
    )
    kept = {file.name for file in zoo.FOLDER.iterdir()} - set(
        map(os.path.basename, wheel["targets"]["wheel"]["exclude"])
    )
    assert kept == {f"{zoo.DEFAULT}.npz", "measured.json"}
    assert apart["include"] == [f"{name}.npz" for name in zoo.APART]
    assert set(zoo.names()) == {zoo.DEFAULT, *zoo.APART}
    install(path.parent)
    with pytest.raises(WeightsError, match=r"^there is no model 'light-0.0130'; `pip install ./gllmm_jax/weights`"):
        zoo.read("light-0.0130")


def test_the_installed_models_are_named_as_their_files():
    for name in zoo.names():
        assert zoo.read(name).name == name


def test_every_truncation_is_an_error(path):
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=r"is damaged or cut short|is not a weights file|is empty"):
            zoo.read(path)


def test_flipped_bits_are_an_error_or_nothing(path):
    data, rng = path.read_bytes(), np.random.default_rng(0)
    flags = [found.start() + 8 for found in re.finditer(b"PK\x01\x02", data)]  # where an archive's files are described
    for position in rng.integers(len(data), size=300):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << rng.integers(8)]) + data[position + 1 :])
        with contextlib.suppress(WeightsError):
            zoo.read(path)
    for position in flags:  # "encrypted"
        path.write_bytes(data[:position] + bytes([data[position] | 1]) + data[position + 1 :])
        with pytest.raises(WeightsError, match="damaged"):
            zoo.read(path)


def test_other_files(path, tmp_path):
    other = tmp_path / "other.npz"
    cases = {other: "there is no weights file", tmp_path: "is a folder"}
    for wrong, words in cases.items():
        with pytest.raises(WeightsError, match=words):
            zoo.read(wrong)
    np.savez(other, x=np.zeros(3))
    with pytest.raises(WeightsError, match="holds no gllmm_jax weights"):
        zoo.read(other)
    other.write_text("text")
    with pytest.raises(WeightsError, match="is not a weights file"):
        zoo.read(other)
    np.savez(other, meta=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match="holds object"):  # pickles are never opened
        zoo.read(other)


def test_newer_and_wrong_contents(path):
    with pytest.raises(WeightsError, match="has the format 2 of a newer gllmm_jax"):
        zoo.read(rewritten(path, format=2))
    with pytest.raises(WeightsError, match=r"small-1.npz holds no model that can be: .*'no'"):
        zoo.read(rewritten(path, format=1, config={"no": "field"}))
    for changes in ({"format": "1"}, {"name": "a/b"}, {"name": 3}, {"config": [1]}, {"provenance": 3}):
        with pytest.raises(WeightsError):
            zoo.read(rewritten(path, **{"format": 1, "name": "small-1", "config": {"preset": "mu"}} | changes))


def test_what_cannot_be_saved(tmp_path):
    for value in (np.inf, np.nan, 1e6):
        with pytest.raises(WeightsError, match="parameter a/b holds numbers"):
            zoo.save(tmp_path / "x.npz", small(params={"a": {"b": np.array([1, value])}}))
    with pytest.raises(WeightsError, match="cannot be a model's name"):
        zoo.save(tmp_path / "x.npz", small(name="../up"))
    assert list(tmp_path.iterdir()) == []
