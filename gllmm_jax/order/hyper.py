"""What entropy models with a hyperprior share: z comes first in the stream, and gives phi."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import CONTEXT_RADIUS as R
from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.entropy.symbols import Static
from gllmm_jax.order.schedule import bucket
from gllmm_jax.order.stage import Latents
from gllmm_jax.order.windows import HYPER_REACH, HYPER_SIDE, scaled, windows
from gllmm_jax.prob import tables
from gllmm_jax.programs import latest
from gllmm_jax.twin import exact
from gllmm_jax.twin.integer import Twin, z_support

PROGRAMS = 16
"""Sizes of z whose programs are kept."""

STRIP = 4
"""Rows or columns of z that a program for a narrow plane has; all other programs are for squares."""

SMALL, USUAL = 512, 4096
"""Rows of the plane of every small picture, and of every other picture up to a megapixel."""


class Hyper(NamedTuple):
    """What a latent's distribution depends on, without its neighbours."""

    nets: exact.Nets
    phi: jax.Array  # float32 [phi rows, F], row by row
    phi_width: jax.Array  # int32, positions in a row of phi
    width: jax.Array  # int32, positions in a row of latents


@dataclasses.dataclass(frozen=True)
class HyperProgram:
    """The half of `stage.Program` that is about z. Sizes are traced: one program serves all pictures of a bucket."""

    config: ModelConfig

    def prepare(self, stage: Hyper, part: tuple, plane: jax.Array) -> Hyper:
        """Returns what the stage knows, unchanged. Groups read the plane themselves, or not at all."""
        return stage


class Hyperprior:
    """The half of `stage.EntropyModel` that is about z."""

    def __init__(self, twin: Twin, size: tuple[int, int]) -> None:
        self.twin, self.size = twin, size

    def static(self) -> Static:
        """See `stage.EntropyModel`."""
        rows = np.tile(np.arange(self.twin.config.hyper, dtype=np.int32), np.prod(hyper_size(self.size)))
        return Static(self.twin.arrays["prior.cdf"], rows)

    def symbols(self, y_hat: Latents, z_hat: Latents) -> Latents:
        """See `stage.EntropyModel`."""
        return (z_hat - z_support(self.twin)[0][None, None]).ravel()

    def positions(self) -> np.ndarray:
        """See `stage.EntropyModel`."""
        return np.zeros(0, np.int64)

    def begin(self, symbols: Latents, y_hat: Latents) -> tuple[Latents, Latents]:
        """See `stage.EntropyModel`."""
        return y_hat, symbols.reshape(*hyper_size(self.size), -1) + z_support(self.twin)[0][None, None]

    def known(self, z_hat: np.ndarray | jax.Array) -> Hyper:
        """What the stages of a picture know of z_hat int32 [ceil(h/4), ceil(w/4), N]."""
        phi = _phi(self.twin, z_hat)
        width = np.int32(phi.shape[1]), np.int32(self.size[1])
        rows = phi.reshape(-1, phi.shape[-1])
        if isinstance(rows, np.ndarray):
            rows = np.pad(rows, ((0, plane_rows(self.size) - len(rows)), (0, 0)))  # as many as the plane has
        return Hyper(nets(self.twin), *jax.device_put((rows, *width)))


def means(twin: Twin, z_hat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What a `centred` model subtracts from y before rounding and adds afterwards, float32 [h, w, M] for y of `size`.

    The integer twin gives it, in steps of 1/256, so it is equal on every device.
    """
    phi = _phi(twin, z_hat)[: size[0], : size[1], : twin.config.latents]
    return phi * np.float32(2.0**-tables.FRACTION)


def shown(twin: Twin, y_hat: np.ndarray, z_hat: np.ndarray) -> np.ndarray:
    """What g_s takes: y_hat, or for a `centred` model the sum of y_hat and the means, float32."""
    if not twin.config.centred:
        return y_hat
    return y_hat.astype(np.float32) + means(twin, z_hat, y_hat.shape[:2])


def hyper_size(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of z for y of `size`."""
    return -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)


def plane_rows(size: tuple[int, int]) -> int:
    """Rows of a plane with a border, in few buckets: another program takes more memory than empty rows do."""
    rows = (size[0] + 2 * R) * (size[1] + 2 * R)
    return SMALL if rows <= SMALL else bucket(rows, least=USUAL)


def nets(twin: Twin) -> exact.Nets:
    """The twin's networks on the device."""
    with jax.ensure_compile_time_eval():  # the twin keeps them, so they must not be tracers
        return twin.nets


def phi_of(hyper: Hyper, i: jax.Array, j: jax.Array) -> jax.Array:
    """phi at the positions in rows `i` and columns `j`, [P] both -> float32 [P, F]."""
    return hyper.phi.at[i * hyper.phi_width + j].get(mode="promise_in_bounds")


def _phi(twin: Twin, z_hat: Any) -> Any:
    # [hz, wz, N] -> [4 hz, 4 wz, F]; z goes through in windows, each in a plane of its bucket's size
    hz, wz, n = z_hat.shape
    if not isinstance(z_hat, np.ndarray):
        return exact.hyper_synthesis(twin.config, nets(twin).layers, z_hat, (jnp.int32(hz), jnp.int32(wz)))
    phi = np.empty((HYPER_STRIDE * hz, HYPER_STRIDE * wz, twin.config.context_features), np.float32)
    for where, kept, to in windows((hz, wz), HYPER_SIDE, HYPER_REACH):
        part = z_hat[where]
        h, w, _ = part.shape
        plane = np.zeros((*_room(h, w), n), np.int32)
        plane[:h, :w] = part
        found = _hyper_synthesis(twin.config, twin.nets.layers, *jax.device_put((plane, np.int32(h), np.int32(w))))
        phi[scaled(to, HYPER_STRIDE)] = np.asarray(found)[scaled(kept, HYPER_STRIDE)]
    return phi


def _room(h: int, w: int) -> tuple[int, int]:
    # a square, or a strip: few programs
    side = max(STRIP, 1 << (max(h, w) - 1).bit_length())
    return STRIP if h <= STRIP else side, STRIP if w <= STRIP else side


@latest(PROGRAMS, static=1)
def _hyper_synthesis(config: ModelConfig, layers: dict[str, exact.Layer], z_hat: jax.Array, height: Any, width: Any):
    return exact.hyper_synthesis(config, layers, z_hat, (height, width))
