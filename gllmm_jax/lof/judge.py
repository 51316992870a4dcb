"""What choices of latents really cost, rounded and decoded, and the best of them so far."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.lof.loss import Latents, Picture, maps

Clamp = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Judged(NamedTuple):
    """Latents int32 [h, w, M] and [hz, wz, N], and what they cost: rate in bits per pixel, lmbda * MSE."""

    y: np.ndarray
    z: np.ndarray
    map: np.ndarray  # float32 [h, w], of the loss
    rate: float
    distortion: float

    @property
    def loss(self) -> float:
        """R + lmbda * MSE."""
        return self.rate + self.distortion


class Judge:
    """Of one picture; `best` is the best that was ever given to `take`, at first the latents it starts from.

    Args:
      clamp: what a stream can carry of latents.
      free: bool [h, w], the positions where latents may differ from the first.
    """

    def __init__(
        self,
        config: ModelConfig,
        params: Any,
        picture: Picture,
        y: np.ndarray,
        z: np.ndarray,
        *,
        clamp: Clamp,
        free: np.ndarray,
    ) -> None:
        self.model, self.free = (config, params, picture), free
        self._clamp, self._first = clamp, (y, z)
        (self.best,) = self.judge([(y, z)])

    def judge(self, choices: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Judged]:
        """What each choice costs, after what has to be changed for it to fit into a stream."""
        rows, columns = self._first[1].shape[:2]  # of z: none of a progressive model
        free = self.free[..., None], self.free[::HYPER_STRIDE, ::HYPER_STRIDE, None][:rows, :columns]
        held = [[np.where(f, a, b) for f, a, b in zip(free, pair, self._first, strict=True)] for pair in choices]
        clamped = [self._clamp(y, z) for y, z in held]
        rate, distortion = map(np.asarray, maps(*self.model, floats(*map(np.stack, zip(*clamped, strict=True)))))
        sums = ((float(a.sum(dtype=np.float64)) for a in pair) for pair in zip(rate, distortion, strict=True))
        return [Judged(*pair, r + d, *s) for pair, r, d, s in zip(clamped, rate, distortion, sums, strict=True)]

    def take(self, judged: Judged) -> bool:
        """Whether it is better than the best, which it then is."""
        better = judged.loss < self.best.loss
        if better:
            self.best = judged
        return better


def floats(y: np.ndarray, z: np.ndarray) -> Latents:
    """As the networks take them."""
    return Latents(*jax.device_put((y.astype(np.float32), z.astype(np.float32))))
