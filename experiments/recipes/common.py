"""What the recipes share: their options, and the call of the trainer."""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gllmm_jax import cache
from gllmm_jax.cli.common import FAILED, say
from gllmm_jax.cli.learn import INTERRUPTED, hush_orbax, join, nobody_waits
from gllmm_jax.cli.options import add_together
from gllmm_jax.config import ModelConfig, TrainConfig, VariableRate
from gllmm_jax.presets import PRESETS
from gllmm_jax.train.loop import NonFiniteError, train


def launch(about: str | None, model: Callable[[Any], ModelConfig], **settings: Any) -> None:
    """Train the `model` of a lambda, or of the two ends of a range; ends the program.

    The `settings` are those of `TrainConfig`, which options may change.

    `--preset mu --steps 20` rehearses a recipe. Several processes train together as with `gllmm-jax train`.
    """
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder of photographs")
    parser.add_argument("--workdir", type=Path, required=True, help="keeps the checkpoints and the log")
    if not isinstance(settings.get("lmbda"), tuple):  # a range belongs to its model
        parser.add_argument("--lmbda", type=float, default=settings.get("lmbda"), help="(%(default)s)")
    parser.add_argument("--init", default=settings.get("init"), help="weights to start from (%(default)s)")
    for name, kind in (
        ("batch", int),
        ("crop", int),
        ("learning_rate", float),
        ("schedule", str),
        ("optimizer", str),
        ("compute", str),
        ("steps_per_call", int),
    ):
        default = settings.get(name, getattr(TrainConfig, name))
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help="(%(default)s)")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="another model, for a rehearsal")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, default=argparse.SUPPRESS)
    length.add_argument("--minutes", type=float, default=argparse.SUPPRESS)
    add_together(parser)
    options = vars(parser.parse_args())
    address = [options.pop(name) for name in ("distributed", "coordinator", "processes", "process")]
    shard_optimizer = options.pop("shard_optimizer")
    workdir, preset = options.pop("workdir"), options.pop("preset")
    if "steps" in options or "minutes" in options:
        settings = {name: value for name, value in settings.items() if name not in ("steps", "minutes")}
    cache.enable()
    hush_orbax()
    try:
        config = TrainConfig(**{**settings, **options})
        join(*address)
        with nobody_waits():
            chosen = PRESETS[preset] if preset else model(config.lmbda)
            if preset and isinstance(config.lmbda, tuple):
                chosen = dataclasses.replace(chosen, rate=VariableRate(*config.lmbda))
            outcome = train(chosen, config, workdir, shard_optimizer=shard_optimizer)
    except (ValueError, OSError, NonFiniteError) as error:
        say(str(error))
        sys.exit(FAILED)
    sys.exit(0 if outcome.finished else INTERRUPTED)
