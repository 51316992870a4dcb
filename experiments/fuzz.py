"""Damages files in every way it can think of, and sees that the decoder says so.

    python experiments/fuzz.py --count 1000000       # or --seconds 600; --seed N repeats a run

Each mutant of a few small files has to give `BitstreamError`, or the latents that the file was made from. Most have
their checksums mended, as somebody with bad intentions would. Now and then the weights are the mutant (`mutants.py` has
both): they have to give `zoo.WeightsError`, or to read the files as before, or to refuse them. Another exception, other
latents, a decoder busy for longer than --patience, or memory that grows: each ends the run with exit status 1, and the
mutant is in --keep. The end tells which mutant took the most memory, and which the most processor time.
"""

import argparse
import functools
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mutants import FILES, WEIGHTS, Mutator

from gllmm_jax import zoo
from gllmm_jax.codec.codec import Codec, load
from gllmm_jax.container import container
from gllmm_jax.errors import BitstreamError
from gllmm_jax.twin import judge as fits

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
MEMORY = 2 << 30
"""Bytes the process may grow by, over all mutants; programs for the sizes that headers announce take half of it."""

MUTANT_WEIGHTS = 0.02
"""How often the weights are the mutant: they take longer."""


class TooLongError(Exception):
    """A decoder that is still at work when patience has ended."""


class Cost(NamedTuple):
    """What one mutant took."""

    memory: int  # bytes at most, beyond those before
    seconds: float  # of processors
    kind: str
    number: int


def judge(codec: Codec, mutant: bytes, truths: set[int]) -> str:
    """ "error", "other coder", or "picture" where the latents are those of a file that was not damaged.

    Raises `AssertionError` on other latents, or whatever the decoder raises.
    """
    try:
        image, report = codec.decode(mutant)
    except BitstreamError:
        return "error"
    except ImportError:
        assert container.unpack(mutant)[0].coder == "tfc", "an extra is missing that nothing asks for"
        return "other coder"
    assert report.latents_crc32 in truths, "latents that nobody encoded"
    told = container.unpack(mutant)[0]
    assert image.shape[:2] == (told.height, told.width), "a picture of another size than announced"
    return "picture"


def judge_weights(path: Path, files: list[bytes], truths: set[int]) -> str:
    """ "weights refused", or what their codec makes of a file that is whole. Raises as `judge` does."""
    try:
        zoo.count(zoo.read(path, judge=fits.judge).params)  # what `gllmm-jax info` does
        codec = load(path)
    except zoo.WeightsError:
        return "weights refused"
    return f"weights read, {judge(codec, files[0], truths)}"


def measured(patience: int, judging: Callable[[], str]) -> tuple[str, int, float]:
    """What a judge says, bytes at most beyond those before, processor seconds.

    Raises `TooLongError`, or as the judge does.
    """

    def late(*_: object) -> None:
        raise TooLongError(f"after {patience} s")

    Path("/proc/self/clear_refs").write_text("5")  # the most that was resident is counted anew
    before, began = resident(), time.process_time()
    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(patience)
    try:
        said = judging()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return said, most_resident() - before, time.process_time() - began


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def most_resident() -> int:
    """The most bytes it has held since that was counted anew."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def drawn(rng: np.random.Generator, kinds: dict[Mutator, float]) -> Mutator:
    """One of them, as often as its share says."""
    return list(kinds)[rng.choice(len(kinds), p=list(kinds.values()))]


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
    warnings.filterwarnings("ignore", message="Duplicate name", category=UserWarning)  # of archives made here

    model = GOLDEN / f"{arguments.preset}-golden.npz"
    codec, weights = load(model), model.read_bytes()
    files = [path.read_bytes() for path in sorted(GOLDEN.glob(f"{arguments.preset}.*.rans.gllm"))]
    truths = {codec.decode(data).report.latents_crc32 for data in files}
    rng, found, started = np.random.default_rng(arguments.seed), Counter(), time.monotonic()
    memory, done, grown, costs = resident(), 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "mutant.npz"
        while done != arguments.count and (arguments.seconds is None or time.monotonic() - started < arguments.seconds):
            if rng.random() < MUTANT_WEIGHTS:
                kind, name = drawn(rng, WEIGHTS), "weights, {}"
                mutant = kind(rng, weights, [weights, files[0]])
                place.write_bytes(mutant)
                judging = functools.partial(judge_weights, place, files, truths)
            else:
                kind, name = drawn(rng, FILES), "{}"
                mutant = kind(rng, files[rng.integers(len(files))], files)
                judging = functools.partial(judge, codec, mutant, truths)
            name = name.format(kind.__name__)
            try:
                said, most, seconds = measured(arguments.patience, judging)
                found[said] += 1
                grown = max(grown, resident() - memory)
                assert grown < MEMORY, f"memory has grown by {grown:,} bytes"
            except BaseException as error:
                arguments.keep.write_bytes(mutant)
                print(f"mutant {done} ({name}) in {arguments.keep}: {type(error).__name__} {error}")
                return 1
            cost = Cost(most, seconds, name, done)
            costs = [max([*costs, cost]), max([*costs, cost], key=lambda one: one.seconds)]
            done += 1
            if done % 10000 == 0:
                spent = time.monotonic() - started
                print(f"{done:,} mutants, {dict(found)}, {spent:.0f} s, {resident() >> 20} MiB", flush=True)
    print(f"{done:,} mutants, {dict(found)}, {time.monotonic() - started:.0f} s, grown by {grown >> 20} MiB")
    for what, one in zip(("memory", "time"), costs, strict=True):
        print(f"most {what}: {one.memory >> 20} MiB, {one.seconds:.2f} s (mutant {one.number}, {one.kind})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
