"""The float programs of the codec: pixels to latents and back.

A program serves all planes up to its own size (`layers.extent`), so few programs suffice. The largest has the size of a
window. Larger pictures go through in windows (`order.windows`), so they take the memory of a window beside their own.
The latest few programs are kept. Pictures in batches have a program for each size.
"""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gllmm_jax.config import HYPER_STRIDE, ModelConfig
from gllmm_jax.layers.extent import within
from gllmm_jax.nn import progressive
from gllmm_jax.nn.model import Model, apply
from gllmm_jax.nn.transforms import reach, reach_of_blocks
from gllmm_jax.order.windows import HYPER_REACH, HYPER_SIDE, Slices, scaled, windows
from gllmm_jax.programs import latest, trim
from gllmm_jax.progress import Tick, silent

SIDE = 128
"""Latents on a side that go through g_a or g_s at once: 2,048 pixels."""

SIDES = (8, 16, 32, 48, 64, 96, 128)
"""Latents on a side that a program has room for. A side of 8 has no other beside it; 16 is never with 32 or 48.

So there are 33 programs, and 6 for all pictures up to 768x768.
"""

BLOCKS = 64
"""Blocks on a side whose float estimate is computed at once, in one scale of a progressive model."""

PROGRAMS = 24
"""Programs of each kind that are kept."""

Room = tuple[int, int]
"""Rows and columns of latents or hyper-latents that a program has room for."""

_WIDEST = 2**20  # larger than any latent; clipped to it, every float fits into an integer


def analyse(config: ModelConfig, params: Any, image: np.ndarray, tick: Tick = silent) -> tuple[np.ndarray, np.ndarray]:
    """`Codec.analyse` before clamping, for parameters that have no integer twin yet."""
    return quantise(config, params, ungained(config, params, image, tick))


def ungained(config: ModelConfig, params: Any, image: np.ndarray, tick: Tick = silent) -> np.ndarray:
    """g_a: uint8 [height, width, 3 or 1] -> y float32 [h, w, M], the same at every quality.

    At the bottom and on the right the picture is continued with its last row and column, to whole latents.
    """
    h, w = (-(-side // config.stride) for side in image.shape[:2])
    parts = windows((h, w), SIDE, reach(config))
    y = np.empty((h, w, config.latents), np.float32)
    tick(0, len(parts))
    for done, (where, kept, to) in enumerate(parts, 1):
        size, sides = _sides(where)
        pixels = filled(continued(image, scaled(where, config.stride)), sides, config.stride)
        y[to] = np.asarray(_ungained(config, params, pixels, size))[kept]
        tick(done, len(parts))
    return y


def quantise(config: ModelConfig, params: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y of `ungained` -> y_hat int32 [h, w, M] and z_hat int32 at the quality of the parameters.

    At the bottom and on the right y is continued with its last row and column, to whole hyper-latents.
    """
    hyper = -(-y.shape[0] // HYPER_STRIDE), -(-y.shape[1] // HYPER_STRIDE)
    y_hat, z_hat = np.empty(y.shape, np.int32), np.empty((*hyper, config.hyper), np.int32)
    for where, kept, to in windows(hyper, HYPER_SIDE, HYPER_REACH):
        size, sides = _sides(where, HYPER_STRIDE)
        part = filled(continued(y, scaled(where, HYPER_STRIDE)), sides, HYPER_STRIDE)
        found = jax.device_get(_quantised(config, params, part, size))
        inside = y_hat[scaled(to, HYPER_STRIDE)]
        inside[:] = found[0][scaled(kept, HYPER_STRIDE)][: inside.shape[0], : inside.shape[1]]
        if config.has_hyperprior:
            z_hat[to] = found[1][kept]
    return y_hat, z_hat if config.has_hyperprior else np.zeros((0, 0, 0), np.int32)


def synthesise(config: ModelConfig, params: Any, y_hat: np.ndarray, gray: bool, tick: Tick = silent) -> np.ndarray:
    """Latents [h, w, M] as of `LatentCodec.shown` -> uint8 [S h, S w, 3], S the stride; planes are equal for `gray`."""
    size = y_hat.shape[:2]
    parts = windows((size[0], size[1]), SIDE, reach(config))
    pixels = np.empty((config.stride * size[0], config.stride * size[1], 3), np.uint8)
    tick(0, len(parts))
    for done, (where, kept, to) in enumerate(parts, 1):
        size, sides = _sides(where)
        found = np.asarray(_shown(config, params, filled(y_hat[where], sides), gray, size))
        pixels[scaled(to, config.stride)] = found[scaled(kept, config.stride)]
        tick(done, len(parts))
    return pixels


def synthesise_many(config: ModelConfig, params: Any, y_hat: np.ndarray, gray: np.ndarray) -> np.ndarray:
    """`synthesise` of small pictures of one size, in one program: [B, h, w, M] and bool [B]."""
    return np.asarray(_synthesis_of_many(config, params, y_hat, gray))


def compile_synthesis(config: ModelConfig, params: Any, room: Room) -> None:
    """Compile `synthesise` for latents of this `room`. Errors are ignored here, since `synthesise` will raise them."""
    window = jax.ShapeDtypeStruct((*room, config.latents), jnp.float32 if config.centred else jnp.int32)
    with contextlib.suppress(Exception):
        arguments = config, params, window, False, np.array(room, np.int32)
        _shown.programs.program(*arguments).lower(*arguments).compile()
        trim()


def room(size: tuple[int, int]) -> Room:
    """The room of the program for latents of `size`, or for their windows."""
    return _room((min(size[0], SIDE), min(size[1], SIDE)))


def _room(size: tuple[int, int], unit: int = 1) -> Room:
    # the room of a window's program, in units of so many latents
    eight, sixteen, wide, _, long, *_ = sides = [side // unit for side in SIDES]
    rows, columns = (min((side for side in sides if side >= n), default=n) for n in size)
    longest = max(rows, columns)
    least = eight if longest <= eight else wide if sixteen < longest < long else sixteen
    return max(rows, least), max(columns, least)


def float_bits(config: ModelConfig, params: Any, y_hat: np.ndarray, z_hat: np.ndarray) -> float:
    """The float model's information content of y_hat [h, w, M] and z_hat, in bits."""
    if not config.has_hyperprior:
        scales = sum(_bits_of_scale(config, params, y_hat, scale) for scale in range(config.coarsest))
        return scales + _bits_of_prior(config, params, y_hat)
    total = 0.0
    for where, kept, _ in windows((z_hat.shape[0], z_hat.shape[1]), HYPER_SIDE, HYPER_REACH):
        size, sides = _sides(where, HYPER_STRIDE)
        y, z = y_hat[scaled(where, HYPER_STRIDE)], z_hat[where]
        planes = filled(y, sides, HYPER_STRIDE), filled(z, sides)
        ends = np.array(y.shape[:2], np.int32)
        bits_y, bits_z = jax.device_get(_bits(config, params, *planes, size, ends))
        bits_y = bits_y[: y.shape[0], : y.shape[1]]
        total += bits_y[scaled(kept, HYPER_STRIDE)].sum(dtype=np.float64) + bits_z[kept].sum(dtype=np.float64)
    return total


def _bits_of_scale(config: ModelConfig, params: Any, y_hat: np.ndarray, scale: int) -> float:
    # for a progressive model, in windows of whole blocks, so that a window has the guesses of its blocks
    assert config.msp is not None
    at, block, sees, total = progressive.subsampled(scale), config.msp.block, reach_of_blocks(config.msp), 0.0
    plane = y_hat[at, at]
    blocks = progressive.folded_size((plane.shape[0], plane.shape[1]), block)
    for where, kept, _ in windows(blocks, max(BLOCKS, 4 * sees), sees):
        size, sides = _sides(where)
        rows, columns = (slice(n * s.start, n * s.stop) for s, n in zip(where, block, strict=True))
        part = plane[rows, columns]
        guess = progressive.guesses(part[1::2, 1::2], (part.shape[0], part.shape[1]), block)
        planes = (filled(a, sides) for a in (*progressive.truths(part, block), guess))
        total += np.asarray(_scale_bits(config, params, *planes, np.int32(scale), size))[kept].sum(dtype=np.float64)
    return total


def _bits_of_prior(config: ModelConfig, params: Any, y_hat: np.ndarray) -> float:
    # the bits of the part of y that the prior codes
    at, total = progressive.subsampled(config.coarsest), 0.0
    plane = y_hat[at, at]
    for where, kept, _ in windows((plane.shape[0], plane.shape[1]), SIDE, 0):
        part = filled(plane[where], _sides(where)[1])
        total += np.asarray(_prior_bits(config, params, part))[kept].sum(dtype=np.float64)
    return total


def continued(plane: np.ndarray, where: Slices) -> np.ndarray:
    """A part of a plane [h, w, C] that is continued without end by its last row and column."""
    part = plane[where]
    edges = [(0, s.stop - s.start - n) for s, n in zip(where, part.shape[:2], strict=True)]
    return np.pad(part, (*edges, (0, 0)), mode="edge") if np.any(edges) else part


def _sides(where: Slices, unit: int = 1) -> tuple[np.ndarray, Room]:
    # rows and columns of a window, and the room of its program, in units of so many latents
    size = where[0].stop - where[0].start, where[1].stop - where[1].start
    return np.array(size, np.int32), _room(size, unit)


def filled(plane: np.ndarray, room: Room, unit: int = 1) -> np.ndarray:
    """A plane [h, w, ...] filled up with zeros to a `room`, with `unit` samples for each latent on each axis."""
    more = [(0, unit * side - n) for side, n in zip(room, plane.shape[:2], strict=True)]
    return np.pad(plane, [*more, *[(0, 0)] * (plane.ndim - 2)]) if np.any(more) else plane


@latest(PROGRAMS, static=1)
def _bits(config: ModelConfig, params: Any, y_hat: jax.Array, z_hat: jax.Array, size: jax.Array, ends: jax.Array):
    """Bits of each position of y_hat [4h, 4w, M] and of z_hat [h, w, N], summed over channels.

    z_hat ends at `size`, and y_hat at `ends`: int32 [2] both.
    """
    arguments = (y_hat[None].astype(jnp.float32), z_hat[None].astype(jnp.float32))
    with within(size, len(z_hat), space_channel=ends):
        bits_y, bits_z = apply(config, params, *arguments, method=Model.element_bits)
    return bits_y[0].sum(-1), bits_z[0].sum(-1)


@latest(PROGRAMS, static=1)
def _scale_bits(config: ModelConfig, params: Any, folded: Any, inside: Any, guess: Any, scale: Any, size: Any):
    """Bits of each block, summed over its latents, for a scale's `truths` and `guesses` int32 [h, w, places, M]."""
    folded, guess = (a[None].astype(jnp.float32) for a in (folded, guess))
    with within(size, folded.shape[1]):
        return apply(config, params, folded, inside, guess, scale, method=Model.scale_bits)[0].sum((-2, -1))


@latest(PROGRAMS, static=1)
def _prior_bits(config: ModelConfig, params: Any, y_hat: jax.Array) -> jax.Array:
    """Bits of each position of y_hat [h, w, M] under the prior, summed over channels."""
    return apply(config, params, y_hat[None].astype(jnp.float32), method=Model.prior_bits)[0].sum(-1)


@latest(PROGRAMS, static=1)
def _ungained(config: ModelConfig, params: Any, pixels: jax.Array, size: jax.Array) -> jax.Array:
    """uint8 [S h, S w, 3 or 1] -> y float32 [h, w, M], S the stride."""
    x = jnp.broadcast_to(pixels[None], (1, *pixels.shape[:2], 3)).astype(jnp.float32) / 255
    with within(size, len(pixels) // config.stride):
        return apply(config, params, x, method=Model.ungained)[0]


@latest(PROGRAMS, static=1)
def _quantised(config: ModelConfig, params: Any, y: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """y [4h, 4w, M] -> y_hat and z_hat [h, w, N], int32, not clamped."""
    y = apply(config, params, y[None], method=Model.gained)
    with within(size, y.shape[1] // HYPER_STRIDE):
        z = apply(config, params, y, method=Model.hyper_analysis)
    y_hat, z_hat = (jnp.clip(jnp.round(a[0]), -_WIDEST, _WIDEST).astype(jnp.int32) for a in (y, z))
    return y_hat, z_hat


@latest(PROGRAMS, static=1)
def _shown(config: ModelConfig, params: Any, y_hat: jax.Array, gray: jax.Array, size: jax.Array) -> jax.Array:
    """`_synthesis` of latents of `size` in a larger room."""
    with within(size, len(y_hat)):
        return _synthesis(config, params, y_hat, gray)


def _synthesis(config: ModelConfig, params: Any, y_hat: jax.Array, gray: jax.Array) -> jax.Array:
    # `gray` is traced: one program a size for both
    x_hat = apply(config, params, y_hat[None].astype(jnp.float32), method=Model.synthesis)[0]
    x_hat = jnp.where(gray, x_hat.mean(axis=-1, keepdims=True), x_hat)
    return jnp.round(jnp.clip(x_hat, 0, 1) * 255).astype(jnp.uint8)


@latest(PROGRAMS, static=1)
def _synthesis_of_many(config: ModelConfig, params: Any, y_hat: jax.Array, gray: jax.Array) -> jax.Array:
    return jax.vmap(_synthesis, (None, None, 0, 0))(config, params, y_hat, gray)
