"""Training loops of one's own: of the guide to training, and one with other data and nothing of `train`."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gllmm_jax.nn.model import apply, init_params
from gllmm_jax.objective import Terms, rate_distortion
from gllmm_jax.presets import PRESETS
from tests.train.worker import TINY

README = Path(__file__).parents[2] / "experiments" / "README.md"


def test_the_loop_of_the_readme(photograph, capsys, tmp_path, monkeypatch):
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "loss_fn" in code)
    assert len(block.splitlines()) <= 30
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    images = np.stack([photograph(64, 64, seed=seed) for seed in range(2)])
    scope = {"batches": [images] * 3, "photographs": list(images)}
    monkeypatch.chdir(tmp_path)
    exec(block.replace('"light"', '"tiny"'), scope)
    losses = [float(line.split()[1].rstrip(":")) for line in capsys.readouterr().out.splitlines()]
    assert losses[2] < losses[1] < losses[0]
    codec = scope["codec"]
    assert codec.decompress(codec.compress(images[0])).shape == images[0].shape


def test_a_loop_of_ones_own(photograph):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.lion(1e-3))

    def loss(params, x, key) -> tuple[jax.Array, Terms]:
        output = apply(TINY, params, x, key)
        terms = rate_distortion(x, output.x_hat, output.bits_y, output.bits_z, lmbda=0.013)
        return terms.loss, terms

    @jax.jit
    def step(params, state, x, key):
        gradients, terms = jax.grad(loss, has_aux=True)(params, x, key)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, terms

    params = init_params(TINY, jax.random.key(0))
    state = optimizer.init(params)
    x = jnp.float32([photograph(64, 64, seed=seed) for seed in range(2)]) / 255.0
    losses = []
    for key in jax.random.split(jax.random.key(1)):
        params, state, terms = step(params, state, x, key)
        losses.append(float(terms.loss))
    assert losses[1] < losses[0]
