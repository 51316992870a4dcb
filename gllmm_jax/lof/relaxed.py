"""Searches along gradients, which begin with latents that are not rounded yet.

`StraightThrough` moves unrounded latents by the gradient of the loss at the rounded ones. It takes the best of several
shares of a Newton step, if the loss of the rounded latents does not rise. Reconstruction, after Campos et al. 2019.

`Gumbel` rounds by a random choice between both neighbours, soft at first and hard in the end, and follows the gradient.
Source: Yang, Bamler, Mandt 2020 (stochastic Gumbel annealing), with their temperatures. Two things are ours: twice
their step size, because these searches are shorter, and single steps (`Flips`) in the remaining rounds.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.layers.extent import within
from gllmm_jax.lof.flips import Flips
from gllmm_jax.lof.judge import Judge
from gllmm_jax.lof.loss import PROGRAMS, Latents, Picture, curvature, hyper_latents, loss, own
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.prob.quantize import round_straight_through
from gllmm_jax.programs import latest

SIZES = (1.0, 0.5, 0.25, 0.125)
"""Shares of a Newton step that `StraightThrough` tries at once. Every failed round halves them."""

RATE = 1e-2
"""Adam's step of `Gumbel`, in quantisation steps."""

ANNEALING = 0.7
"""The share of a search in which `Gumbel` follows gradients."""

HOT, COLD = 0.5, 0.01
"""Temperatures of `Gumbel`: `HOT` for a third of the annealing, then falling to `COLD` at its end."""

LOOKS = 100
"""How often `Gumbel` has its rounded latents judged while annealing."""

EDGE = 1e-5
"""The least distance from a whole number in `Gumbel`, whose logits would be infinite at a whole number."""

DECAY = 0.9, 0.999
"""Decay of the averages of gradients and of their squares, as in Adam."""


class StraightThrough:
    """The search by straight-through gradients. `begin` are floats y [h, w, M] and z [hz, wz, N] of the networks."""

    def __init__(self, judge: Judge, begin: Latents) -> None:
        self._judge, self._at, self._largest = judge, begin, 1.0
        self._bend = curvature(*judge.model, begin.y)

    def round(self, _progress: float) -> None:
        """One round. Afterwards the judge's best is better, or the same."""
        move = _newton(*self._judge.model, self._at, self._bend)
        candidates = [jax.tree.map(lambda a, m, s=size: a - self._largest * s * m, self._at, move) for size in SIZES]
        found = self._judge.judge([_rounded(self._judge, candidate) for candidate in candidates])
        best = int(np.argmin([each.loss for each in found]))
        if found[best].loss <= self._judge.best.loss:
            self._judge.take(found[best])
            self._at = candidates[best]
        else:
            self._largest /= 2


class Gumbel:
    """The search by stochastic Gumbel annealing. `begin` as in `StraightThrough`."""

    def __init__(self, judge: Judge, begin: Latents, *, seed: int = 0) -> None:
        self._judge, self._at, self._key, self._seed = judge, begin, jax.random.key(seed), seed
        zeros = jax.tree.map(jnp.zeros_like, begin)
        self._averages, self._rounds, self._next = (zeros, zeros), 0, 0
        self._flips: Flips | None = None

    def round(self, progress: float) -> None:
        """One round at `progress` (0 to 1) of the search. Afterwards the judge's best is better, or the same."""
        if progress <= ANNEALING:
            self._anneal(progress / ANNEALING)
        else:
            self._flips = self._flips or Flips(self._judge, seed=self._seed)
            self._flips.round(progress)

    def _anneal(self, progress: float) -> None:
        cooling = max(0.0, 1.5 * progress - 0.5)
        self._key, key = jax.random.split(self._key)
        temperature = np.float32(HOT * (COLD / HOT) ** cooling)
        self._rounds += 1
        rest = np.float32(self._rounds), key, temperature
        self._at, self._averages = _gumbel_step(*self._judge.model, self._at, self._averages, *rest)
        if int(progress * LOOKS) >= self._next:
            self._next = int(progress * LOOKS) + 1
            self._judge.take(*self._judge.judge([_rounded(self._judge, self._at)]))


def _rounded(judge: Judge, latents: Latents) -> tuple[np.ndarray, np.ndarray]:
    y, z = (np.round(a).astype(np.int32) for a in judge.cut(latents))
    return y, z


@latest(PROGRAMS, static=1)
def unrounded(config: ModelConfig, params: Any, picture: Picture) -> Latents:
    """y and z of the picture before rounding, with which searches begin."""
    height, width = picture.pixels.shape[:2]
    rows, columns = (
        jnp.minimum(jnp.arange(n // config.stride, dtype=jnp.int32), end - 1)
        for n, end in zip((height, width), picture.latents, strict=True)
    )
    with within(picture.latents, height // config.stride):
        y = apply(config, params, picture.pixels[None] / 255, method=Model.analysis)
    continued = y[:, rows][:, :, columns]
    with within(hyper_latents(picture), height // config.stride // HYPER_STRIDE):
        z = apply(config, params, continued, method=Model.hyper_analysis)
    return own(picture, Latents(y[0], z[0]))


@latest(PROGRAMS, static=1)
def _newton(config: ModelConfig, params: Any, picture: Picture, at: Latents, bend: jax.Array) -> Latents:
    # the gradient at rounded latents: for y over the second derivative; for z, on which only bits depend, scaled down
    def cost(latents: Latents) -> jax.Array:
        return loss(config, params, picture, Latents(*map(round_straight_through, latents)))

    slope = jax.grad(cost)(at)
    largest = jnp.max(jnp.abs(slope.z), initial=1e-30)
    usual = bend.sum() / (picture.latents.prod() * bend.shape[-1]).astype(jnp.float32)
    return Latents(slope.y / jnp.maximum(bend, 1e-3 * usual), slope.z / largest)


@latest(PROGRAMS, static=1)
def _gumbel_step(
    config: ModelConfig,
    params: Any,
    picture: Picture,
    at: Latents,
    averages: tuple[Latents, Latents],
    rounds: jax.Array,
    key: jax.Array,
    temperature: jax.Array,
) -> tuple[Latents, tuple[Latents, Latents]]:
    # one step of Adam
    def cost(latents: Latents) -> jax.Array:
        key_y, key_z = jax.random.split(key)
        soft = Latents(_soft(latents.y, key_y, temperature), _soft(latents.z, key_z, temperature))
        return loss(config, params, picture, soft)

    slope = jax.grad(cost)(at)
    mean, square = (
        jax.tree.map(lambda old, g, d=d, p=p: d * old + (1 - d) * g**p, average, slope)
        for average, d, p in zip(averages, DECAY, (1, 2), strict=True)
    )

    def moved(a: jax.Array, m: jax.Array, s: jax.Array) -> jax.Array:
        m, s = m / (1 - DECAY[0] ** rounds), s / (1 - DECAY[1] ** rounds)
        return a - RATE * m / (jnp.sqrt(s) + 1e-12)  # gradients are of the loss a pixel, and small

    return jax.tree.map(moved, at, mean, square), (mean, square)


def _soft(v: jax.Array, key: jax.Array, temperature: jax.Array) -> jax.Array:
    # between the whole numbers around v, and near one of them at a low temperature
    low = jnp.floor(v)
    above = jnp.clip(v - low, EDGE, 1 - EDGE)
    logits = -jnp.arctanh(jnp.stack([above, 1 - above])) / temperature
    return low + jax.nn.softmax((logits + jax.random.gumbel(key, logits.shape)) / temperature, axis=0)[1]
