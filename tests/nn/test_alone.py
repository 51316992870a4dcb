"""Each network of the public list by itself: batch axes, dtypes, forward mode, and what its words mean."""

import functools
import inspect
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax import nn, prob
from gllmm_jax.config import VariableRate

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 8, 8, 4)), jnp.float32)

PARTS = [
    nn.GDN(),
    nn.GDN(inverse=True),
    nn.PlainResidual(),
    nn.LeakyResidual(),
    nn.ConcatenatedResidual(stages=3),
    nn.Attention(),
    nn.Down(6),
    nn.Up(),
    nn.HyperAnalysis(6),
    nn.HyperSynthesis(6, 10),
    nn.MaskedContext(4),
    nn.MaskedContext(4, order="checkerboard", features=3),
    nn.EntropyParameters(4, hidden=(5, 6)),
    nn.FactorizedPrior(4),
]


@functools.partial(jax.jit, static_argnums=0)
def called(part: linen.Module, variables, x) -> Any:
    arguments = (None, x) if isinstance(part, nn.EntropyParameters) else (x,)
    return part.apply(variables, *arguments)


@functools.partial(jax.jit, static_argnums=(0, 1))
def started(part: linen.Module, dtype: Any = jnp.float32):
    x = X[0].astype(dtype)
    arguments = (None, x) if isinstance(part, nn.EntropyParameters) else (x,)
    return part.init(jax.random.key(0), *arguments)


def of(part: linen.Module) -> str:
    return type(part).__name__


def test_all_of_the_list_are_here():
    listed = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name)) and name not in ("Model", "Output")}
    assert {of(part) for part in PARTS} == listed


@pytest.mark.parametrize("part", PARTS, ids=of)
def test_batch_axes_are_free(part):
    variables = started(part)
    whole = called(part, variables, X)
    assert whole.shape[:2] == X.shape[:2]
    for found in (called(part, variables, X[1]), jnp.stack([called(part, variables, x) for x in X[1]])):
        np.testing.assert_allclose(found, whole[1], rtol=1e-4, atol=1e-4)


def takes(module: type[linen.Module], word: str) -> bool:
    return word in inspect.signature(module).parameters


def test_the_documentation_names_the_modules_that_take_no_dtype():
    listed = [getattr(nn, name) for name in nn.__all__ if inspect.isclass(getattr(nn, name))]
    modules = [module for module in listed if issubclass(module, linen.Module)]
    for word in ("dtype", "param_dtype"):
        without = {module.__name__ for module in modules if not takes(module, word)}
        assert without == {"Model"} | ({"FactorizedPrior"} if word == "dtype" else set())
        assert all(f"`{name}` takes" in (nn.__doc__ or "") for name in without)


@pytest.mark.parametrize("part", [part for part in PARTS if hasattr(part, "dtype")], ids=of)
def test_dtypes_are_as_flax_has_them(part):
    half = part.clone(dtype=jnp.bfloat16)
    variables = started(half)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    found = called(half, variables, X)
    assert found.dtype == jnp.bfloat16
    wanted = called(part, variables, X)
    assert wanted.dtype == jnp.float32
    np.testing.assert_allclose(found.astype(np.float32), wanted, atol=0.05 * float(jnp.abs(wanted).max()))


@pytest.mark.parametrize("part", PARTS, ids=of)
def test_parameters_start_in_their_dtype(part):
    variables = started(part.clone(param_dtype=jnp.bfloat16), jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(jnp.bfloat16)}
    rates = isinstance(part, nn.FactorizedPrior)
    assert called(part, variables, X.astype(jnp.bfloat16)).dtype == (jnp.float32 if rates else jnp.bfloat16)


@pytest.mark.parametrize("given", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("kept", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("part", PARTS, ids=of)
def test_outputs_are_in_the_dtype_of_the_parameters(part, kept, given):
    """Shortcuts too, whatever comes in; rates in float32."""
    variables = jax.eval_shape(lambda: started(part.clone(param_dtype=kept)))
    found = jax.eval_shape(functools.partial(called, part), variables, jax.ShapeDtypeStruct(X.shape, given))
    assert found.dtype == (jnp.float32 if isinstance(part, nn.FactorizedPrior) else kept)


@pytest.mark.parametrize("part", PARTS, ids=of)
def test_forward_mode_agrees_with_reverse(part):
    """In the parameters and in the input: <J u, v> = <u, J^T v>, where nothing lies below a bound."""
    variables, rng = started(part), np.random.default_rng(1)

    def alike(tree):
        return jax.tree.map(lambda a: rng.normal(size=a.shape).astype(a.dtype), tree)

    primals = (jax.tree.map(lambda a: np.asarray(a) + np.float32(0.05), variables), X[0])
    tangents = alike(primals)
    cotangent = alike(jax.eval_shape(functools.partial(called, part), *primals))

    @jax.jit
    def both():
        function = functools.partial(called, part)
        return jax.jvp(function, primals, tangents)[1], jax.vjp(function, *primals)[1](cotangent)

    tangent, gradients = both()

    def product(a, b):
        return sum(float(np.vdot(a, b)) for a, b in zip(*map(jax.tree.leaves, (a, b)), strict=True))

    assert product(tangent, cotangent) == pytest.approx(product(tangents, gradients), rel=1e-3, abs=1e-3)
    assert product(tangent, tangent) > 0


@pytest.mark.parametrize("part", PARTS, ids=of)
def test_shapes_are_checked_in_the_tests(part):
    with pytest.raises(Exception, match="Type-check"):
        called(part, {}, jnp.ones((2, 8, 8, 4), jnp.int32))


def test_a_mistyped_word_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="one or more of gaussian, laplace, logistic, not "):
        started(nn.EntropyParameters(4, families=("laplacian",)))
    with pytest.raises(ValueError, match="no order 'rasters' of latents: choose one of raster, checkerboard, none"):
        started(nn.MaskedContext(4, order="rasters"))


def test_a_rate_takes_one_batch_axis():
    rate = VariableRate(anchors=2)
    for part in (nn.HyperAnalysis(6, rate=rate), nn.FactorizedPrior(4, rate=rate, grows=True)):
        params = jax.jit(nn.at_quality)(started(part)["params"], jnp.arange(3) * 100)
        assert called(part, {"params": params}, X[0]).shape[0] == 3


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_context_and_a_net_make_a_mixture(dtype):
    """Rates are float32 whatever the networks calculate in, of latents of any float type."""
    context = nn.MaskedContext(latents=4, dtype=dtype)
    seen = called(context, started(context), X)
    form: Any = {"hidden": (5, 6), "families": ("laplace", "logistic"), "components": 2, "dtype": dtype}
    net = nn.EntropyParameters(latents=4, **form)
    raw = jax.jit(net.init_with_output)(jax.random.key(1), seen, seen.astype(jnp.float32))[0]
    assert raw.dtype == dtype
    mixture = jax.jit(prob.split, static_argnums=(1, 2))(raw, net.families, net.components)
    assert {leaf.dtype for leaf in jax.tree.leaves(mixture)} == {np.dtype(np.float32)}
    for y in (X, X.astype(jnp.bfloat16)):
        bits = jax.jit(prob.bin_bits)(jnp.round(y), mixture)
        assert bits.shape == X.shape and bits.dtype == jnp.float32
    drawn = jax.jit(prob.sample)(jax.random.key(2), mixture)
    assert drawn.dtype == jnp.float32 and jax.jit(prob.cdf)(drawn.astype(dtype), mixture).dtype == jnp.float32
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), mixture)
    assert jax.jit(prob.log_mass)(X, half).dtype == jnp.float32
