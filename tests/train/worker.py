"""A training of a tiny model in a process of its own: folder, workdir, steps, and where the others are.

With ROWS in the environment its disk is full after so many rows of the log.
"""

import os
import sys
from typing import Any

import jax

from gllmm_jax import files
from gllmm_jax.config import ModelConfig, TrainConfig
from gllmm_jax.train import log, loop

TINY = ModelConfig("tiny", "light", (4, 4, 4), latents=4, hyper=4, hidden=(8, 8), components=1, attention=False)


def config(folder: object, steps: int) -> TrainConfig:
    """Of a run that saves every second."""
    return TrainConfig(str(folder), batch=4, crop=64, steps=steps, learning_rate=1e-3, validate_minutes=1 / 60)


def fill_the_disk(after: int) -> None:
    """The log cannot be written any more after so many rows."""
    write, written = log.CsvLog.write, []

    def refuse(self: log.CsvLog, split: str, step: int, seconds: float, figures: Any) -> None:
        written.append(step)
        if len(written) > after:
            raise files.WriteError("cannot write log.csv: the disk is full")
        write(self, split, step, seconds, figures)

    log.CsvLog.write = refuse


if __name__ == "__main__":
    if "ROWS" in os.environ:
        fill_the_disk(int(os.environ["ROWS"]))
    folder, workdir, steps, *address = sys.argv[1:]
    if address:
        jax.distributed.initialize(address[0], int(address[1]), int(address[2]))
    loop.train(TINY, config(folder, int(steps)), workdir)
