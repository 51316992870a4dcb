"""Symbols as binary decisions: what a reader asks is what the writer was asked, and it costs what the model says."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.entropy import decisions
from gllmm_jax.prob.distributions import Tables
from gllmm_jax.walk import walk
from gllmm_jax.walk.latents import estimated_bits, prepare
from tests.codec.twins import ALONE, ELIC, MU, PLAIN, SEEDS, STATIC, carried, twin


class Tape:
    """A coder without loss or rounding: keeps answers, and plays them to a reader that asks the same."""

    def __init__(self):
        self.kept, self.place, self.bits = [], 0, 0.0

    def decide(self, numbers, answers):
        if answers is None:
            asked, answers = self.kept[self.place]
            self.place += 1
            assert np.array_equal(asked, numbers)
            return answers
        yes = decisions.probabilities()[numbers] / 65536
        self.bits -= np.log2(np.where(answers, yes, 1 - yes)).sum()
        self.kept.append((numbers, answers))
        return answers


def test_distributions_are_fine_and_symmetric():
    yes, number = decisions.probabilities(), decisions.numbers()
    assert (np.diff(yes) > 0).all() and (yes + yes[::-1] == 65536).all()
    assert set(number) == set(range(len(yes)))
    q = np.arange(1, 65536) / 65536
    p = yes[number[1:]] / 65536
    loss = q * np.log2(q / p) + (1 - q) * np.log2((1 - q) / (1 - p))
    assert loss.min() + 1e-12 >= 0 and loss.max() < 3e-4  # bits a decision


@pytest.mark.parametrize(
    ("config", "size"),
    [*itertools.product([MU, PLAIN, SEEDS, ALONE, STATIC], [(1, 1), (7, 3), (16, 24)]), (ELIC, (7, 3))],
    ids=lambda value: getattr(value, "preset", None),
)
def test_a_reader_asks_what_the_writer_was_asked(config, size):
    y, z = carried(config, *size)
    content = prepare(twin(config), y, z)
    tape, static = Tape(), content.model.static()
    decisions.symbols(tape, static, content.symbols)
    for values in (y, None):  # written, then read
        if values is None:
            assert np.array_equal(decisions.symbols(tape, static, None), content.symbols)
        known, _ = content.model.begin(content.symbols, content.outliers.plane(y.shape))
        assert np.array_equal(walk.decide(tape, content.stages, known, values), y)
    assert tape.place == len(tape.kept)
    ideal = sum(estimated_bits(twin(config), y, z)[:2])
    # rounded probabilities cost nothing on average, but for latents that a model does not expect at all
    assert abs(tape.bits - ideal) < (0.006 if config in (ALONE, ELIC) else 0.0005) * ideal + 4


def test_what_is_certain_is_not_asked():
    """Three symbols, the last of which is never left: first whether it is the last, which all are, and no more."""
    table = np.array([0, 1, 2, 65536], np.int32)[None, :, None].repeat(20, 0).repeat(2, 2)
    table[:, :, 1] = [0, 65534, 65535, 65536]
    tape = Tape()
    values = np.tile(np.array([2, 0], np.int32), (20, 1))
    decisions.latents(tape, Tables(jnp.asarray(table)), 20, values)
    assert np.array_equal(decisions.latents(tape, Tables(jnp.asarray(table)), 20, None), values)
    # of each pair one question finds the 2, and two the 0
    assert sum(len(numbers) for numbers, _ in tape.kept) == 20 + 40


def test_positions_that_are_none_are_not_asked():
    table = np.arange(0, 65537, 16384, dtype=np.int32)[None, :, None].repeat(8, 0)
    tape = Tape()
    assert not decisions.latents(tape, Tables(jnp.asarray(table)), 3, np.ones((3, 1), np.int32))[3:].any()
    assert sum(len(numbers) for numbers, _ in tape.kept) == 3 * 2
