"""Tensors of a file that PyTorch's `torch.save` wrote, read without PyTorch. Nothing of the file is ever run.

A file is a pickle beside the numbers. A pickle may call anything, so an unpickler reads it that knows ten names
(`_KNOWN`) and calls only functions of this module. It accepts only the opcodes that PyTorch writes (`_OPCODES`),
because others make room for any length that they name. The unpickler is Python's own, in Python: the one in C makes
room for any memo number that a pickle names. Keys are strings and whole numbers, because hashing a tuple of tuples may
take for ever. Sizes are bounded before anything is read.

Source: the layout as `torch.serialization` writes it, both the zip archive (1.6 and later) and the older sequence of
pickles.
"""

import collections
import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gllmm_jax.archive import opened

LARGEST = 1 << 30
"""Most bytes that a file may have, and that all its numbers may have together."""

LARGEST_PICKLE = 1 << 20

_MAGIC = 0x1950A86A20F9469CFC6C  # of the older layout
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}


class TorchFileError(ValueError):
    """A file that cannot be read. The message is one sentence that says why."""


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    numel: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """All tensors of a state dict by name, or of the state dict that a checkpoint holds as "state_dict".

    Arrays are read-only. Raises `TorchFileError` for any other file, `OSError` if there is no file.
    """
    with open(path, "rb") as file:
        try:
            if file.seek(0, os.SEEK_END) > LARGEST:
                raise TorchFileError(f"it is larger than the limit of {LARGEST:,} bytes")
            file.seek(0)
            whole, numbers = (_zipped if file.read(4) == b"PK\x03\x04" else _in_sequence)(file)
            state = whole.get("state_dict", whole) if isinstance(whole, Mapping) else None
            if not isinstance(state, Mapping):
                raise TorchFileError("it holds no state dict")
            tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, _Tensor)}
            if not tensors or not all(isinstance(name, str) for name in tensors):
                raise TorchFileError("it holds no state dict")
            return {name: _array(name, tensor, numbers) for name, tensor in tensors.items()}
        except (TorchFileError, MemoryError) as error:
            why = str(error) or "it needs too much memory"
            raise TorchFileError(f"{os.fspath(path)} is not read: {why}") from error
        except Exception as error:  # a broken pickle may raise nearly anything
            raise TorchFileError(f"{os.fspath(path)} is no file of PyTorch, or damaged") from error


Numbers = Callable[[_Storage], np.ndarray]


def _zipped(file: Any) -> tuple[Any, Numbers]:
    archive = opened(file)
    members = {member.filename: member for member in archive.infolist()}
    (pickled,) = (name for name in members if name.endswith("/data.pkl") or name == "data.pkl")
    folder = pickled.removesuffix("data.pkl")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise TorchFileError("its parts are compressed, as PyTorch does not")
    if members[pickled].file_size > LARGEST_PICKLE or sum(m.file_size for m in members.values()) > LARGEST:
        raise TorchFileError(f"it is larger than the limit of {LARGEST:,} bytes")
    order = members.get(f"{folder}byteorder")
    if order is not None and archive.read(order) != b"little":
        raise TorchFileError("its numbers are big-endian")
    read: dict[str, np.ndarray] = {}

    def numbers(storage: _Storage) -> np.ndarray:
        member = members[f"{folder}data/{storage.key}"]
        if member.file_size != storage.numel * storage.dtype.itemsize:
            raise TorchFileError(f"the storage {storage.key[:20]} is of another size than is told")
        if storage.key not in read:
            read[storage.key] = np.frombuffer(archive.read(member), np.uint8)
        return read[storage.key].view(storage.dtype)

    return _Unpickler(io.BytesIO(archive.read(pickled))).load(), numbers


def _in_sequence(file: Any) -> tuple[Any, Numbers]:
    file.seek(0)
    head = io.BytesIO(file.read(LARGEST_PICKLE))
    if _Unpickler(head).load() != _MAGIC:
        raise TorchFileError("it is no file of PyTorch")
    _version, system = _Unpickler(head).load(), _Unpickler(head).load()
    if not system["little_endian"]:
        raise TorchFileError("its numbers are big-endian")
    unpickler = _Unpickler(head)
    whole, keys, read = unpickler.load(), _Unpickler(head).load(), {}
    file.seek(head.tell())
    for key in keys:
        storage = unpickler.storages[_text(key)]
        if int.from_bytes(file.read(8), "little") != storage.numel:
            raise TorchFileError(f"the storage {key[:20]} is of another size than is told")
        content = file.read(storage.numel * storage.dtype.itemsize)
        read[key] = np.frombuffer(content, storage.dtype, storage.numel)
    return whole, lambda storage: read[storage.key]


def _array(name: str, tensor: _Tensor, numbers: Numbers) -> np.ndarray:
    size, stride, offset = tensor.size, tensor.stride, tensor.offset
    whole = [*size, *stride, offset]
    if not all(type(n) is int and 0 <= n <= LARGEST for n in whole) or len(size) != len(stride) or len(size) > 8:
        raise TorchFileError(f"the tensor {name[:60]} has an impossible shape")
    flat = numbers(tensor.storage)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > len(flat) or (math.prod(size) and last >= len(flat)):
        raise TorchFileError(f"the tensor {name[:60]} reaches beyond its storage")
    if not math.prod(size):
        return np.zeros(size, flat.dtype)
    steps = [step * flat.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(flat[offset:], size, steps, writeable=False)


def _rebuilt(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise TorchFileError("it holds a tensor without numbers")
    return _Tensor(storage, offset, size, stride)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _ordered() -> collections.OrderedDict:  # its items come one by one, never as a copy
    return collections.OrderedDict()


_KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor_v2": _rebuilt,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{name}": name for name in _DTYPES},
}


_OPCODES = b"\x80.}])(Nt\x85\x86\x87JKMG\x8a\x88\x89XcRQbsuaeqrhj"
"""Opcodes of protocol 2: containers, numbers, names, calls, storages, and the memo."""


_PYTHONS: Any = pickle._Unpickler  # it has no types


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TorchFileError("it holds something else than storages")
    return value


class _Unpickler(_PYTHONS):
    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {code: pickle._Unpickler.dispatch[code] for code in _OPCODES}

    def load_build(self) -> None:
        self.stack.pop()  # attributes, which a tensor does not need

    def load_setitem(self) -> None:
        self._check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._check_keys(self.stack[::2])
        super().load_setitems()

    dispatch |= {ord("b"): load_build, ord("s"): load_setitem, ord("u"): load_setitems}

    def _check_keys(self, keys: list[Any]) -> None:
        if any(type(key) not in (str, int) for key in keys):
            raise TorchFileError("it holds more than tensors")

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _KNOWN:
            raise TorchFileError(f"it asks for {module[:40]}.{name[:40]}, and holds more than tensors")
        return _KNOWN[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> _Storage:
        what, kind, key, _location, count, *_ = pid
        if what != "storage" or not isinstance(key, str) or type(count) is not int or not 0 <= count <= LARGEST:
            raise TorchFileError("it holds something else than storages")
        self.storages[key] = _Storage(key, np.dtype(_DTYPES[_text(kind)]), count)
        return self.storages[key]
