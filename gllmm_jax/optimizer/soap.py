"""SOAP: Adam in the eigenbases of Shampoo's preconditioners, as the two functions of a gradient transformation.

Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321, Algorithms 3 and 4.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

SMALLEST = 3
"""Smaller dimensions are not rotated."""

EARLY = 100
"""Number of first updates in which the bases change at every second update."""

# TF32, the default for float32 on many GPUs, would drown small gradients in the rounding errors of large ones
EXACT = lax.Precision.HIGHEST

Stacks = dict[str, jax.Array]
Places = dict[str, list[tuple[int, int]]]


class Transformation(NamedTuple):
    """`init(params) -> state` and `update(gradients, state, params) -> (updates, state)`, as optax takes them."""

    init: Callable[..., Any]
    update: Callable[..., tuple[Any, Any]]


class SoapState(NamedTuple):
    """State of `scale_by_soap` between updates. Its arrays are float32, except `step`.

    `step` is the number of updates so far, an int32 scalar. `mu` and `nu` are running means of the gradient and of its
    square, trees in the shape of the parameters. `mu` lies along the axes of the parameters, `nu` along the rotated
    axes. `grams` and `bases` are Shampoo's preconditioners and their eigenvectors, which are columns. Those of one size
    n form a stack: "n" -> [k, n, n], in the order of the leaves, with a kernel's input before its output.
    """

    step: jax.Array
    mu: Any
    nu: Any
    grams: Stacks
    bases: Stacks


def scale_by_soap(
    b1: float = 0.95,
    b2: float = 0.95,
    shampoo_beta: float = 0.95,
    eps: float = 1e-8,
    frequency: int = 10,
    max_dimension: int = 256,
) -> Transformation:
    """SOAP without a learning rate: multiply the updates by minus the rate.

    The last two dimensions of a kernel [..., in, out] are rotated. All leading positions, such as the taps of a
    convolution, share one basis for each. A dimension below `SMALLEST` or above `max_dimension` is not rotated. A leaf
    without a rotated dimension, such as a bias, gets plain Adam with `b1`, `b2` and `eps`.

    `shampoo_beta` is the decay of the preconditioners. One step of power iteration and QR updates their eigenbases,
    every `frequency` updates and at every second one of the first `EARLY` updates. The bases change at the end of an
    update, so that no gradient is seen in a basis made from itself.

    The first update gives zeros for rotated leaves. Its gradient only makes their first bases, and enters no moment, as
    published. In the eigenbases of a single gradient the gradient's matrix is diagonal, and Adam would scale the
    rounding errors off the diagonal up to full steps. Leaves with plain Adam move from the first update on.

    Gradients of any float type become float32, and the updates are float32. Raises `ValueError` if a decay is outside
    [0, 1) or `frequency` is below 1, and in an update if gradients have another structure than the parameters.

    On a CPU that other programs use too, set the environment variable OPENBLAS_NUM_THREADS to 1: LAPACK's threads wait
    for each other in busy loops, and a change of the bases can then take seconds.
    """
    if not all(0 <= decay < 1 for decay in (b1, b2, shampoo_beta)):
        raise ValueError(f"decays are in [0, 1), not {b1}, {b2} and {shampoo_beta}")
    if frequency < 1:
        raise ValueError(f"bases change every 1 or more updates, not every {frequency}")

    def init(params: Any) -> SoapState:
        mu, nu = (jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params) for _ in range(2))
        places = _places(jax.tree.leaves(params), max_dimension)
        bases = {size: jnp.tile(jnp.eye(int(size), dtype=jnp.float32), (len(at), 1, 1)) for size, at in places.items()}
        return SoapState(jnp.zeros((), jnp.int32), mu, nu, jax.tree.map(jnp.zeros_like, bases), bases)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, SoapState]:
        del params
        tree = jax.tree.structure(state.nu)
        gradients = [jnp.asarray(g, jnp.float32) for g in tree.flatten_up_to(updates)]
        places = _places(gradients, max_dimension)
        bases = _by_leaf(state.bases, places, len(gradients))
        leaves = zip(gradients, *map(jax.tree.leaves, (state.mu, state.nu)), bases, strict=True)
        adam = [_adam(state.step, leaf, b1, b2, eps) for leaf in leaves]
        out, mu, nu = ([leaf[i] for leaf in adam] for i in range(3))
        new = {size: jnp.stack([_gram(gradients[i], axis) for i, axis in at]) for size, at in places.items()}
        grams = {size: shampoo_beta * gram + (1 - shampoo_beta) * new[size] for size, gram in state.grams.items()}
        due = (state.step % frequency == 0) | ((state.step % 2 == 0) & (state.step < EARLY))
        bases, nu = lax.cond(due, _refresh(state, grams, places), lambda nu: (state.bases, nu), nu)
        mu, nu = tree.unflatten(mu), tree.unflatten(nu)
        return tree.unflatten(out), SoapState(state.step + 1, mu, nu, grams, bases)

    return Transformation(init, update)


def _places(leaves: Sequence[Any], max_dimension: int) -> Places:
    # size -> (number of a leaf, axis) of each rotated dimension of that size, in the order of the stacks
    places: Places = {}
    for i, leaf in enumerate(leaves):
        for axis in (-2, -1) if leaf.ndim > 1 else ():
            if SMALLEST <= leaf.shape[axis] <= max_dimension:
                places.setdefault(str(leaf.shape[axis]), []).append((i, axis))
    return places


def _by_leaf(bases: Stacks, places: Places, leaves: int) -> list[dict[int, jax.Array]]:
    # the bases of each leaf, by axis
    found: list[dict[int, jax.Array]] = [{} for _ in range(leaves)]
    for size, at in places.items():
        for k, (i, axis) in enumerate(at):
            found[i][axis] = bases[size][k]
    return found


def _adam(step: jax.Array, leaf: tuple[Any, ...], b1: float, b2: float, eps: float) -> tuple[Any, Any, Any]:
    # (gradient, mu, nu, bases) -> (step, mu, nu); a rotated leaf does not move in the first update
    gradient, mu, nu, bases = leaf
    counted = jnp.where(step == 0, 0.0, gradient) if bases else gradient
    updates = (jnp.maximum(step, 1) if bases else step + 1).astype(jnp.float32)
    mu = b1 * mu + (1 - b1) * counted
    nu = b2 * nu + (1 - b2) * _rotate(counted, bases) ** 2
    mean, square = _rotate(mu, bases) / (1 - b1**updates), nu / (1 - b2**updates)
    out = mean / (jnp.sqrt(square) + eps)
    return _rotate(out, {axis: basis.T for axis, basis in bases.items()}), mu, nu


def _rotate(x: jax.Array, bases: dict[int, jax.Array]) -> jax.Array:
    # [..., in, out] in the coordinates of the columns of `bases`, by axis
    for axis, basis in bases.items():
        x = jnp.einsum("...io,ij->...jo" if axis == -2 else "...io,oj->...ij", x, basis, precision=EXACT)
    return x


def _gram(x: jax.Array, axis: int) -> jax.Array:
    # product of one axis with itself, summed over all others, as one matrix product, which einsum does not find
    rows = jnp.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) if axis == -2 else x.reshape(-1, x.shape[-1]).T
    return jnp.matmul(rows, rows.T, precision=EXACT)


def _refresh(state: SoapState, grams: Stacks, places: Places) -> Callable[[list], tuple[Stacks, list]]:
    # the function nu -> (new bases, nu in the order of their columns)
    def refresh(nu: list) -> tuple[Stacks, list]:
        bases, nu = {}, list(nu)
        for size, at in places.items():
            arguments = grams[size], state.bases[size]
            bases[size], orders = lax.cond(state.step == 0, _eigenvectors, _power_step, *arguments)
            for order, (i, axis) in zip(orders, at, strict=True):
                nu[i] = jnp.take(nu[i], order, axis)
        return bases, nu

    return refresh


def _eigenvectors(gram: jax.Array, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    # (bases, order of the old columns), both by falling eigenvalue; the columns have no old order yet
    order = jnp.broadcast_to(jnp.arange(gram.shape[-1]), gram.shape[:-1])
    return _of_each(lambda x: jnp.linalg.eigh(x)[1], gram)[..., ::-1], order


def _power_step(gram: jax.Array, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    power = jnp.matmul(gram, basis, precision=EXACT)
    order = jnp.argsort(-jnp.sum(basis * power, axis=-2))  # by the eigenvalues of the columns
    power = jnp.take_along_axis(power, order[:, None], axis=-1)
    return _of_each(lambda x: jnp.linalg.qr(x)[0], power), order


def _of_each(decompose: Callable[[jax.Array], jax.Array], stack: jax.Array) -> jax.Array:
    # one matrix at a time on a CPU: XLA's threads share out a batch, and two at once can wait for each other for ever
    return lax.platform_dependent(stack, cpu=lambda stack: lax.map(decompose, stack), default=decompose)
