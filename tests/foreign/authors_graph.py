"""The networks of the GLLMM authors' code as a graph of TensorFlow 1, with random variables.

The layers are TensorFlow-Compression's own, and TensorFlow names the variables. Version 1.2, which the authors' code
needs, could not be installed. So the layers are those of 2.14; how 1.2 stores their parameters is written here once
more, from its source and apart from `foreign.gllmm`.
"""

import functools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fftpack

LAYERS = Path(sys.prefix, "layers", "tensorflow_compression")
"""Where `make tfc` puts them."""

HIDDEN = (10, 12)
"""Widths of the entropy net, 640 and 1280 in the authors' code."""


class Authors:
    """The graph of width n, for pictures x float32 [B, H, W, 3]. `outputs` are its tensors by name."""

    def __init__(self, x: np.ndarray, n: int) -> None:
        import tensorflow as tf

        # the package itself would load a library that fits no other version of TensorFlow
        for part in ("", "python", "python/ops", "python/layers"):
            module = types.ModuleType(".".join((LAYERS.name, *Path(part).parts)))
            module.__path__ = [str(LAYERS / part)]
            sys.modules[module.__name__] = module
        from tensorflow_compression.python.layers import gdn, signal_conv  # pyright: ignore[reportMissingImports]

        self.tf, self.v1, self.gdn, self.signal_conv = tf, tf.compat.v1, gdn.GDN, signal_conv.SignalConv2D
        self.scope, self.leaky, self.n, self.random = (
            self.v1.variable_scope,
            tf.nn.leaky_relu,
            n,
            np.random.default_rng(0),
        )
        y = self.analysis(tf.constant(x))
        z = self.hyper_analysis(y)
        z_hat, bits_z = self.bottleneck(z)
        y_hat = tf.round(y)
        weights, means, scales = self.entropy_parameter(y_hat, self.hyper_synthesis(z_hat))
        self.outputs = {"y": y, "z": z, "z_hat": z_hat, "bits_z": bits_z, "weights": weights, "means": means}
        self.outputs |= {"scales": scales, "x_hat": self.synthesis(y_hat)}

    def save(self, folder: Path) -> dict[str, np.ndarray]:
        """Write a checkpoint as of a training run, with the optimiser's state. Returns the values of `outputs`."""
        loss, last = self.tf.reduce_sum(self.outputs["y"]), self.v1.trainable_variables("analysis/Block_3_layer_2_1")
        step = self.v1.train.get_or_create_global_step()
        self.v1.train.AdamOptimizer().minimize(loss, global_step=step, var_list=last)
        with self.v1.Session() as session:
            session.run(self.v1.global_variables_initializer())
            self.v1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=1500001)
            return session.run(self.outputs)

    def variable(self, name: str, shape: tuple[int, ...], scale: float, centre: float = 0.0) -> Any:
        start = centre + scale * self.random.normal(size=shape)
        return self.v1.Variable(start.astype(np.float32), name=name)

    def conv(
        self, x: Any, features: int, side: int = 3, *, act: Any = None, bias: bool = True, name: str = "", **form: Any
    ) -> Any:
        fan, tf = x.shape[-1], self.tf
        gain = (3 * side**2 * fan) ** -0.5  # at which pictures keep their size
        with self.v1.name_scope(name or "signal_conv2d"):
            if side == 1:
                kernel = self.variable("kernel", (1, 1, fan, features), gain)
            else:
                stored = self.variable("kernel_rdft", (side**2, fan * features), gain)
                kernel = tf.reshape(tf.matmul(irdft_matrix(side), stored), (side, side, fan, features))
            if bias:
                form |= {"use_bias": True, "bias_parameter": tf.identity(self.variable("bias", (features,), 0.1))}
            if act in ("gdn", "igdn"):
                with self.v1.name_scope(act):  # half of gamma is below its bound
                    beta = self.variable("reparam_beta", (features,), 0.2, 1.0)
                    gamma = self.variable("reparam_gamma", (features, features), 0.2)
                beta = tf.square(tf.maximum(beta, (1e-6 + 2**-36) ** 0.5)) - 2**-36
                gamma = tf.square(tf.maximum(gamma, 2**-18)) - 2**-36
                given = {"beta_parameter": beta, "gamma_parameter": gamma}
                act = self.gdn(inverse=act == "igdn", alpha_parameter=2.0, epsilon_parameter=0.5, **given)
            form = {"corr": True, "padding": "same_zeros", "kernel_parameter": kernel, "activation": act} | form
            return self.signal_conv(features, (side, side), **form)(x)

    def attention(self, x: Any, name: str) -> Any:
        with self.scope(name):
            branches = []
            for branch in ("trunk", "attention"):
                r = x
                for i in range(3):
                    with self.scope(f"{branch}_RB_{i}"):
                        inner = r
                        for j, (features, side) in enumerate(((self.n // 2, 1), (self.n // 2, 3), (self.n, 1))):
                            with self.scope(f"conv{j}"):
                                inner = self.conv(inner, features, side, act=None if j == 2 else self.tf.nn.relu)
                        r = r + inner
                branches.append(r)
            with self.scope("conv_1x1"):
                mask = self.tf.sigmoid(self.conv(branches[1], self.n, 1))
        return x + mask * branches[0]

    def second_stage(self, r: Any, block: str) -> Any:
        with self.scope(f"{block}_layer_2"):
            inner = self.conv(r, self.n, act=self.leaky)
        with self.scope(f"{block}_layer_3"):
            return r + self.conv(inner, self.n, act=self.leaky)

    def analysis(self, x: Any) -> Any:
        with self.scope("analysis"):
            for i in range(4):
                block = f"Block_{i}"
                if i > 0:
                    with self.scope(f"{block}_layer_0"):
                        r = self.conv(x, self.n, act=self.leaky)
                    with self.scope(f"{block}_layer_1"):
                        r = x + self.conv(r, self.n, act=self.leaky)
                    x = x + self.second_stage(r, block)
                if i < 3:
                    with self.scope(f"{block}_shortcut"):
                        past = self.conv(x, self.n, 1, strides_down=2)
                    with self.scope(f"{block}_layer_2"):
                        x = self.conv(x, self.n, strides_down=2, act=self.leaky)
                    with self.scope(f"{block}_layer_3"):
                        x = self.conv(x, self.n, act="gdn") + past
                else:
                    with self.scope(f"{block}_layer_2"):
                        x = self.conv(x, self.n, strides_down=2, bias=False)
                if i % 2:
                    x = self.attention(x, f"NLAB_{i // 2}")
        return x

    def synthesis(self, x: Any) -> Any:
        form: dict[str, Any] = {"corr": False}
        grown = functools.partial(self.tf.nn.depth_to_space, block_size=2)
        with self.scope("synthesis"):
            for i in range(4):
                block = f"Block_{i}"
                if i % 2 == 0:
                    x = self.attention(x, f"NLAB_{i // 2}")
                with self.scope(f"{block}_layer_0"):
                    r = self.conv(x, self.n, act=self.leaky, **form)
                with self.scope(f"{block}_layer_1"):  # the second stage is inside
                    r = x + self.conv(r, self.n, act=self.leaky, **form)
                    x = x + self.second_stage(r, block)
                if i < 3:
                    with self.scope(f"{block}_shortcut"):
                        past = grown(self.conv(x, 4 * self.n, 1, **form))
                    with self.scope(f"{block}_layer_2"):
                        x = grown(self.conv(x, 4 * self.n, act=self.leaky, **form))
                    with self.scope(f"{block}_layer_3"):
                        x = self.conv(x, self.n, act="igdn", **form) + past
                else:
                    with self.scope(f"{block}_layer_2"):
                        x = grown(self.conv(x, 12, **form))
        return x

    def hyper_analysis(self, x: Any) -> Any:
        with self.scope("hyper_analysis"):
            for i, stride in enumerate((1, 1, 2, 1, 2)):
                with self.scope(f"layer_{i}"):
                    x = self.conv(x, self.n, strides_down=stride, act=None if i == 4 else self.leaky)
        return x

    def hyper_synthesis(self, x: Any) -> Any:
        n, wide = self.n, self.n * 3 // 2
        with self.scope("hyper_synthesis"):
            for i, (features, stride) in enumerate(((n, 1), (n, 2), (wide, 1), (wide, 2), (2 * n, 1))):
                with self.scope(f"layer_{i}"):
                    x = self.conv(x, features, corr=False, strides_up=stride, act=None if i == 4 else self.leaky)
        return x

    def bottleneck(self, z: Any) -> tuple[Any, Any]:
        """z_hat, and its information content in bits."""
        tf, widths = self.tf, (1, 3, 3, 3, 1)
        with self.v1.name_scope("entropy_bottleneck"):
            stages = []
            for i in range(4):
                shape = (self.n, widths[i + 1], 1)
                stages.append([self.variable(f"matrix_{i}", (*shape[:2], widths[i]), 0.5)])
                stages[-1].append(self.variable(f"bias_{i}", shape, 0.3))
                stages[-1] += [self.variable(f"factor_{i}", shape, 0.3)] if i < 3 else []
            quantiles = self.variable("quantiles", (self.n, 1, 3), 3.0)
            self.v1.Variable(np.zeros((self.n, 5), np.int32), name="quantized_cdf", trainable=False)
            self.v1.Variable(np.zeros(self.n, np.int32), name="cdf_length", trainable=False)
        median = quantiles[:, 0, 1]
        z_hat = tf.floor(z + (0.5 - median)) + median

        def cdf(v: Any) -> Any:
            x = tf.transpose(tf.reshape(v, (-1, self.n, 1)), (1, 2, 0))
            for matrix, bias, *factor in stages:
                x = tf.matmul(tf.nn.softplus(matrix), x) + bias
                x = x + tf.tanh(factor[0]) * tf.tanh(x) if factor else x
            return tf.reshape(tf.transpose(tf.sigmoid(x), (2, 0, 1)), v.shape)

        bits = -tf.math.log(tf.maximum(cdf(z_hat + 0.5) - cdf(z_hat - 0.5), 1e-9)) / np.log(2)
        return z_hat, bits

    def entropy_parameter(self, y_hat: Any, phi: Any) -> tuple[Any, Any, Any]:
        """Weights, means and scales [B, h, w, 9, n]."""
        n, tf, mask = self.n, self.tf, np.ones((5, 5, 1, 1), np.float32)
        mask[2, 2:], mask[3:] = 0, 0
        with self.scope("entropy_parameter"):
            with self.scope("masked"):
                start = self.random.normal(size=(5, 5, n, 2 * n)).astype(np.float32) * (12 * n) ** -0.5
                weights = self.v1.get_variable("weights", initializer=start)
                biases = self.v1.get_variable("biases", initializer=np.linspace(-0.1, 0.1, 2 * n, dtype=np.float32))
                x = tf.concat([tf.nn.conv2d(y_hat, weights * mask, 1, "SAME") + biases, phi], axis=3)
            for i, features in enumerate((*HIDDEN, 30 * n)):
                with self.scope(f"layer_{i}"):  # these layers have no name in the authors' code, and Keras counts them
                    name, act = f"signal_conv2d_{i}" if i else "", self.leaky if i < 2 else None
                    x = self.conv(x, features, 1, name=name, act=act, bias=i < 2)
        parts = tf.split(x, 30, axis=3)
        families = tf.nn.softmax(tf.stack(parts[27:], axis=3), axis=3)
        inner = [tf.nn.softmax(tf.stack(parts[i : i + 9 : 3], axis=3), axis=3) for i in (0, 9, 18)]
        weights = tf.concat([inner[i] * families[..., i : i + 1, :] for i in range(3)], axis=3)
        return weights, tf.stack(parts[1:27:3], axis=3), tf.abs(tf.stack(parts[2:27:3], axis=3))


def irdft_matrix(side: int) -> np.ndarray:
    """The basis that kernels [side, side] are stored in, by its definition: the scaled real DFT of unit kernels."""
    basis = np.eye(side**2).reshape(-1, side, side)
    for axis in (1, 2):
        basis = fftpack.rfft(basis, axis=axis)
        np.moveaxis(basis, axis, 0)[1:] *= 2**0.5
    return (basis / side).reshape(side**2, side**2).astype(np.float32)
