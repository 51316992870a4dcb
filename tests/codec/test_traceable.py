"""The pure functions give what the codec gives, under jit and vmap."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.walk import latents, traceable
from tests.codec.twins import ALONE, BOARD, ELIC, FAST, MU, PARTED, STATIC, carried, draw, twin


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (MU, (1, 1)),
        (MU, (7, 10)),
        (BOARD, (7, 10)),
        (ELIC, (7, 3)),
        (FAST, (1, 1)),
        (FAST, (9, 8)),
        (ALONE, (7, 10)),
        (STATIC, (7, 10)),
    ],
    ids=lambda value: getattr(value, "preset", None),
)
def test_same_streams_and_same_latents(config, size):
    pairs = [carried(config, *size, seed=seed) for seed in range(3)]
    pairs[2][0][::7, ::7, 0] = -8191  # outliers, of the coarsest scale too
    y, z = (jnp.asarray(np.stack(arrays)) for arrays in zip(*pairs, strict=True))
    streams = jax.jit(jax.vmap(functools.partial(traceable.encode_latents, twin(config))))(y, z)
    for i, pair in enumerate(pairs):
        assert traceable.pack(jax.tree.map(lambda a, i=i: a[i], streams)) == latents.encode_latents(twin(config), *pair)
    decode = jax.jit(jax.vmap(functools.partial(traceable.decode_latents, twin(config))))
    y_again, z_again, whole = decode(streams)
    assert np.array_equal(y_again, y) and np.array_equal(z_again, z) and whole.all()
    damaged = streams._replace(data=streams.data.at[1, 3].add(7))
    assert list(decode(damaged)[2]) == [True, False, True]


def test_inside_a_function_of_ones_own():
    """Nothing of the trace stays with the twin: the codec works on. The twin is that of one quality of several."""
    fresh = type(twin())(PARTED, twin(PARTED).arrays).at(77)
    y, z = latents.clamp_latents(fresh, *draw(PARTED, 4, 5))

    @jax.jit
    def length_and_back(y, z):
        stream = traceable.encode_latents(fresh, y, z)
        return stream.length, traceable.decode_latents(fresh, stream)[0]

    length, back = length_and_back(y, z)
    data = latents.encode_latents(fresh, y, z)
    assert np.array_equal(back, y) and 0 < int(length) < len(data)
