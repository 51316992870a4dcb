"""Weights files that anybody made: judged before they are unpacked."""

import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import gllmm_jax
from gllmm_jax import zoo
from gllmm_jax.archive import contents
from gllmm_jax.cli import main
from gllmm_jax.config import ModelConfig
from gllmm_jax.presets import PRESETS


def archive(path, members, compression=zipfile.ZIP_DEFLATED, config=None):
    """A weights file of arrays, or of bytes as they are, beside a `meta` as it should be."""
    meta = {"format": 1, "name": "x", "provenance": {}, "config": config or PRESETS["mu"].to_dict()}
    members = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)} | members
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            if isinstance(content, np.ndarray):
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, content)
                content = buffer.getvalue()
            file.writestr(f"{name}.npy", content)
    return path


def header(shape, dtype="<f2"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def refused(path, words, read=zoo.read):
    """Refuses it in one sentence, and in little memory."""
    tracemalloc.start()
    with pytest.raises(zoo.WeightsError, match=words):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_of_compressions_only_deflate_is_read(tmp_path, compression):
    zeros = header((100_000_000,)) + bytes(200_000_000)
    path = archive(tmp_path / "x.npz", {"params/g_a/kernel": zeros}, compression)
    assert path.stat().st_size < 100_000
    refused(path, "compressed in another way than deflate")


def test_a_file_may_not_unpack_to_anything(tmp_path, monkeypatch):
    monkeypatch.setattr("gllmm_jax.archive.LARGEST", 1 << 24)
    refused(archive(tmp_path / "x.npz", {"params/g_a/kernel": np.zeros(1 << 23, np.float16)}), "would unpack to")


def test_a_name_may_not_be_a_path_of_thousands_of_folders(tmp_path):
    """Whoever goes down such a tree runs out of stack."""
    refused(archive(tmp_path / "x.npz", {"params/" + "a/" * 10_000 + "a": np.zeros(1, np.float16)}), "255 characters")


def test_a_file_may_not_list_any_number_of_members(tmp_path):
    """Before anything of a list is refused, all of it would be in memory."""
    path = archive(tmp_path / "x.npz", {})
    with zipfile.ZipFile(path, "a") as file:
        for number in range(17):
            member = zipfile.ZipInfo(f"tables/{number}.npy")
            member.comment = bytes(65_535)  # in the list, as its name is
            file.writestr(member, header((0,), "<i4"))
    refused(path, "the list of its members has more than 1,048,576 bytes")


def test_a_header_may_not_lie(tmp_path):
    refused(archive(tmp_path / "x.npz", {"params/a": header((1 << 40,)) + b"12"}), "another size than its header")
    refused(archive(tmp_path / "x.npz", {"params/a": header((3,)) + b"12"}), "another size than its header")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("params/a", np.zeros(3, np.complex64)),
        ("params/a", np.zeros(3, bool)),
        ("params/a", np.zeros(3, "datetime64[s]")),
        ("params/a", np.zeros(3, "U1")),
        ("params/a", np.zeros(3, np.int32)),
        ("tables/a", np.zeros(3, np.float32)),
        ("other/a", np.zeros(3, np.float32)),
        ("a", np.zeros(3, np.float32)),
        ("params", np.zeros(3, np.float16)),  # which no tree would hold
        ("params/", np.zeros(3, np.float16)),
        ("tables", np.zeros(3, np.int32)),
        ("meta/a", np.zeros(3, np.uint8)),
        ("params/a", np.zeros(3, np.float64)),
        ("params/a", np.zeros(3, np.longdouble)),
    ],
)
def test_only_what_weights_have_is_read(tmp_path, name, array):
    refused(archive(tmp_path / "x.npz", {name: array}), "is not read: weights have no|holds")


def test_a_parameter_is_no_folder(tmp_path):
    """Whichever comes first: of a tree that lost one, the judge would not see all."""
    inner, outer = {"params/a/b": np.zeros(3, np.float16)}, {"params/a": np.zeros(3, np.float16)}
    for members in (inner | outer, outer | inner):
        refused(archive(tmp_path / "x.npz", members), "damaged")


def test_a_codec_asks_for_the_parameters_of_its_config(tmp_path, mu_weights):
    """Missing ones, others, and those of another shape are told before any is unpacked."""
    whole = {f"params/{path}": leaf for path, leaf in zoo.leaves(zoo.half(mu_weights.params))}
    whole |= {f"tables/{name}": table for name, table in mu_weights.tables.items()}
    name = "params/g_a/gdn0/beta"
    name = name if name in whole else sorted(whole)[0]
    for changed, words in (
        ({k: v for k, v in whole.items() if k != name}, "is missing"),
        (whole | {name: np.zeros((4096, 4096), np.float16)}, "and not"),
        (whole | {"params/g_a/more": np.zeros((4096, 4096), np.float16)}, "is not of this model"),
    ):
        refused(archive(tmp_path / "x.npz", changed), f"its parameters do not .*{words}", gllmm_jax.load)


def test_a_codec_asks_for_the_tables_of_its_config(capsys, tmp_path, monkeypatch, mu_weights):
    """So do commands."""
    whole = {f"params/{path}": leaf for path, leaf in zoo.leaves(zoo.half(mu_weights.params))}
    whole |= {f"tables/{name}": table for name, table in mu_weights.tables.items()}
    path, large = tmp_path / "x.npz", np.zeros((4096, 8192), np.int16)
    for changed, words in (
        ({k: v for k, v in whole.items() if k != "tables/powers"}, "powers is missing"),
        (whole | {"tables/prior.cdf": large}, r"prior.cdf is \(4096, 8192\) and not"),
        (whole | {"tables/powers": np.zeros(1025, np.int64)}, "powers has more than 32 bits"),
        (whole | {"tables/more": large}, "more is not of this model"),
    ):
        refused(archive(path, changed), f"its tables do not fit its config: {words}", gllmm_jax.load)
    monkeypatch.setenv(zoo.PLACES, str(tmp_path))
    for command in (["info", str(path)], ["models"]):
        main(command)
        assert "more is not of this model" in capsys.readouterr().err


def test_a_file_of_more_than_a_limit_is_not_read(tmp_path):
    """Nor a pipe, which has no size."""
    with (tmp_path / "x.npz").open("wb") as file:
        file.truncate(6 << 30)
    refused(tmp_path / "x.npz", "it has 6,442,450,944 bytes, more than the limit of 1,073,741,824")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(OSError, match="no file"):
        contents(tmp_path / "pipe.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"latents": 100_000},
        {"widths": (100_000,)},
        {"hidden": (10, 1 << 40)},
        {"components": 1000},
        {"latents": True},
        {"msp": {"depth": 10_000_000}},
        {"msp": {"scales": 10_000_000}},
        {"msp": {"width": 10_000_000}},
        {"msp": {"seeds": 1 << 40}},
        {"msp": {"seeds": True}},
        {"msp": {"splits": [*range(1, 100)]}, "latents": 200},
        {"splits": [*range(1, 100)], "latents": 200, "order": "checkerboard"},
    ],
)
def test_numbers_of_a_config_are_bounded(changes):
    with pytest.raises(ValueError, match="must be"):
        ModelConfig.from_dict(PRESETS["mu"].to_dict() | changes)
