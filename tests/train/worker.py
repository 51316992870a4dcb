"""A training of a tiny model in a process of its own: folder, workdir, steps, and where the others are."""

import sys

import jax

from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.train import loop

TINY = ModelConfig("tiny", "light", (4, 4, 4), latents=4, hyper=4, hidden=(8, 8), components=1, attention=False)


def config(folder: object, steps: int) -> TrainConfig:
    """Of a run that saves several times a second."""
    return TrainConfig(str(folder), batch=4, crop=64, steps=steps, learning_rate=1e-3, validate_minutes=0.3 / 60)


if __name__ == "__main__":
    folder, workdir, steps, *address = sys.argv[1:]
    if address:
        jax.distributed.initialize(address[0], int(address[1]), int(address[2]))
    loop.train(TINY, config(folder, int(steps)), workdir)
