"""The space-channel context: groups of channels follow one another; each has two halves of a checkerboard."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
from jax import lax

from gllmm_jax.config import CONTEXT_RADIUS as R
from gllmm_jax.config import TAPS, ModelConfig
from gllmm_jax.order.hyper import PROGRAMS, Hyper, Hyperprior, phi_of
from gllmm_jax.order.schedule import bucket, checkerboard
from gllmm_jax.order.stage import Part, Stage
from gllmm_jax.prob.distributions import Mixtures
from gllmm_jax.programs import latest
from gllmm_jax.twin import exact


class SpaceChannel(Hyperprior):
    """See `stage.EntropyModel`. There is one stage, with a part for each group of channels.

    The stage's plane is a grid with a border of zeros, 2 positions wide, that is filled up to a bucket.
    Source: He et al. 2022.
    """

    def stages(self, z_hat: np.ndarray | jax.Array) -> list[Stage]:
        """See `stage.EntropyModel`."""
        (h, w), config = self.size, self.twin.config
        grid = tuple(bucket(side + 2 * R, least=4, fine=True) for side in self.size)
        numbers = np.full(grid, -1, np.int32)
        numbers[R : R + h, R : R + w] = np.arange(h * w).reshape(h, w)
        raster = numbers.ravel()
        known = _Known(self.known(z_hat), jax.device_put((numbers >= 0)[..., None]))
        groups = checkerboard(h, w).of(np.flatnonzero(raster >= 0))
        parts = [
            Part(_Program(config, number), (), groups, h * w, first) for number, (first, _) in enumerate(config.groups)
        ]
        return [Stage(raster, lambda _: known, parts)]


class _Known(NamedTuple):
    hyper: Hyper
    inside: jax.Array  # bool [rows, columns, 1]


class _Prepared(NamedTuple):
    hyper: Hyper
    inside: jax.Array
    far: jax.Array | None  # [rows columns, X], what the group sees of the channels before it


@dataclasses.dataclass(frozen=True)
class _Program:
    """See `stage.Program`. One program serves one group of channels, on grids of one bucket."""

    config: ModelConfig
    group: int

    def prepare(self, stage: _Known, part: tuple, plane: jax.Array) -> _Prepared:
        """See `stage.Program`."""
        return _Prepared(*stage, _far(self.config, self.group, stage, plane) if self.group else None)

    def distribute(self, prepared: _Prepared, plane: jax.Array, rows: jax.Array) -> Mixtures:
        """See `stage.Program`."""
        pitch, (first, last) = np.int32(prepared.inside.shape[1]), self.config.groups[self.group]
        dy, dx = (np.array(steps, np.int32) for steps in zip(*TAPS[self.config.order], strict=True))
        # row 0, which stands for no position, lies in the border: read the neighbours of the first position instead
        i = lax.max(lax.div(rows, pitch), np.int32(R)) - R
        j = lax.max(rows - (i + R) * pitch, np.int32(R)) - R
        rows = (i + R) * pitch + j + R
        own = plane[:, first:last]
        taps = own.at[rows[:, None] + (dy * pitch + dx)[None, :]].get(mode="promise_in_bounds")
        far = None if prepared.far is None else prepared.far.at[rows].get(mode="promise_in_bounds")
        hyper = prepared.hyper
        seen = phi_of(hyper, i, j), (i + j) % 2 == 1, far
        mix = exact.parameters(self.config, hyper.nets, taps, *seen, self.group)
        return Mixtures(mix, hyper.nets.families)


@latest(PROGRAMS, static=2)
def _far(config: ModelConfig, group: int, stage: _Known, plane: jax.Array) -> jax.Array:
    y_hat = plane.reshape(*stage.inside.shape[:2], -1)
    far = exact.earlier_channels(config, stage.hyper.nets, y_hat, stage.inside, group)
    return far.reshape(-1, far.shape[-1])
