"""The factorised prior codes y and nothing follows, or it codes the coarsest scale of y and the other scales follow."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from gllmm_jax.entropy.symbols import Static
from gllmm_jax.nn.progressive import subsampled
from gllmm_jax.order.stage import Latents, Stage
from gllmm_jax.twin.integer import Twin, z_support


class Factorized:
    """See `stage.EntropyModel`. There is no z. Source: Balle et al. 2017."""

    def __init__(self, twin: Twin, size: tuple[int, int]) -> None:
        self.twin, self.size = twin, size
        self._at, m = subsampled(twin.config.coarsest), twin.config.latents
        self._shape = (size[0] >> twin.config.coarsest, size[1] >> twin.config.coarsest, m)

    def static(self) -> Static:
        """See `stage.EntropyModel`."""
        h, w, m = self._shape
        return Static(self.twin.arrays["prior.cdf"], np.tile(np.arange(m, dtype=np.int32), h * w))

    def symbols(self, y_hat: Latents, z_hat: Latents) -> Latents:
        """See `stage.EntropyModel`."""
        return (y_hat[self._at, self._at] - z_support(self.twin)[0][None, None]).ravel()

    def positions(self) -> np.ndarray:
        """See `stage.EntropyModel`."""
        (h, w), m = self.size, self.twin.config.latents
        i, j = (np.arange(side)[self._at] for side in (h, w))
        return ((i[:, None, None] * w + j[:, None]) * m + np.arange(m)).ravel()

    def begin(self, symbols: Latents, y_hat: Latents) -> tuple[Latents, Latents]:
        """See `stage.EntropyModel`."""
        values = symbols.reshape(self._shape) + z_support(self.twin)[0][None, None]
        if isinstance(y_hat, np.ndarray):
            y_hat[self._at, self._at] += values
            return y_hat, np.zeros((0, 0, 0), np.int32)
        return y_hat.at[self._at, self._at].add(values), jnp.zeros((0, 0, 0), jnp.int32)

    def stages(self, z_hat: Any) -> Sequence[Stage]:
        """See `stage.EntropyModel`."""
        return ()
