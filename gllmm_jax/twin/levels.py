"""The arrays of a variable rate: one set for all its levels, from which `split` takes those of one.

A level's arrays are those of a twin with one quality, but for biases by quality, of which it has a row for each. In the
set every array has an axis of levels in front, except the support of the prior, the fixed tables, and kernels: a kernel
is kept once, at the finest precision that any level has, with the bits that each level drops (`down`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gllmm_jax.twin.wiring import EACH, LEVELS

SHARED = ("prior.low", "prior.high", "powers", "families")

MOST = 30
"""Bits that may be dropped: of 16, so that nothing is left long before."""

Arrays = dict[str, np.ndarray]


def split(arrays: Mapping[str, np.ndarray], level: int) -> Arrays:
    """The arrays of one level. Raises `ValueError` where these are not those of a variable rate."""
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
    """The set of these levels, whose kernels are `kernels` with `down` [LEVELS, out] bits dropped, by layer."""
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
    """A kernel [taps, in, out] without the lowest `down` [out] bits, rounded half up, in its own type."""
    down = down.astype(np.int32)
    return ((kernel.astype(np.int32) + ((1 << down) >> 1)) >> down).astype(kernel.dtype)


def dropped(whole: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """How many bits `rounded` has to drop, int8 [out], from a precision of `whole` bits to one of `fine`.

    At most `MOST`: where more would go, all weights are zero and it does not matter.
    """
    return np.clip(whole - fine, 0, MOST).astype(np.int8)


def level_of(quality: int) -> tuple[int, int]:
    """The level of a quality, and its place among the qualities of that level."""
    return divmod(quality, EACH)


def _of(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    array = arrays.get(name)
    if array is None or array.ndim < 2 or len(array) != LEVELS:
        raise ValueError(f"the table {name} is not there for {LEVELS} levels")
    return array
