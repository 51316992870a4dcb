"""The arrays of a variable rate: one set for all levels, from which `split` makes the arrays of one level.

The arrays of a level are those of a twin with one quality, except that biases by quality have a row for each quality of
the level. In the set every array has a first axis of levels, except the support of the prior, the fixed tables and the
kernels. A kernel is stored once, at the finest precision of any level. `down` says how many bits each level drops.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gllmm_jax.twin.wiring import EACH, LEVELS

SHARED = ("prior.low", "prior.high", "powers", "families")

MOST = 30
"""The most bits that may be dropped. Kernels have 16 bits, so fewer bits suffice to leave nothing."""

Arrays = dict[str, np.ndarray]


def split(arrays: Mapping[str, np.ndarray], level: int) -> Arrays:
    """The arrays of one level. Raises `ValueError` if `arrays` are not those of a variable rate."""
    found: Arrays = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition(".")
        if name in SHARED:
            found[name] = array
        elif kind == "kernel":
            down = _of(arrays, f"{layer}.down")[level]
            if (
                down.dtype.kind not in "iu"
                or down.shape != array.shape[-1:]
                or not (down >= 0).all()
                or (down > MOST).any()
            ):
                raise ValueError(f"the table {layer}.down holds other values than 0 ... {MOST}")
            found[name] = rounded(array, down)
        elif kind != "down":
            found[name] = _of(arrays, name)[level]
    return found


def join(levels: Sequence[Arrays], kernels: Mapping[str, np.ndarray], down: Mapping[str, np.ndarray]) -> Arrays:
    """The set of all levels' arrays, with `kernels` by layer and the bits that levels drop, `down` [LEVELS, out]."""
    found: Arrays = {}
    for name, array in levels[0].items():
        layer, _, kind = name.rpartition(".")
        if name in SHARED:
            found[name] = array
        elif kind == "kernel":
            found |= {name: kernels[layer], f"{layer}.down": down[layer]}
        else:
            found[name] = np.stack([level[name] for level in levels])
    return found


def rounded(kernel: np.ndarray, down: np.ndarray) -> np.ndarray:
    """A kernel [taps, in, out] without its lowest `down` [out] bits, rounded half up, in the same dtype."""
    down = down.astype(np.int32)
    return ((kernel.astype(np.int32) + ((1 << down) >> 1)) >> down).astype(kernel.dtype)


def dropped(whole: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """How many bits `rounded` must drop, int8 [out], to go from `whole` fractional bits to `fine`.

    It is at most `MOST`, since then all weights are zero.
    """
    return np.clip(whole - fine, 0, MOST).astype(np.int8)


def level_of(quality: int) -> tuple[int, int]:
    """The level of a quality, and the number of the quality within the level."""
    return divmod(quality, EACH)


def _of(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    array = arrays.get(name)
    if array is None or array.ndim < 2 or len(array) != LEVELS:
        raise ValueError(f"the table {name} is not there for {LEVELS} levels")
    return array
