"""Searches for better latents of a picture within a budget of rounds and seconds.

Large pictures go window by window. A latent changes only in the window that contains all pixels it influences. In the
end the whole result is compared with the given latents.
"""

import functools
import math
import time
from dataclasses import dataclass
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.codec import transforms
from gllmm_jax.codec.codec import Codec
from gllmm_jax.config import HYPER_STRIDE, ModelConfig, Search
from gllmm_jax.lof.flips import Flips
from gllmm_jax.lof.judge import Judge
from gllmm_jax.lof.loss import Latents, Picture
from gllmm_jax.lof.refined import Cost, Point, Refined
from gllmm_jax.lof.relaxed import Gumbel, StraightThrough, unrounded
from gllmm_jax.nn.transforms import reach, reach_of_context
from gllmm_jax.order.windows import Slices, Window, scaled, windows
from gllmm_jax.progress import Progress, silent
from gllmm_jax.walk import latents

SIDE = 1024
"""Pixels on a side of a window."""

EFFORTS = {1: 10, 2: 50, 3: 200, 4: 1000}
"""Rounds by effort. BUILD.md has the seconds and the gain of each."""

PATIENCE = 100
"""Rounds without success after which a search ends. `gumbel` does not end so, since it succeeds in its last rounds."""


@dataclass(frozen=True)
class Overfit:
    """A search for latents, which `Codec.encode` takes as `refine`.

    Raises `ValueError` if nothing bounds the search, or on an invalid field.
    """

    steps: int | None = None  # rounds in each window
    seconds: float | None = None  # for the whole picture; then no round begins; compiling comes on top
    method: Search = "greedy"
    lmbda: float | None = None  # by default that of the weights' training; a smaller one saves more bits
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("give the length of the search as steps, as seconds, or both")
        if self.method not in get_args(Search):
            raise ValueError(f"method must be one of {', '.join(get_args(Search))}, not {self.method!r}")
        if not isinstance(self.steps, int | None) or self.steps is True:
            raise ValueError(f"steps must be a whole number, not {self.steps!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number, not below zero, not {self.seed!r}")
        for name in ("steps", "seconds", "lmbda"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above zero and finite, not {value!r}")

    def __call__(
        self, codec: Codec, image: np.ndarray, y_hat: np.ndarray, z_hat: np.ndarray, progress: Progress = silent
    ) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
        """See `codec.Refine`, and `search`."""
        found = self.search(codec, image, y_hat, z_hat, progress)
        return found.y_hat, found.z_hat, found.facts()

    def search(
        self, codec: Codec, image: np.ndarray, y_hat: np.ndarray, z_hat: np.ndarray, progress: Progress = silent
    ) -> Refined:
        """Latents with a lower loss for an image uint8 [height, width, 3 or 1], or the given latents.

        `progress` gets the loss so far and the used share of the budget. Raises `ValueError` if lmbda is not known, if
        the weights were trained for MS-SSIM, or if they round y about means; the search supports neither.
        """
        lmbda, start = self._lmbda(codec), time.monotonic()
        before = cost(codec, image, y_hat, z_hat)
        y, z, rounds, curve = y_hat.copy(), z_hat.copy(), 0, ()
        parts = _windows(codec.config, (y.shape[0], y.shape[1]))
        for number, part in enumerate(parts):
            search = _Window(codec, image, y, z, part, lmbda)
            budget = _Budget(self, start, number, len(parts), progress)
            done, points = search.go(self.method, self.seed, budget)
            rounds, curve = rounds + done, curve or points
        after = cost(codec, image, y, z)
        if after.loss(lmbda) > before.loss(lmbda):
            y, z, after = y_hat, z_hat, before
        # the file without the search has what no estimate knows: the header, the coder's states, the twin's cost
        saved = (before.bpp - after.bpp) * image.shape[0] * image.shape[1] / 8
        size = len(codec.pack(y_hat, z_hat, image.shape)) - saved
        return Refined(y, z, before, after, size, lmbda, rounds, time.monotonic() - start, curve)

    def _lmbda(self, codec: Codec) -> float:
        if codec.config.centred:
            raise ValueError(f"'{codec.name}' rounds y about means that z gives: such latents are not refined yet")
        if codec.provenance.get("distortion", "mse") != "mse":
            raise ValueError(f"'{codec.name}' was trained for MS-SSIM: latents are refined for the MSE alone")
        found = self.lmbda or codec.lmbda
        if found is None:
            raise ValueError(f"'{codec.name}' does not say what lambda it was trained for: give one")
        return float(found)


def cost(codec: Codec, image: np.ndarray, y_hat: np.ndarray, z_hat: np.ndarray) -> Cost:
    """Rate and MSE of decoded latents."""
    height, width, channels = image.shape
    shown = transforms.synthesise(codec.config, codec.params, y_hat, channels == 1)[:height, :width, :channels]
    mse = float(np.mean(np.square(shown.astype(np.float32) - image), dtype=np.float64))
    return Cost(float(transforms.float_bits(codec.config, codec.params, y_hat, z_hat)) / (height * width), mse)


class _Budget:
    """The budget of a search in one window, and its reports to `progress`."""

    def __init__(self, settings: Overfit, start: float, number: int, of: int, progress: Progress) -> None:
        self._settings, self._start, self._number, self._of, self._progress = settings, start, number, of, progress
        self._began = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def used(self, rounds: int) -> float:
        """The used share of the budget after so many rounds of this window; 1 at the end."""
        shares = [0.0]
        if self._settings.steps is not None:
            shares.append(rounds / self._settings.steps)
        if self._settings.seconds is not None:
            # seconds that earlier windows have left go to later ones
            end = self._start + self._settings.seconds * (self._number + 1) / self._of
            shares.append(self.seconds() / max(end - self._began, 1e-9))
        return min(1.0, max(shares))

    def used_before(self) -> float:
        """The used share of the budget before the first round. The first window has one round in any case."""
        return self.used(0) if self._number else 0.0

    def tell(self, loss: float, used: float) -> None:
        self._progress(f"loss {loss:.4f}", round(1000 * (self._number + used)), 1000 * self._of)


class _Window:
    """The search in one window of a picture."""

    def __init__(
        self, codec: Codec, image: np.ndarray, y: np.ndarray, z: np.ndarray, part: Window, lmbda: float
    ) -> None:
        config, stride = codec.config, codec.config.stride
        pixels = transforms.continued(image, scaled(part.where, stride))
        sides = zip(pixels.shape[:2], image.shape[:2], part.where, strict=True)
        size = [np.int32(min(n, side - s.start * stride)) for n, side, s in sides]
        free = np.zeros((pixels.shape[0] // stride, pixels.shape[1] // stride), bool)
        # few programs serve all sizes; but in a larger plane the scales of a progressive model would be others
        room = transforms.room(free.shape) if config.msp is None else free.shape
        pixels = np.broadcast_to(transforms.filled(pixels, room, stride), (room[0] * stride, room[1] * stride, 3))
        facts = tuple(size), np.array(free.shape, np.int32), image.shape[2] == 1, np.float32(lmbda)
        picture = Picture(*jax.device_put((pixels.astype(np.float32), *facts)))
        free[part.kept] = True
        self._planes = ((y, part.where), (z, _around(part.where)))
        given = [plane[where] for plane, where in self._planes]
        clamp = functools.partial(latents.clamp_latents, codec.twin)
        self._judge = Judge(config, codec.params, picture, *given, clamp=clamp, free=free)

    def go(self, method: Search, seed: int, budget: _Budget) -> tuple[int, tuple[Point, ...]]:
        """Search, and write the result into the latents of the picture. Returns the number of rounds and the curve."""
        judge, rounds, quiet, used, curve = self._judge, 0, 0, budget.used_before(), []
        search = self._search(method, seed) if used < 1.0 else None
        budget.tell(judge.best.loss, 0.0)
        while search and used < 1.0 and (quiet < PATIENCE or method == "gumbel"):
            rounds, loss, used = rounds + 1, judge.best.loss, budget.used(rounds + 1)
            search.round(used)
            quiet = 0 if judge.best.loss < loss else quiet + 1
            budget.tell(judge.best.loss, used)
            if str(rounds).rstrip("0") in ("1", "2", "5"):
                curve.append(Point(rounds, budget.seconds(), judge.best.rate, judge.best.distortion))
        for (plane, where), best in zip(self._planes, judge.best[:2], strict=True):
            plane[where] = best
        return rounds, tuple(curve)

    def _search(self, method: Search, seed: int) -> Flips | StraightThrough | Gumbel:
        if method == "greedy":
            return Flips(self._judge, seed=seed)
        # begin with the unrounded latents where they round to the given ones
        found, given = unrounded(*self._judge.model), self._judge.placed(*self._judge.best[:2])
        begin = Latents(*(jnp.where(jnp.round(a) == b, a, b) for a, b in zip(found, given, strict=True)))
        if method == "gumbel":
            return Gumbel(self._judge, begin, seed=seed)
        return StraightThrough(self._judge, begin)


def _windows(config: ModelConfig, size: tuple[int, int]) -> list[Window]:
    # windows of latents, which begin with whole hyper-latents, or with whole blocks of all scales
    msp = config.msp
    unit = HYPER_STRIDE if msp is None else max(2**msp.scales, 2 ** (msp.scales - 1) * max(msp.block))
    seen = -(-max(reach(config), reach_of_context(config)) // unit)
    parts = windows((-(-size[0] // unit), -(-size[1] // unit)), max(SIDE // config.stride // unit, 2 * seen + 1), seen)
    return [Window(_cut(where, unit, size), scaled(kept, unit), _cut(to, unit, size)) for where, kept, to in parts]


def _cut(slices: Slices, unit: int, size: tuple[int, int]) -> Slices:
    rows, columns = (slice(s.start, min(s.stop, n)) for s, n in zip(scaled(slices, unit), size, strict=True))
    return rows, columns


def _around(where: Slices) -> Slices:
    # the hyper-latents of a window of latents
    rows, columns = (slice(s.start // HYPER_STRIDE, -(-s.stop // HYPER_STRIDE)) for s in where)
    return rows, columns
