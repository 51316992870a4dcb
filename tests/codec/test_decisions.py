"""Symbols as binary decisions: what a reader asks is what the writer was asked, and it costs what the model says."""

import numpy as np
import pytest

from gllmm_jax.codec import context_walk, decisions
from gllmm_jax.codec.latents import estimated_bits, prepare
from tests.codec.twins import MU, PLAIN, SEEDS, carried, twin


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


@pytest.mark.parametrize("config", [MU, PLAIN, SEEDS], ids=lambda c: c.preset)
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (16, 24)])
def test_a_reader_asks_what_the_writer_was_asked(config, size):
    y, z = carried(config, *size)
    static, around, content = prepare(twin(config), y, z)
    tape = Tape()
    decisions.symbols(tape, static, content.symbols)
    decisions.latents(tape, around, content.outliers, y)
    assert np.array_equal(decisions.symbols(tape, static, None), content.symbols)
    assert np.array_equal(decisions.latents(tape, around, content.outliers, None), y)
    assert tape.place == len(tape.kept)
    ideal = sum(estimated_bits(twin(config), y, z)[:2])
    assert abs(tape.bits - ideal) < 0.0005 * ideal + 4


def test_what_is_certain_is_not_asked(monkeypatch):
    y, z = carried(MU, 5, 4)
    y = np.zeros_like(y)
    y[..., 3] = 1
    _, around, content = prepare(twin(), y, z)
    mixtures = context_walk.mixtures

    def narrow(*args):
        mix, rows = mixtures(*args)
        return mix._replace(radius=np.broadcast_to(y[0, :1], mix.radius.shape)), rows

    monkeypatch.setattr(context_walk, "mixtures", narrow)
    tape = Tape()
    decisions.latents(tape, around, content.outliers, y)
    # one channel of -1, 0, 1: first whether at least 1, which all are, and then there is nothing above 1
    assert sum(len(numbers) for numbers, _ in tape.kept) == 20
