"""The real loss of choices of latents, rounded and decoded, and the best choice so far."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.lof.loss import Latents, Picture, maps

Clamp = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Judged(NamedTuple):
    """Latents int32 [h, w, M] and [hz, wz, N], their rate in bits per pixel, and lmbda * MSE as their distortion."""

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
    """Judges latents of one picture. `best` is the best that `take` ever got, at first the latents of the start.

    Args:
      clamp: gives the nearest latents that a stream can carry.
      free: bool [h, w], the positions where latents may differ from those of the start.
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
        """The loss of each choice, after it is clamped to what a stream can carry."""
        rows, columns = self._first[1].shape[:2]  # of z: none of a progressive model
        free = self.free[..., None], self.free[::HYPER_STRIDE, ::HYPER_STRIDE, None][:rows, :columns]
        held = [[np.where(f, a, b) for f, a, b in zip(free, pair, self._first, strict=True)] for pair in choices]
        clamped = [self._clamp(y, z) for y, z in held]
        stacked = self.placed(*map(np.stack, zip(*clamped, strict=True)))
        h, w = self.free.shape
        rate, distortion = (np.asarray(a)[:, :h, :w] for a in maps(*self.model, stacked))
        sums = ((float(a.sum(dtype=np.float64)) for a in pair) for pair in zip(rate, distortion, strict=True))
        return [Judged(*pair, r + d, *s) for pair, r, d, s in zip(clamped, rate, distortion, sums, strict=True)]

    def take(self, judged: Judged) -> bool:
        """Whether `judged` is better than the best. If so, it becomes the best."""
        better = judged.loss < self.best.loss
        if better:
            self.best = judged
        return better

    def placed(self, y: np.ndarray, z: np.ndarray) -> Latents:
        """Latents [..., h, w, M] and [..., hz, wz, N] on the device, as floats, filled up to the picture's room."""
        config, _, picture = self.model
        room = [side // config.stride for side in picture.pixels.shape[:2]]
        hyper = [side // HYPER_STRIDE if config.has_hyperprior else 0 for side in room]
        return Latents(*jax.device_put((_in_room(y, room), _in_room(z, hyper))))

    def cut(self, planes: Any) -> list[np.ndarray]:
        """The parts of two planes, of y and of z, that belong to the picture and not to the rest of its room."""
        return [np.array(a)[: own.shape[0], : own.shape[1]] for a, own in zip(planes, self._first, strict=True)]


def _in_room(plane: np.ndarray, room: Sequence[int]) -> np.ndarray:
    # [..., h, w, C], filled up with zeros
    edges = [(0, side - n) for side, n in zip(room, plane.shape[-3:-1], strict=True)]
    return np.pad(plane.astype(np.float32), [*[(0, 0)] * (plane.ndim - 3), *edges, (0, 0)])
