"""Damages files in every way it can think of, and sees that the decoder says so.

    python experiments/fuzz.py --count 1000000       # or --seconds 600; --seed N repeats a run

Each mutant of a few small files has to give `BitstreamError`, or the latents that the file was made from. Most have
their checksums mended, as somebody with bad intentions would. Another exception, other latents, a decoder busy for
longer than --patience, or memory that grows: each ends the run with exit status 1, and the mutant is in --keep.
"""

import argparse
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
MEMORY = 2 << 30
"""Bytes the process may grow by, over all mutants; programs for the sizes that headers announce take half of it."""

SIDES = (1, 3, 20, 64, 181, 512, 1448, 8192)
"""What a header may announce: few, because JAX keeps a program for each size that gets as far as one."""

Mutator = Callable[[np.random.Generator, bytes, list[bytes]], bytes]


class TooLongError(Exception):
    """A decoder that is still at work when patience has ended."""


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
    body = whole(rng, data[:-4], others)
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


KINDS: dict[Mutator, float] = {whole: 0.18, sealed: 0.2, stream: 0.6, header: 0.02}
"""How often each is tried."""


def judge(codec: Codec, mutant: bytes, truths: set[int], patience: int) -> str:
    """ "error", "other coder", or "picture" where the latents are those of a file that was not damaged.

    Raises `AssertionError` on other latents, `TooLongError`, or whatever the decoder raises.
    """

    def late(*_: object) -> None:
        raise TooLongError(f"after {patience} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(patience)
    try:
        image, report = codec.decode(mutant)
    except BitstreamError:
        return "error"
    except ImportError:
        assert container.unpack(mutant)[0].coder == "tfc", "an extra is missing that nothing asks for"
        return "other coder"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert report.latents_crc32 in truths, "latents that nobody encoded"
    told = container.unpack(mutant)[0]
    assert image.shape[:2] == (told.height, told.width), "a picture of another size than announced"
    return "picture"


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--count", type=int)
    length.add_argument("--seconds", type=float)
    parser.add_argument("--preset", default="mu", help="whose golden files, and weights (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=int, default=60, help="seconds a decoder may take (compiling included)")
    parser.add_argument("--keep", type=Path, default=Path("mutant.gllm"))
    arguments = parser.parse_args()

    codec = Codec(zoo.read(GOLDEN / f"{arguments.preset}-golden.npz"))
    files = [path.read_bytes() for path in sorted(GOLDEN.glob(f"{arguments.preset}.*.rans.gllm"))]
    truths = {codec.decode(data).report.latents_crc32 for data in files}
    rng, found, started = np.random.default_rng(arguments.seed), Counter(), time.monotonic()
    memory = resident()
    kinds, shares = list(KINDS), list(KINDS.values())
    done = grown = 0
    while done != arguments.count and (arguments.seconds is None or time.monotonic() - started < arguments.seconds):
        kind = kinds[rng.choice(len(kinds), p=shares)]
        mutant = kind(rng, files[rng.integers(len(files))], files)
        try:
            found[judge(codec, mutant, truths, arguments.patience)] += 1
            grown = max(grown, resident() - memory)
            assert grown < MEMORY, f"memory has grown by {grown:,} bytes"
        except BaseException as error:
            arguments.keep.write_bytes(mutant)
            print(f"mutant {done} ({kind.__name__}) in {arguments.keep}: {type(error).__name__} {error}")
            return 1
        done += 1
        if done % 10000 == 0:
            print(
                f"{done:,} mutants, {dict(found)}, {time.monotonic() - started:.0f} s, {resident() >> 20} MiB",
                flush=True,
            )
    print(f"{done:,} mutants, {dict(found)}, {time.monotonic() - started:.0f} s, grown by {grown >> 20} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
