"""What the convolutions of `gllmm-128` cost in training, in GFLOP/s: forward, and the gradients of input and kernel.

    python experiments/convolution_speed.py

Eight images. The kernel's gradient as XLA makes it, and as `layers.convolution` does (the same but on one CPU). Then
up-convolutions with 5x5 kernels of one image, in milliseconds. Medians of calls after the first.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
from jax import lax

from gllmm_jax.layers.convolution import convolve, convolve_up

BATCH = 8
SHAPES = ((128, 128, 3, 1), (64, 128, 3, 1), (64, 512, 3, 1), (32, 128, 3, 1), (128, 128, 3, 2), (64, 128, 1, 1))
"""Side of the plane, channels that come out of 128, side of the kernel, stride."""

INPUTS = ((32, 48), (64, 96), (128, 192))
"""Planes that an up-convolution doubles."""


def seconds(function: Callable[..., jax.Array], *arrays: jax.Array, repeats: int) -> float:
    """Median of one call, compiled."""
    compiled, taken = jax.jit(function), []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arrays))
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}; GFLOP/s")
    print(f"{'':34} {'forward':>8} {'input':>8} {'kernel':>8} {'forward':>8} {'kernel':>8} of layers.convolution")
    for side, features, size, stride in SHAPES:
        keys = jax.random.split(jax.random.key(0), 3)
        x = jax.random.normal(keys[0], (BATCH, side, side, 128))
        kernel = jax.random.normal(keys[1], (size, size, 128, features))
        form = (stride, stride), ((size // 2, size // 2),) * 2

        def plain(x: jax.Array, kernel: jax.Array, form: tuple = form) -> jax.Array:
            return lax.conv_general_dilated(x, kernel, *form, dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def ours(x: jax.Array, kernel: jax.Array, form: tuple = form) -> jax.Array:
            return convolve(x, kernel, *form, precision=None)

        gradient = jax.random.normal(keys[2], jax.eval_shape(plain, x, kernel).shape)
        calls = [
            lambda x, k, g: plain(x, k),
            lambda x, k, g: jax.vjp(lambda x: plain(x, k), x)[1](g)[0],
            lambda x, k, g: jax.vjp(lambda k: plain(x, k), k)[1](g)[0],
            lambda x, k, g: ours(x, k),
            lambda x, k, g: jax.vjp(lambda k: ours(x, k), k)[1](g)[0],
        ]
        flops = 2 * gradient.size * kernel.size / features
        name = f"{side}x{side}, 128 -> {features}, {size}x{size} kernel, stride {stride}"
        speeds = [flops / seconds(call, x, kernel, gradient, repeats=repeats) / 1e9 for call in calls]
        print(f"{name:34} " + " ".join(f"{speed:8.0f}" for speed in speeds), flush=True)
    print(f"\n{'up-convolution, milliseconds':34} {'XLA':>8} {'layers.convolution':>20}")
    kernel = jax.random.normal(jax.random.key(0), (5, 5, 128, 128))
    for height, width in INPUTS:
        x = jax.random.normal(jax.random.key(1), (1, height, width, 128))
        forms = (lambda x, k: lax.conv_transpose(x, k, (2, 2), ((2, 3), (2, 3)))), convolve_up
        plain_ms, ours_ms = (1e3 * seconds(form, x, kernel, repeats=repeats) for form in forms)
        print(f"{f'{height}x{width}, 128 -> 128':34} {plain_ms:8.1f} {ours_ms:20.1f}", flush=True)


if __name__ == "__main__":
    main()
