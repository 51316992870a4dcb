"""Files that nobody should have made: mutants of a few small `.gllm` files and of a weights file.

A mutator takes a generator, one file's bytes and those of all, and gives the bytes of a mutant. `FILES` and `WEIGHTS`
name them, with how often each is tried.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gllmm_jax.container import container, format3, varint

Mutator = Callable[[np.random.Generator, bytes, list[bytes]], bytes]

SIDES = (1, 3, 20, 64, 181, 512, 1448, 8192)
"""What a header may announce: few, because JAX keeps a program for each size that gets as far as one."""


def flip(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """One to eight bits are turned."""
    bad = bytearray(data)
    for place in rng.integers(0, 8 * len(bad), rng.integers(1, 9)):
        bad[place // 8] ^= 1 << (place % 8)
    return bytes(bad)


def overwrite(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A stretch becomes noise, zeros or ones."""
    start = int(rng.integers(0, len(data)))
    length = int(min(len(data) - start, rng.integers(1, 17)))
    noise = (rng.bytes(length), bytes(length), b"\xff" * length)[rng.integers(3)]
    return data[:start] + noise + data[start + length :]


def cut(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """The end is missing."""
    return data[: rng.integers(0, len(data))]


def remove(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A piece in the middle is missing."""
    start = int(rng.integers(0, len(data)))
    return data[:start] + data[start + int(rng.integers(1, 9)) :]


def insert(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A piece too many."""
    start = int(rng.integers(0, len(data) + 1))
    return data[:start] + rng.bytes(int(rng.integers(1, 9))) + data[start:]


def splice(rng: np.random.Generator, data: bytes, others: list[bytes]) -> bytes:
    """The end of another file."""
    other = others[rng.integers(len(others))]
    return data[: rng.integers(0, len(data))] + other[rng.integers(0, len(other)) :]


MUTATORS: tuple[Mutator, ...] = (flip, overwrite, cut, remove, insert, splice)


def whole(rng: np.random.Generator, data: bytes, others: list[bytes]) -> bytes:
    """A mutant of the file as it lies on disk."""
    return MUTATORS[rng.integers(len(MUTATORS))](rng, data, others)


def sealed(rng: np.random.Generator, data: bytes, others: list[bytes]) -> bytes:
    """A mutant whose last checksum is right again."""
    return seal(whole(rng, data[:-4], others))


def seal(body: bytes) -> bytes:
    """A whole file of all but its last checksum."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def stream(rng: np.random.Generator, data: bytes, others: list[bytes]) -> bytes:
    """A file that is right but for its stream."""
    header, inner = container.unpack(data)
    return container.pack(header, whole(rng, inner, [container.unpack(other)[1] for other in others]))


def header(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A file that announces something else than it holds."""
    told, inner = container.unpack(data)
    side = SIDES[rng.integers(len(SIDES))]
    lies = (
        {"height": side},
        {"width": side},
        {"height": side, "width": side},
        {"colour": container.COLOURS[rng.integers(2)]},
        {"latents_crc32": int(rng.integers(1 << 32))},
        {"fingerprint": rng.bytes(4)},
        {"synthesis": rng.bytes(4)},
        {"arithmetic": int(rng.integers(256))},
        {"chunks": {"noTe": rng.bytes(int(rng.integers(1000)))}},
        {"quality": None if told.quality is not None and rng.integers(4) == 0 else int(rng.integers(256))},
    )
    return container.pack(told._replace(**lies[rng.integers(len(lies))]), inner)


STRIPS = ((1, 60_000), (60_000, 1), (9, 20_000), (20_000, 9))
"""Thin pictures that the limit on pixels lets pass: few, as `SIDES` are."""

FAR = ((1, 1 << 26), (1 << 26, 1 << 26), (14_000, 14_000), (1 << 26, 3), (2000, 2000))
"""What it does not, or hardly."""


def announced(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A thin picture, or a far too large one, in front of the stream there is or of noise."""
    told, inner = container.unpack(data)
    sizes = STRIPS if rng.integers(2) else FAR
    height, width = sizes[rng.integers(len(sizes))]
    if rng.integers(2):
        inner = b"\0" + rng.bytes(int(rng.integers(1, 400)))  # no outliers
    return container.pack(told._replace(height=height, width=width), inner)


def outliers(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A long list of them, some of it impossible, in front of the stream."""
    told, inner = container.unpack(data)
    count = int(2 ** rng.uniform(0, 17))
    gaps = rng.integers(0 if rng.integers(2) else 1, 3, count)
    values = rng.integers(0, 2 ** int(rng.integers(1, 18)), count)
    pairs = np.stack([gaps, values], -1).ravel().tolist()
    told_count = count if rng.integers(2) else int(rng.integers(2 * count + 1))
    listed = b"".join(map(varint.write, [told_count, *pairs]))
    side = SIDES[rng.integers(len(SIDES))]
    size = {"height": side, "width": side} if rng.integers(2) else {}
    return container.pack(told._replace(**size), listed + inner)


def chunks(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """Chunks that nobody knows: many, too many, large, of odd names, critical ones now and then."""
    told, inner = container.unpack(data)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
    first = rng.choice(letters[:26], int(2 ** rng.uniform(0, 15)))
    names = {bytes([letter]) + rng.choice(letters, 3).tobytes() for letter in first}
    most = 2 ** int(rng.integers(1, 12)) if len(names) < 500 else 1
    held = told._replace(chunks={name.decode(): rng.bytes(int(rng.integers(most))) for name in names})
    body = seal(container.MAGIC + bytes([container.VERSION]) + format3.write(held, inner))  # with no limit
    if rng.integers(4) == 0:
        name = min(names)
        return seal(body[:-4].replace(name, name[:1].upper() + name[1:]))
    return body if rng.integers(4) else sealed(rng, body, [body])


FILES: dict[Mutator, float] = {
    whole: 0.18,
    sealed: 0.2,
    stream: 0.54,
    header: 0.02,
    announced: 0.01,
    outliers: 0.02,
    chunks: 0.03,
}
"""How often each is tried."""


def members(data: bytes) -> dict[str, bytes]:
    """The members of an archive, unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(parts: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Its inverse; a name may be there twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as made:
        for name, content in parts:
            made.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return buffer.getvalue()


def array(shape: tuple[int, ...], dtype: str, content: bytes) -> bytes:
    """An .npy member whose header need not be true."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


def member(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A weights file with one member that is another, or one more."""
    found = members(data)
    names = sorted(found)
    name, other = (names[rng.integers(len(names))] for _ in range(2))
    fresh = f"params/g_s/{rng.integers(9)}.npy"
    side = int(2 ** rng.integers(0, 40))
    lies = (
        lambda: {name: MUTATORS[rng.integers(len(MUTATORS))](rng, found[name], list(found.values()))},
        lambda: {fresh: array((1 << 24,), "<f2", bytes(1 << 25))},  # a bomb
        lambda: {name: array((1 << 25,), "|u1", bytes(1 << 25))},
        lambda: {name: array((side, side), "<f2", b"12")},  # a lie
        lambda: {name: array((3,), ("|O", "<c16", "<f8", "<U3", "|V2", "<i8", ">f2")[rng.integers(7)], rng.bytes(24))},
        lambda: {"params/" + "a/" * int(rng.integers(1, 30_000)) + "a.npy": array((1,), "<f2", b"12")},
        lambda: {name: found[other]},
        lambda: {f"{name}/{other}": found[other]},
        lambda: {"../" + fresh: found[other], "/etc/x.npy": found[other]},
    )
    changed = found | lies[rng.integers(len(lies))]()
    parts = list(changed.items())
    if rng.integers(20) == 0:
        parts.append(parts[rng.integers(len(parts))])
    if rng.integers(10) == 0:
        del parts[rng.integers(len(parts))]
    ways = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    return archive(parts, ways[min(int(rng.integers(20)), 3)] if rng.integers(4) == 0 else zipfile.ZIP_DEFLATED)


def config(rng: np.random.Generator, data: bytes, _others: list[bytes]) -> bytes:
    """A weights file that describes another model than it holds."""
    found = members(data)
    with np.load(io.BytesIO(data)) as stored:
        meta = json.loads(stored["meta"].tobytes())
    values: tuple[Any, ...] = (0, -1, 1, 2**31, 2**70, 1e308, float("nan"), None, True, "", "x", [], {}, [1] * 999)
    values += ({"seeds": 1 << 40}, {"splits": [*range(1, 9999)]})  # of a progressive model
    place = meta if rng.integers(4) == 0 else meta["config"]
    key = sorted(place)[rng.integers(len(place))]
    place[key] = values[rng.integers(len(values))]
    text = json.dumps(meta).encode() if rng.integers(10) else b"[" * 100_000
    return archive(list((found | {"meta.npy": array((len(text),), "|u1", text)}).items()))


WEIGHTS: dict[Mutator, float] = {whole: 0.3, member: 0.5, config: 0.2}
"""How often each is tried."""
