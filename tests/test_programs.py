"""Programs of few shapes are kept."""

import gc
import weakref

import jax
import numpy as np
import pytest

from gllmm_jax import programs
from gllmm_jax.programs import latest


def doubling():
    """A function of a name and an array, and what it was traced with."""
    traced = []

    @latest(2, static=1)
    def double(name, x):
        traced.append((name, *x.shape))
        return 2 * x

    return double, traced


def test_the_latest_are_kept():
    double, traced = doubling()
    for n in (1, 2, 1, 3, 1):
        assert (double("a", np.ones(n, np.float32)) == 2).all()
    assert traced == [("a", 1), ("a", 2), ("a", 3)]  # the last had not gone: it was used after the second
    double("a", np.ones(2, np.float32))
    double("b", np.ones(2, np.float32))
    double("b", np.ones(2, np.int32))
    assert traced[3:] == [("a", 2), ("b", 2), ("b", 2)] and len(double.programs) == 2


def test_arguments_may_be_given_by_name():
    double, traced = doubling()
    x = np.ones(3, np.float32)
    for found in (double(name="a", x=x), double("a", x=x), double(x=x, name="a"), double("a", x)):
        assert (found == 2).all()
    assert traced == [("a", 3)]
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        double("a", y=x)


def test_a_program_that_goes_leaves_nothing_behind():
    double, _ = doubling()
    double("a", np.ones(1, np.float32))
    gone = weakref.ref(double.programs.program("a", np.ones(1, np.float32)))
    assert gone() is not None
    for n in (2, 3):
        double("a", np.ones(n, np.float32))
    gc.collect()
    assert gone() is None


def test_a_program_made_beforehand_is_the_one_that_runs():
    double, traced = doubling()
    shape = jax.ShapeDtypeStruct((4,), np.float32)
    double.programs.program("a", shape).lower("a", shape).compile()
    double("a", np.ones(4, np.float32))
    assert traced == [("a", 4)]


def test_memory_that_the_compiler_has_freed_goes_back_once_a_program(monkeypatch):
    trimmed = []
    monkeypatch.setattr(programs, "trim", lambda: trimmed.append(1))
    double, _ = doubling()
    for n in (1, 1, 2, 1):
        double("a", np.ones(n, np.float32))
    assert len(trimmed) == 2
