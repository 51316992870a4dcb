"""The context model: every latent sees z and its neighbours that come before it, in raster or checkerboard order."""

import jax
import numpy as np
from jax import lax

from gllmm_jax.config import CONTEXT_RADIUS as R
from gllmm_jax.config import TAPS, ModelConfig
from gllmm_jax.order.hyper import Hyper, Hyperprior, HyperProgram, phi_of, plane_rows
from gllmm_jax.order.schedule import Schedule, checkerboard, wavefront
from gllmm_jax.order.stage import Part, Stage
from gllmm_jax.prob.distributions import Mixtures
from gllmm_jax.twin import exact


class Context(Hyperprior):
    """See `stage.EntropyModel`. There is one stage. Its plane has a border of zeros, 2 positions wide."""

    def stages(self, z_hat: np.ndarray | jax.Array) -> list[Stage]:
        """See `stage.EntropyModel`."""
        (h, w), config = self.size, self.twin.config
        inside = (np.arange(h)[:, None] + R) * (w + 2 * R) + np.arange(w) + R
        raster = np.full(plane_rows(self.size), -1, np.int32)
        raster[inside] = np.arange(h * w).reshape(h, w)
        known = self.known(z_hat)
        groups = schedule(config, self.size).of(inside.ravel())
        return [Stage(raster, lambda _: known, [Part(_Program(config), (), groups, h * w)])]


def schedule(config: ModelConfig, size: tuple[int, int]) -> Schedule:
    """The groups of latents of `size` (h, w), in the order of the config."""
    return wavefront(*size) if config.order == "raster" else checkerboard(*size)


class _Program(HyperProgram):
    """See `stage.Program`."""

    def distribute(self, prepared: Hyper, plane: jax.Array, rows: jax.Array) -> Mixtures:
        """See `stage.Program`."""
        pitch = prepared.width + 2 * R
        dy, dx = (np.array(steps, np.int32) for steps in zip(*TAPS[self.config.order], strict=True))
        # row 0, which stands for no position, lies in the border: read the neighbours of the first position instead
        i = lax.max(lax.div(rows, pitch), np.int32(R)) - R
        j = lax.max(rows - (i + R) * pitch, np.int32(R)) - R
        rows = (i + R) * pitch + j + R
        taps = plane.at[rows[:, None] + (dy * pitch + dx)[None, :]].get(mode="promise_in_bounds")
        sees = None if self.config.order == "raster" else (i + j) % 2 == 1
        mix = exact.parameters(self.config, prepared.nets, taps, phi_of(prepared, i, j), sees)
        return Mixtures(mix, prepared.nets.families)
