"""Primitive layers, aligned as in the authors' TensorFlow-Compression code. All images and features are NHWC.

Biases start at zero. Kernels start in one of three ways:

- `conv` in networks with shortcuts (g_a, g_s): uniform with variance 1/3 of 1/fan-in, PyTorch's default. The authors
  start with a truncated normal of variance 1/fan-in. With it these deep residual networks begin with pictures of 1e10,
  because inverse GDN squares large numbers. A branch that must begin without effect starts at zero.
- `conv` in h_a and h_s: uniform with variance 1/fan-in, the authors' scale. These networks have no shortcuts, and with
  a smaller start z stays zero. `up_conv` and the dense layers of the entropy-parameter net: the authors' truncated
  normal, which is Flax's default.
- The masked context: Glorot uniform over the whole 5x5 fan, masked taps included, as in the authors' code.

`nn.light.Linear` and `nn.entropy.FactorizedPrior` start in their own ways.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from gllmm_jax.layers.convolution import convolve, convolve_up, matmul
from gllmm_jax.prob.quantize import lower_bound

LEAK = 0.2
"""Slope of every leaky ReLU outside the attention blocks; earlier designs have others (`config.SLOPES`)."""


def leaky_relu(x: Float[Array, "*shape"], slope: float = LEAK) -> Float[Array, "*shape"]:
    """max(x, slope x)."""
    return jnp.where(x >= 0, x, slope * x)


def in_rank_of(x: Shaped[Array, "*axes"], row: Shaped[Array, "C"]) -> Shaped[Array, "*ones C"]:
    """The row with as many axes as x, for arithmetic with x [..., C]."""
    return jnp.expand_dims(row, tuple(range(x.ndim - 1)))


def in_kernel_dtype(x: Any, kernel: Any, *bias: Any, dtype: DTypeLike | None = None, **_: Any) -> Any:
    """Flax's `promote_dtype` for layers that calculate in `dtype` or, without it, in the dtype of their kernel."""
    if dtype is None:
        return [x.astype(kernel.dtype), kernel, *bias]
    return [None if a is None else a.astype(dtype) for a in (x, kernel, *bias)]


def shortcut(x: Float[Array, "*shape"], branch: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """x + branch, in the dtype that the branch's layers calculated in."""
    return x.astype(branch.dtype) + branch


def conv(
    features: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    bias: bool = True,
    variance: float = 1 / 3,
    name: str | None = None,
    **dtypes: Any,
) -> nn.Conv:
    """Convolution zero-padded by `kernel // 2` on every side, outputs at input positions 0, stride, 2 stride, ...

    Flax's "SAME" would be one pixel off for even sizes and stride 2. Kernels start uniform with `variance` / fan-in,
    for the reasons at the head of this file. `dtypes` are `dtype` and `param_dtype`, see `Layer`.
    """
    pad = kernel // 2
    init = nn.initializers.variance_scaling(variance, "fan_in", "uniform") if variance else nn.initializers.zeros_init()
    padding = ((pad, pad), (pad, pad))
    form = {"kernel_init": init, "conv_general_dilated": convolve, "promote_dtype": in_kernel_dtype}
    return nn.Conv(features, (kernel, kernel), (stride, stride), padding, use_bias=bias, name=name, **form, **dtypes)


def dense(features: int, *, bias: bool = True, name: str | None = None, **dtypes: Any) -> nn.Dense:
    """Affine layer over the last axis."""
    return nn.Dense(features, use_bias=bias, promote_dtype=in_kernel_dtype, name=name, **dtypes)


def depth_to_space(x: Shaped[Array, "*batch h w blocks"], block: int = 2) -> Shaped[Array, "*batch H W C"]:
    """[..., h, w, block² C] -> [..., block h, block w, C], in TensorFlow's order.

    With b = block: out[b i + a, b j + c] = x[i, j, (b a + c) C :][:C].
    """
    *batch, h, w, c = x.shape
    x = x.reshape(*batch, h, w, block, block, c // block**2).swapaxes(-4, -3)
    return x.reshape(*batch, h * block, w * block, c // block**2)


def space_to_depth(x: Shaped[Array, "*batch H W C"], block: int = 2) -> Shaped[Array, "*batch h w blocks"]:
    """Inverse of `depth_to_space`; height and width must be multiples of `block`."""
    *batch, h, w, c = x.shape
    x = x.reshape(*batch, h // block, block, w // block, block, c).swapaxes(-4, -3)
    return x.reshape(*batch, h // block, w // block, block**2 * c)


class Layer(nn.Module, kw_only=True):
    """The options of every layer and block: the dtype it calculates in, and the dtype of fresh parameters.

    Without a `dtype` it calculates in the dtype of its parameters.
    """

    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @property
    def dtypes(self) -> dict[str, Any]:
        """Both options, for a layer inside this one."""
        return {"dtype": self.dtype, "param_dtype": self.param_dtype}

    def conv(self, features: int, kernel: int = 3, **options: Any) -> nn.Conv:
        """`conv` in these dtypes."""
        return conv(features, kernel, **options, **self.dtypes)


class UpConv(Layer, kw_only=True):
    """[..., h, w, C] -> [..., 2h, 2w, features]: a convolution of the input spread by zeros, as Flax's `ConvTranspose`.

    With a 3x3 kernel out[2i] sees x[i], and out[2i + 1] sees x[i] and x[i + 1]. With a 5x5 kernel out[2i] also sees
    x[i - 1] and x[i + 1].
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: Float[Array, "*batch h w C"]) -> Float[Array, "*batch 2*h 2*w {self.features}"]:
        shape = *self.kernel_size, x.shape[-1], self.features
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), self.param_dtype)
        x, kernel, bias = in_kernel_dtype(x, kernel, bias, dtype=self.dtype)
        out = convolve_up(x.reshape(-1, *x.shape[-3:]), kernel)
        return (out + in_rank_of(out, bias)).reshape(*x.shape[:-3], *out.shape[1:])


def up_conv(features: int, kernel: int = 3, **options: Any) -> UpConv:
    """`UpConv` with a square kernel; `options` are the name, and `dtype` and `param_dtype`, see `Layer`."""
    return UpConv(features=features, kernel_size=(kernel, kernel), **options)


class GDN(Layer, kw_only=True):
    """Generalised divisive normalisation: x / sqrt(beta + gamma^T x²) per pixel; `inverse` multiplies instead.

    The parameters are square roots of beta and gamma, so that both stay non-negative. Source: Balle et al. 2016, as in
    TensorFlow-Compression.
    """

    inverse: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch C"]) -> Float[Array, "*batch C"]:
        c, pedestal, dtype = x.shape[-1], 2.0**-36, self.param_dtype
        beta = self.param("beta", lambda _: jnp.sqrt(jnp.ones(c, dtype) + pedestal))
        gamma = self.param("gamma", lambda _: jnp.sqrt(0.1 * jnp.eye(c, dtype=dtype) + pedestal))
        x, beta, gamma = (a.astype(self.dtype or beta.dtype) for a in (x, beta, gamma))
        beta = jnp.square(lower_bound(beta, (1e-6 + pedestal) ** 0.5)) - pedestal
        gamma = jnp.square(lower_bound(gamma, pedestal**0.5)) - pedestal
        norm = matmul(jnp.square(x), gamma)
        norm = norm + in_rank_of(norm, beta)
        return x * jnp.sqrt(norm) if self.inverse else x * jax.lax.rsqrt(norm)
