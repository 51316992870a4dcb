"""The hyperprior alone: every latent sees z, and no latent sees another. All latents are one group, or its parts."""

import jax
import numpy as np
from jax import lax

from gllmm_jax.order.hyper import Hyper, Hyperprior, HyperProgram, phi_of, plane_rows
from gllmm_jax.order.schedule import at_once
from gllmm_jax.order.stage import Part, Stage
from gllmm_jax.prob.distributions import Mixtures
from gllmm_jax.twin import exact


class HyperpriorAlone(Hyperprior):
    """See `stage.EntropyModel`. Source: Balle et al. 2018."""

    def stages(self, z_hat: np.ndarray | jax.Array) -> list[Stage]:
        """See `stage.EntropyModel`."""
        count = self.size[0] * self.size[1]
        raster = np.full(plane_rows(self.size), -1, np.int32)
        raster[:count] = np.arange(count)
        known = self.known(z_hat)
        return [Stage(raster, lambda _: known, [Part(_Program(self.twin.config), (), at_once(count), count)])]


class _Program(HyperProgram):
    """See `stage.Program`."""

    def distribute(self, prepared: Hyper, plane: jax.Array, rows: jax.Array) -> Mixtures:
        """See `stage.Program`."""
        i = lax.div(rows, prepared.width)
        phi = phi_of(prepared, i, rows - i * prepared.width)
        return Mixtures(exact.parameters(self.config, prepared.nets, None, phi), prepared.nets.families)
