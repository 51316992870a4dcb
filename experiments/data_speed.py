"""How many crops a second each source of training data gives, with nobody to train on them.

    python experiments/data_speed.py --data PHOTOGRAPHS --crop 256
    python experiments/data_speed.py --data tfds:NAME --crop 256

The folder or the set is read as training reads it, first with nothing decoded yet and then, once every photograph was
seen, from its cache; then kept in device memory, crops drawn there. A step has to take longer than its batch does here.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from gllmm_jax.data import photographs, resident
from gllmm_jax.data.batches import Batches
from gllmm_jax.mesh import make_mesh


def speed(draw: Callable[[], Any], batch: int, seconds: float) -> float:
    """Images a second of calls that go on for so long."""
    count, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds:
        jax.block_until_ready(draw())
        count += batch
    return count / taken


def rows(arguments: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Name and images a second of each."""
    items, sizes = photographs.items(arguments.data), {"batch": arguments.batch, "crop": arguments.crop}
    batches = Batches(items, seed=0, **sizes)
    yield "read, decoded and cut", speed(lambda: next(batches), arguments.batch, arguments.seconds)
    for _ in range(-(-len(items) // arguments.batch)):
        next(batches)
    yield "cut, all decoded before", speed(lambda: next(batches), arguments.batch, arguments.seconds)
    store = next(resident.Resident(items, make_mesh(), **sizes))
    draw, key = jax.jit(lambda step: resident.draw(store, key, step, **sizes)), jax.random.key(0)
    jax.block_until_ready(draw(0))
    yield "drawn in device memory", speed(lambda: draw(1), arguments.batch, arguments.seconds)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder of photographs, or tfds:NAME")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each (%(default)s)")
    arguments = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, batches of {arguments.batch} crops of {arguments.crop} pixels a side")
    for name, found in rows(arguments):
        print(f"{name:26} {found:8.1f} images/s", flush=True)


if __name__ == "__main__":
    main()
