"""Latents to bytes and back: exact at any size, close to the model's own estimate, and safe on damaged bytes."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.container import varint
from gllmm_jax.entropy import rans
from gllmm_jax.errors import BitstreamError
from gllmm_jax.order import hyper
from gllmm_jax.order.context import Context
from gllmm_jax.walk import interleaved, loops, walk
from gllmm_jax.walk.latents import clamp_latents, decode_latents, encode_latents, estimated_bits, prepare
from tests.codec.twins import ALONE, BOARD, ELIC, FAST, MU, PLAIN, SEEDS, STATIC, carried, twin

SIZES = [(1, 1), (1, 5), (5, 1), (7, 3), (16, 24)]


CONFIGS = [MU, PLAIN, BOARD, FAST, SEEDS, ALONE, STATIC]


@pytest.mark.parametrize(
    ("config", "size"),
    [*itertools.product(CONFIGS, SIZES), (ELIC, (1, 1)), (ELIC, (7, 3))],
    ids=lambda value: getattr(value, "preset", None),
)
def test_round_trip_and_rate(config, size):
    y, z = carried(config, *size)
    data = encode_latents(twin(config), y, z)
    y_again, z_again = decode_latents(twin(config), data, size)
    assert (y_again == y).all() and (z_again == z).all()
    bits = estimated_bits(twin(config), y, z)
    lanes = rans.lane_count(y.size, config.latents)
    assert 0 < len(data) - sum(bits) / 8 < 1.5 + 4 * lanes + 0.0005 * len(data)


@pytest.mark.parametrize("config", [MU, SEEDS], ids=lambda c: c.preset)
@pytest.mark.parametrize("lanes", [2, 16])
def test_any_number_of_lanes(config, lanes, monkeypatch):
    monkeypatch.setattr(rans, "lane_count", lambda symbols, channels: lanes)
    y, z = carried(config, 7, 10)
    y_again, z_again = decode_latents(twin(config), encode_latents(twin(config), y, z), (7, 10))
    assert (y_again == y).all() and (z_again == z).all()


def test_large_planes_are_worked_on_in_parts(monkeypatch):
    """Whatever the parts, the same stream."""
    y, z = carried(MU, 37, 22)
    y[:, 5, 3] = 5000  # some outliers in every part
    whole, seen = encode_latents(twin(), y, z), []
    monkeypatch.setattr(walk, "GROUP", 16)
    monkeypatch.setattr(walk, "SMALL_GROUP", 0)
    monkeypatch.setattr(walk, "GROUPS", 8)
    monkeypatch.setattr(hyper, "HYPER_SIDE", 9)
    monkeypatch.setattr(interleaved, "BLOCK", 200)
    monkeypatch.setattr(walk, "SEGMENT", 16)
    assert encode_latents(twin(), y, z, progress=lambda *found: seen.append(found)) == whole
    y_again, z_again = decode_latents(twin(), whole, (37, 22), progress=lambda *found: seen.append(found))
    assert (y_again == y).all() and (z_again == z).all()
    for stage, least in [("probabilities", 5), ("coding", 5), ("decoding", 5)]:
        counts = [(done, total) for name, done, total in seen if name == stage]
        assert counts == [(i, len(counts) - 1) for i in range(len(counts))] and len(counts) > least


@pytest.mark.parametrize("config", [MU, BOARD, FAST, SEEDS, ALONE, STATIC, ELIC], ids=lambda c: c.preset)
def test_decoder_parameters_equal_the_encoders(config, monkeypatch):
    """A decoder that sees only what it has decoded gets the numbers of an encoder that saw everything."""
    y, z = carried(config, 9, 6)
    monkeypatch.setattr(walk, "SMALL_GROUP", 0)
    monkeypatch.setattr(walk, "GROUP", 54)
    whole = prepare(twin(config), y, z)
    monkeypatch.setattr(walk, "GROUP", 1)
    for a, b in zip(whole.intervals, prepare(twin(config), y, z).intervals, strict=True):
        assert np.array_equal(a, b)
    # garbage wherever nothing was decoded yet changes nothing of a group
    before: Any
    before = np.full_like(y, 99)
    before.flat[whole.model.positions()] = 0
    before, _ = whole.model.begin(whole.symbols, before)
    for stage in whole.stages:
        truth, plane = np.asarray(stage.plane(y)), np.array(stage.plane(before))
        for program, known, schedule, _, first in stage.parts:
            for number, (rows, count) in enumerate(zip(schedule.rows, schedule.counts, strict=True)):
                at = np.maximum(rows, 0)
                if number % max(len(schedule.counts) // 6, 1) == 0:
                    given = ((stage.known(latents), known, seen) for latents, seen in ((y, truth), (before, plane)))
                    full, part = (_mixtures(program, *each, at) for each in given)
                    assert all(np.array_equal(a[:count], b[:count]) for a, b in zip(full, part, strict=True))
                last = first + getattr(program, "width", y.shape[-1])
                plane[rows[:count], first:last] = truth[rows[:count], first:last]
        before = stage.written(before, jnp.asarray(plane))
    assert np.array_equal(before, y)


@functools.partial(jax.jit, static_argnums=0)
def _mixtures(program, stage, part, plane, rows):
    return program.distribute(program.prepare(stage, part, plane), plane, rows).mix


@pytest.mark.parametrize("config", [MU, FAST, STATIC], ids=lambda c: c.preset)
def test_latents_beyond_their_windows_are_listed(config):
    y, z = carried(config, 9, 8)
    ordinary = prepare(twin(config), y, z).outliers
    y[..., 3] = -8191
    y[2, 2, 5] = 8191
    assert (clamp_latents(twin(config), y, z)[0] == y).all()
    content = prepare(twin(config), y, z)
    places, values = content.outliers
    assert len(ordinary.indices) < len(places) - 20
    assert (2 * 8 + 2) * config.latents + 5 in places and (np.abs(values) <= 8191).all()
    assert (content.intervals.first <= content.intervals.last).all()
    data = encode_latents(twin(config), y, z)
    assert data[0] == len(places)
    assert (decode_latents(twin(config), data, (9, 8))[0] == y).all()


def outliers(*numbers):
    return b"".join(map(varint.write, numbers))


@pytest.mark.parametrize(
    "head",
    [outliers(321), outliers(1, 320, 2), outliers(2, 5, 2, 0, 2), outliers(1, 0, 2 * 8192), outliers(1), b"\x80" * 9],
)
def test_impossible_lists_of_outliers(head):
    """Of 320 latents: too many, beyond the last, twice the same, too large, cut short, without end."""
    with pytest.raises(BitstreamError, match="outliers"):
        decode_latents(twin(), head, (5, 4))


def test_what_a_stream_cannot_carry():
    y, z = carried(MU, 4, 4)
    with pytest.raises(ValueError, match="clamp_latents"):
        encode_latents(twin(), y * 0 + 9000, z)
    with pytest.raises(ValueError, match="clamp_latents"):
        encode_latents(twin(), y, z + 1000)
    with pytest.raises(ValueError, match="shapes"):
        encode_latents(twin(), y, z[:, :0])
    y, z = clamp_latents(twin(), y * 0 + 9000, z + 1000)
    assert y.max() == 8191 and (decode_latents(twin(), encode_latents(twin(), y, z), (4, 4))[1] == z).all()


def test_every_truncation_is_an_error():
    data = encode_latents(twin(), *carried(MU, 5, 4))
    for n in range(len(data)):
        with pytest.raises(BitstreamError):
            decode_latents(twin(), data[:n], (5, 4))
    with pytest.raises(BitstreamError):
        decode_latents(twin(), data + b"\0", (5, 4))


def test_a_short_stream_cannot_announce_much(monkeypatch):
    """Neither networks nor planes of the announced size are made where z alone asks for more bytes than there are."""
    data = encode_latents(twin(), *carried(MU, 5, 4))
    monkeypatch.delattr(Context, "stages")
    with pytest.raises(BitstreamError, match="truncated"):
        decode_latents(twin(), data, (375, 375))


def test_a_cut_stream_stops_the_walk():
    """The group that reads past the end is the last: nothing after it is decoded."""
    y, z = carried(MU, 16, 24)
    content = prepare(twin(), y, z)
    stream = interleaved.encode(content)
    states, data = rans.unpack(stream[: len(stream) * 3 // 4], rans.lane_count(y.size, MU.latents))
    static = content.model.static()
    rows = jnp.asarray(static.rows).reshape(-1, len(states))
    source, lanes = rans.source(data), rans.Lanes(jnp.asarray(states), jnp.int32(0))
    _, lanes = rans.decode_static(jnp.asarray(static.table), rows, jnp.int32(len(rows)), source, lanes)
    (stage,) = content.stages
    (part,) = stage.parts
    plane = stage.plane(content.outliers.plane(y.shape))
    distribute = functools.partial(part.program.distribute, part.program.prepare(stage.known(y), part.known, plane))
    plane, lanes = jax.jit(functools.partial(loops.decode, distribute))(plane, part.schedule, source, lanes)
    found = stage.written(np.zeros_like(y), plane)
    i, j = np.nonzero((found == y).all(-1))
    assert (j + 3 * i).max() > 40 and not found[-1, -1].any()  # of 69 groups
    i, j = np.nonzero(found.any(-1))
    assert 40 < (j + 3 * i).max() < 60
    with pytest.raises(BitstreamError, match="truncated"):
        rans.check_within(lanes, source)


def test_flipped_bits_are_errors_or_other_latents():
    y, z = carried(MU, 5, 4)
    data = encode_latents(twin(), y, z)
    errors, key = 0, np.random.default_rng(0)
    for place in key.integers(0, 8 * len(data), 200):
        bad = bytearray(data)
        bad[place // 8] ^= 1 << (place % 8)
        try:
            y_bad, z_bad = decode_latents(twin(), bytes(bad), (5, 4))
            # bits that pad the head to whole bytes mean nothing
            assert y_bad.shape == y.shape and z_bad.shape == z.shape
        except BitstreamError:
            errors += 1
    assert errors >= 190


def test_another_model_or_size_is_an_error():
    data = encode_latents(twin(), *carried(MU, 5, 4))
    with pytest.raises(BitstreamError):
        decode_latents(twin(seed=1), data, (5, 4))
    with pytest.raises(BitstreamError):
        decode_latents(twin(), data, (4, 5))
    with pytest.raises(BitstreamError):
        decode_latents(twin(), b"", (4, 5))
