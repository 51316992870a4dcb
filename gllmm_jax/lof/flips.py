"""A greedy search on whole numbers: many latents change by one at a time, and keep the change if it helps.

Each round draws a few choices of steps at random. A step that promises more is drawn with a higher probability. The
real picture and the real bits of every choice are computed. Each position then takes its best choice, or none. These
steps together are kept if the loss of the whole picture falls. A step that failed is drawn half as often. Failures are
forgotten after some rounds, since the latents around them change.
"""

import numpy as np

from gllmm_jax.config import HYPER_STRIDE
from gllmm_jax.lof.judge import Judge
from gllmm_jax.lof.loss import curvature, moves

CHOICES = 2
"""Choices that are tried at once."""

FRESH = 3
"""The predicted gains are recomputed every so many rounds."""

HYPER_ROUNDS = 8
"""One of so many rounds changes z; the others change y."""

MEMORY = 0.9
"""The factor by which the count of a step's failures falls each round."""

LEAST = 0.01
"""The least share of the promising steps that a choice tries."""


class Flips:
    """The search of this file. Equal seeds give equal latents."""

    def __init__(self, judge: Judge, *, seed: int = 0) -> None:
        self._judge, self._rng, self._rounds = judge, np.random.default_rng(seed), 0
        self._curvature = curvature(*judge.model, judge.placed(*judge.best[:2]).y, seed)
        self._vain = [np.zeros(a.shape, np.float32) for a in judge.best[:2]]
        self._share = [1.0, 1.0]

    def round(self, _progress: float) -> None:
        """One round. Afterwards the judge's best is better, or the same."""
        best = self._judge.best
        if self._rounds % FRESH == 0:
            found = moves(*self._judge.model, self._judge.placed(best.y, best.z), self._curvature)
            # directions of y and of z, and gains
            self._directions, self._gains = map(self._judge.cut, zip(*found, strict=True))
        self._rounds += 1
        self._try(1 if best.z.size and self._rounds % HYPER_ROUNDS == 0 else 0)

    def _try(self, which: int) -> None:
        # steps of y (0), or of z (1), which the positions of y around them judge
        cell = (1, HYPER_STRIDE)[which]
        choices = self._drawn(which, self._judge.free[::cell, ::cell])
        trials = np.stack([trial.map for trial in self._judge.judge([self._stepped(which, c) for c in choices])])
        change = _summed(trials - self._judge.best.map, cell)
        winner = np.where(change.min(axis=0) < 0, change.argmin(axis=0), -1)
        won = (winner == np.arange(CHOICES)[:, None, None])[..., None]
        taken = (choices * won).sum(axis=0)
        self._vain[which] *= MEMORY
        self._vain[which][(choices * ~won).any(axis=0)] += 1
        (together,) = self._judge.judge([self._stepped(which, taken)])
        better = self._judge.take(together)
        if better:
            self._vain[which][taken != 0] = 0
            self._gains[which][taken != 0] = 0  # until they are recomputed
        # if steps help nearly everywhere, try more at once; if they help nowhere, try fewer
        share = won.any(axis=0).mean()
        factor = 0.7 if not better else 1.3 if share > 0.5 else 0.9 if share < 0.2 else 1.0
        self._share[which] = min(max(factor * self._share[which], LEAST), 1.0)

    def _drawn(self, which: int, free: np.ndarray) -> np.ndarray:
        # choices of steps, int32 [CHOICES, ...]
        hoped = np.where(free[..., None], np.maximum(self._gains[which], 0), 0)
        typical = np.median(hoped[hoped > 0]) if hoped.any() else 1.0
        chance = self._share[which] * hoped / (hoped + typical) * 0.5 ** self._vain[which]
        fewer = 2.0 ** (-0.5 * np.arange(CHOICES))[:, None, None, None]
        drawn = self._rng.random((CHOICES, *hoped.shape), np.float32) < chance * fewer
        return np.where(drawn, self._directions[which], 0).astype(np.int32)

    def _stepped(self, which: int, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, z = self._judge.best[:2]
        return (y, z + by) if which else (y + by, z)


def _summed(planes: np.ndarray, cell: int) -> np.ndarray:
    # [K, h, w] -> sums over cells of cell x cell, which are smaller at the ends
    count, h, w = planes.shape
    planes = np.pad(planes, ((0, 0), (0, -h % cell), (0, -w % cell)))
    return planes.reshape(count, -(-h // cell), cell, -(-w // cell), cell).sum((2, 4))
