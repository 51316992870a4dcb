"""A run that computes nothing."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gllmm_jax.optimizer.state import state_shapes
from gllmm_jax.train import loop, run


class Stub:
    """Steps that compute nothing: each adds one to every parameter and remembers its progress."""

    def __init__(self):
        self.progress: list[float] = []
        self.judged: list[Any] = []
        self.loss = lambda step: 1.0
        self.seconds = 0.0

    def start(self, model, train_config, files):
        return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), state_shapes(model, train_config))

    def train_step(self, state, images, progress):
        time.sleep(self.seconds)
        self.progress.append(float(progress))
        step = int(state.step) + 1
        figures = {"loss": self.loss(step), "bpp": 0.5, "psnr": 30.0, "grad_norm": 1.0}
        params = jax.tree.map(lambda p: p + 1.0, state.params)
        ema = jax.tree.map(lambda e: e + 0.5, state.ema)
        state = state._replace(step=state.step + 1, params=params, ema=ema)
        return state, {name: jnp.float32(value) for name, value in figures.items()}

    def eval_step(self, params, images, quality):
        assert images.shape == (1, 64, 64, 3)
        self.judged.append(params)
        return {"loss": jnp.float32(1.0), "bpp": jnp.float32(0.5), "psnr": jnp.float32(30.0)}


@pytest.fixture
def stub(monkeypatch):
    made = Stub()
    monkeypatch.setattr(loop, "fresh_state", made.start)
    monkeypatch.setattr(run, "train_step", lambda *_: made.train_step)
    monkeypatch.setattr(run, "eval_step", lambda *_: made.eval_step)
    monkeypatch.setattr(run, "view", lambda *_: lambda params, image: (image, np.ones((4, 4))))
    return made
