"""What the exact path is made of, read from its programs: no operation whose result a compiler or device may choose.

Sums and products of floats are whole numbers below 2^24 by proof (`twin.proof`), so they are exact in any order.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gllmm_jax.entropy import rans
from gllmm_jax.twin.integer import twin_from_arrays
from gllmm_jax.walk import traceable
from tests.codec.twins import ALONE, BOARD, ELIC, FAST, MU, PLAIN, SEEDS, STATIC, carried, twin

SIZE, LANES = (8, 12), 4

MOVES = "broadcast_in_dim concatenate copy dynamic_slice dynamic_update_slice gather iota pad scatter select_n slice"
LAYOUT = "reshape split squeeze stack tile transpose unstack"
COMPARISONS = "and argmax clamp eq ge gt le lt max min ne or reduce_and reduce_max"
INTEGERS = "clz cumsum div rem shift_left shift_right_arithmetic shift_right_logical reduce_sum scatter-add"
WHOLE_NUMBERS = "abs add mul neg sub convert_element_type dot_general floor"
CONTROL = "cond device_put jit pjit scan while"
FOR_INTEGERS_ALONE = set(INTEGERS.split())
ALLOWED = {name for names in (MOVES, LAYOUT, COMPARISONS, INTEGERS, WHOLE_NUMBERS, CONTROL) for name in names.split()}
"""Primitives with one result everywhere; no exp, no sqrt, no convolution."""


def equations(jaxpr: Any) -> Iterator[Any]:
    """All equations of a jaxpr, those of its loops, branches and calls too."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(inner):
                yield from equations(getattr(inner, "jaxpr", inner))


def _is_program(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def faults(function: Callable[..., Any], *arguments: Any) -> set[str]:
    """What a program does that is not exact."""
    found = set()
    for equation in equations(jax.make_jaxpr(function)(*arguments).jaxpr):
        name = equation.primitive.name
        kinds = {np.dtype(value.aval.dtype).kind for value in (*equation.invars, *equation.outvars)}
        if name not in ALLOWED or ("f" in kinds and name in FOR_INTEGERS_ALONE):
            found.add(f"{name} of {''.join(sorted(kinds))}")
        elif name == "dot_general" and equation.params["precision"] != (lax.Precision.HIGHEST,) * 2:
            found.add(f"dot_general at {equation.params['precision']}")
    return found


CONFIGS = [MU, PLAIN, BOARD, FAST, SEEDS, ALONE, STATIC, ELIC]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.preset)
@pytest.mark.parametrize("function", [traceable.encode_latents, traceable.decode_latents], ids=["encode", "decode"])
def test_every_operation_of_the_walk_is_exact(config, function):
    """Of the loops, of all programs in them, of hyper-synthesis and of the coder."""
    given = jax.device_put(carried(config, *SIZE))
    if function is traceable.decode_latents:
        given = (jax.eval_shape(functools.partial(traceable.encode_latents, twin(config)), *given),)
    assert faults(jax.tree_util.Partial(function, twin(config)), *given) == set()


def test_the_static_table_is_read_exactly():
    source, lanes = rans.source(np.zeros(8, np.uint8)), rans.Lanes(jnp.zeros(LANES, jnp.uint32), jnp.int32(0))
    table, rows = jnp.zeros((3, 9), jnp.int32), jnp.zeros((5, LANES), jnp.int32)
    assert faults(rans.decode_static, table, rows, 5, source, lanes) == set()


X, N = jnp.ones((4, 4)), jnp.ones((4, 4), jnp.int32)


@pytest.mark.parametrize(
    ("fault", "function"),
    [
        ("exp of f", lambda: jnp.exp(X)),
        ("div of f", lambda: X / 3),
        ("reduce_sum of f", lambda: X.sum()),
        ("dot_general at None", lambda: X @ X),
        ("logistic of f", lambda: jax.nn.sigmoid(X)),
        ("rsqrt of f", lambda: lax.while_loop(lambda x: True, lax.rsqrt, X)),
        ("sin of f", lambda: lax.map(lambda x: jax.jit(jnp.sin)(x), X)),
        ("tanh of f", lambda: lax.cond(N[0, 0] > 0, jnp.tanh, lambda x: x, X)),
        ("conv_general_dilated of f", lambda: lax.conv(X[None, None], X[None, None], (1, 1), "VALID")),
    ],
)
def test_a_fault_is_found_wherever_it_hides(fault, function):
    assert fault in faults(function)
    assert faults(lambda: lax.div(N, N) + N.sum()) == set()


def test_operands_that_some_hardware_would_cut():
    """An activation of 17 bits, its weights so small that no sum passes 2^24."""
    arrays = {name: array.copy() for name, array in twin().arrays.items()}
    arrays["dense1.kernel"] = np.zeros_like(arrays["dense1.kernel"])
    arrays["dense0.limit"] = np.full_like(arrays["dense0.limit"], 1 << 16, np.int32)
    with pytest.raises(ValueError, match=r"layer dense1: operands may pass 2\^16"):
        twin_from_arrays(MU, arrays)
    twin_from_arrays(MU, arrays | {"dense0.limit": arrays["dense0.limit"] - 1})
