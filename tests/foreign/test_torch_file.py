"""Files of PyTorch that anybody made: tensors come out, or an error, and nothing is run."""

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from gllmm_jax.foreign import torch_file
from gllmm_jax.foreign.torch_file import TorchFileError, read

MADE = Path(__file__).parent / "made"
MUTANTS = 400


def archive(path, pickled: bytes, storages=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("x/data.pkl", pickled)
        for key, content in enumerate(storages):
            file.writestr(f"x/data/{key}", content)
    return path


def text(content: str) -> bytes:
    return b"X" + len(content).to_bytes(4, "little") + content.encode()


def number(n: float) -> bytes:
    return b"J" + n.to_bytes(4, "little", signed=True) if isinstance(n, int) else b"G" + struct.pack(">d", n)


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def name(module: str, of_it: str) -> bytes:
    return f"c{module}\n{of_it}\n".encode()


def with_a(value: bytes) -> bytes:
    """The pickle of a dict with one entry."""
    return b"\x80\x02}" + text("a") + value + b"s."


def state(size=(2, 3), stride=(3, 1), offset=0, count=6, kind="FloatStorage") -> bytes:
    """The pickle of a state dict with one tensor."""
    storage = several(text("storage"), name("torch", kind), text("0"), text("cpu"), number(count)) + b"Q"
    shape = (several(*map(number, numbers)) for numbers in (size, stride))
    return with_a(name("torch._utils", "_rebuild_tensor_v2") + several(storage, number(offset), *shape) + b"R")


def test_a_tensor(tmp_path):
    numbers = np.arange(6, dtype=np.float32)
    found = read(archive(tmp_path / "x", state(), [numbers.tobytes()]))
    assert np.array_equal(found["a"], numbers.reshape(2, 3)) and not found["a"].flags.writeable
    turned = read(archive(tmp_path / "x", state((3, 2), (1, 3)), [numbers.tobytes()]))
    assert np.array_equal(turned["a"], numbers.reshape(2, 3).T)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": (2, 4), "stride": (4, 1)}, "reaches beyond"),
        ({"offset": 1}, "reaches beyond"),
        ({"size": (1 << 20, 1 << 20), "stride": (0, 0)}, "reaches beyond"),
        ({"stride": (-3, 1)}, "impossible shape"),
        ({"size": (2, 3, 1)}, "impossible shape"),
        ({"offset": -1}, "impossible shape"),
        ({"size": (2.0, 3.0)}, "impossible shape"),
        ({"count": 7}, "of another size than is told"),
        ({"count": -1}, "something else than storages"),
        ({"kind": "load"}, "asks for torch.load"),
    ],
)
def test_tensors_that_lie(tmp_path, given, words):
    with pytest.raises(TorchFileError, match=words):
        read(archive(tmp_path / "x", state(**given), [bytes(24)]))


@pytest.mark.parametrize("what", [("os", "system"), ("builtins", "eval"), ("numpy", "load"), ("torch", "load")])
def test_nothing_is_run(tmp_path, what):
    path, trace = tmp_path / "x", tmp_path / "trace"
    archive(path, with_a(name(*what) + several(text(f"touch {trace}")) + b"R"))
    with pytest.raises(TorchFileError, match=f"asks for {what[0]}.{what[1]}, and holds more than tensors"):
        read(path)
    assert not os.path.exists(trace)


def test_what_would_take_all_memory_is_refused(tmp_path):
    """A memo number of four bytes, a copy of a dict for each four bytes, an archive that unpacks to anything."""
    numbers = bytes(24)
    memo = state()[:-1] + b"r\xff\xff\xff\x7f."
    tracemalloc.start()
    read(archive(tmp_path / "x", memo, [numbers]))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    with pytest.raises(TorchFileError, match="no file of PyTorch, or damaged"):
        read(archive(tmp_path / "x", with_a(name("collections", "OrderedDict") + several(b"}") + b"R")))
    with pytest.raises(TorchFileError, match="compressed"):
        read(archive(tmp_path / "x", state(), [numbers], zipfile.ZIP_DEFLATED))
    announced = b"\x80\x02\x96" + (1 << 40).to_bytes(8, "little") + b"."  # bytes that no pickle of PyTorch has
    with pytest.raises(TorchFileError, match="no file of PyTorch, or damaged"):
        read(archive(tmp_path / "x", announced))
    with pytest.raises(TorchFileError, match="larger than the limit"):
        read(archive(tmp_path / "x", state() + bytes(torch_file.LARGEST_PICKLE), [numbers]))


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"\x80\x02"])
def test_a_file_of_more_than_a_limit_is_not_read(tmp_path, begin):
    with (tmp_path / "x").open("wb") as file:
        file.write(begin)
        file.truncate(2 << 30)
    with pytest.raises(TorchFileError, match="larger than the limit of 1,073,741,824 bytes"):
        read(tmp_path / "x")


def test_the_list_of_parts_is_bounded(tmp_path):
    with zipfile.ZipFile(archive(tmp_path / "x", state(), [bytes(24)]), "a") as file:
        for number in range(17):
            part = zipfile.ZipInfo(f"x/{number}")
            part.comment = bytes(65_535)  # in the list, as its name is
            file.writestr(part, b"")
    with pytest.raises(TorchFileError, match="no file of PyTorch, or damaged"):
        read(tmp_path / "x")


@pytest.mark.parametrize(
    "key",
    [
        b")" + 900_000 * b"\x85",  # its hash takes more stack than there is
        b")" + 60 * (b"q\x00h\x00\x86"),  # and this one more time
    ],
    ids=["deep", "wide"],
)
def test_keys_that_nobody_can_hash(tmp_path, key):
    storage = b"(" + text("storage") + key + text("0") + text("cpu") + number(6) + b"tQ"
    for pickled in (b"\x80\x02}" + key + b"Ns.", b"\x80\x02}(" + key + b"Nu.", with_a(storage)):
        with pytest.raises(TorchFileError, match=r"holds (more than tensors|something else than storages)"):
            read(archive(tmp_path / "x", pickled))


def test_attributes_are_left_out(tmp_path):
    """Those of a function would stay for as long as the process does."""
    function = name("torch._utils", "_rebuild_parameter") + b"}" + text("__defaults__") + b")sb"
    with pytest.raises(TorchFileError, match="no state dict"):
        read(archive(tmp_path / "x", with_a(function)))
    assert torch_file._parameter.__defaults__ is None
    ordered = b"\x80\x02" + name("collections", "OrderedDict") + b")R" + state()[3:-1] + b"}" + text("items") + b"Nsb."
    assert read(archive(tmp_path / "x", ordered, [bytes(24)]))["a"].shape == (2, 3)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello", pickle.dumps(1), pickle.dumps(OrderedDict())])
def test_other_files(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TorchFileError, match=r"is no(t read| file of PyTorch)"):
        read(tmp_path / "x")


@pytest.mark.parametrize("model", ["cheng2020-attn", "bmshj2018-factorized"])
def test_damaged_files(tmp_path, model):
    """Of both layouts: what comes back are arrays, or the one error. Damage is in the pickles, where it can do most."""
    whole, rng = (MADE / f"{model}.pth.tar").read_bytes(), np.random.default_rng(0)
    begin = whole.index(b"state_dict") if model.startswith("cheng") else 0
    path, refused = tmp_path / "x", 0
    for number in range(MUTANTS):
        damaged = bytearray(whole)
        for _ in range(1 + number % 3):
            damaged[min(begin + int(rng.integers(6000)), len(whole) - 1)] = int(rng.integers(256))
        path.write_bytes(damaged if number % 10 else damaged[: int(rng.integers(len(damaged)))])
        try:
            assert all(isinstance(array, np.ndarray) for array in read(path).values())
        except TorchFileError:
            refused += 1
    assert refused > MUTANTS / 4
