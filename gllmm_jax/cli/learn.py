"""`train` and `export`."""

import argparse
import contextlib
import dataclasses
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from gllmm_jax import cache, files
from gllmm_jax.cli.common import (
    DEBUG,
    FAILED,
    a_path,
    add_command,
    add_force,
    harmless,
    positive,
    positive_number,
    say,
    sentence,
)
from gllmm_jax.cli.options import add_together
from gllmm_jax.config import Compute, ModelConfig, Optimizer, Schedule, TrainConfig, VariableRate
from gllmm_jax.presets import PRESETS

INTERRUPTED = 130

CALIBRATION_PICTURES = 128
CALIBRATION_CROP = 256  # pixels


def add_commands(commands: Any) -> None:
    """Adds both commands and their arguments."""
    _add_train(commands)
    parser = add_command(commands, "export", "the best checkpoint of a run becomes a weights file", export)
    parser.add_argument(
        "workdir", type=a_path, metavar="W", help="the folder that was given to train, or the run in it"
    )
    parser.add_argument("-o", "--output", type=a_path, metavar="FILE", required=True, help="an .npz file")
    add_force(parser)
    parser.add_argument("--name", help="the model's name, which its .gllm files carry (<preset>-<lmbda> or <preset>)")
    parser.add_argument(
        "--data", type=a_path, metavar="DIR", help="photographs to calibrate on (the training's unless given)"
    )


def _add_train(commands: Any) -> None:
    parser = add_command(commands, "train", "photographs become checkpoints; goes on where it stopped", train)
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="a folder of photographs (PNG, JPEG, WebP, AVIF), or tfds:NAME"
    )
    what = "weight of the distortion, e.g. 0.013; more: better pictures, bigger files; L:H: one model for all between"
    parser.add_argument("--lmbda", type=_lmbda, metavar="L|L:H", help=what)
    parser.add_argument("--preset", required=True, choices=sorted(PRESETS), metavar="P", help=", ".join(PRESETS))
    parser.add_argument("--workdir", type=a_path, required=True, metavar="W", help="keeps the checkpoints and the log")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=positive_number, metavar="M", help="the learning rate ends with the clock")
    length.add_argument("--steps", type=positive, metavar="N")
    parser.add_argument("--batch", type=positive, default=TrainConfig.batch, help="crops a step (%(default)s)")
    parser.add_argument(
        "--crop", type=positive, default=TrainConfig.crop, help="pixels a side, a multiple of 64 (%(default)s)"
    )
    parser.add_argument("--learning-rate", type=positive_number, default=TrainConfig.learning_rate, metavar="R",
                        help="its peak (%(default)s)")  # fmt: skip
    schedule = "of the rate: `stable` is constant until the last fifth of the run, so the run can be made longer"
    parser.add_argument("--schedule", choices=get_args(Schedule), default=TrainConfig.schedule,
                        help=f"{schedule} (%(default)s)")  # fmt: skip
    parser.add_argument("--optimizer", choices=get_args(Optimizer), default=TrainConfig.optimizer, help="(%(default)s)")
    parser.add_argument("--clip", type=positive_number, default=TrainConfig.clip, metavar="G",
                        help="the largest norm of a gradient (%(default)s)")  # fmt: skip
    parser.add_argument("--compute", choices=get_args(Compute), default=TrainConfig.compute,
                        help="type of the networks' arithmetic: bfloat16 for accelerators (%(default)s)")  # fmt: skip
    parser.add_argument("--validate-minutes", type=positive_number, default=TrainConfig.validate_minutes, metavar="M",
                        help="between validations, with a checkpoint each (%(default)s)")  # fmt: skip
    start = "start from given weights: from the transforms alone where the entropy model is another"
    parser.add_argument("--init", metavar="NAME|FILE", help=start)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed, help="of weights, crops and noise (%(default)s)")
    parser.add_argument(
        "--resident", action="store_true", help="keep all photographs in device memory and draw crops there"
    )
    parser.add_argument(
        "--augment", action="store_true", help="with --resident: crops also scaled, turned and recoloured"
    )
    spare = "with --resident: spare the host, where the accelerator waits for it (%(default)s)"
    parser.add_argument("--steps-per-call", type=positive, default=TrainConfig.steps_per_call, metavar="N", help=spare)
    add_together(parser)


def train(arguments: argparse.Namespace) -> int:
    """Photographs -> checkpoints. A stopped run is saved, and reported as any interrupted command."""
    fields = ("data", "lmbda", "batch", "crop", "learning_rate", "schedule", "optimizer", "clip", "compute", "seed",
              "minutes", "steps", "init", "validate_minutes", "resident", "augment", "steps_per_call")  # fmt: skip
    preset, arguments.lmbda = _model(PRESETS[arguments.preset], arguments.lmbda)
    config = TrainConfig(**{field: getattr(arguments, field) for field in fields})
    cache.enable()
    hush_orbax()
    join(arguments.distributed, arguments.coordinator, arguments.processes, arguments.process)
    with nobody_waits():
        return _train(arguments, preset, config)


def _lmbda(text: str) -> float | tuple[float, float]:
    # an argument: one lambda, or two with a colon between them
    low, colon, high = text.partition(":")
    return (positive_number(low), positive_number(high)) if colon else positive_number(low)


_lmbda.__name__ = "number or range"


def _model(
    preset: ModelConfig, lmbda: float | tuple[float, float] | None
) -> tuple[ModelConfig, float | tuple[float, float]]:
    """The preset at a lambda or a range of lambdas; its own unless given. Raises `ValueError` if it has none."""
    if isinstance(lmbda, tuple):
        rate = dataclasses.replace(preset.rate or VariableRate(), lowest=lmbda[0], highest=lmbda[1])
        return dataclasses.replace(preset, rate=rate), lmbda
    if preset.rate is None:
        if lmbda is None:
            raise ValueError(f"a {preset.preset} is trained for one lambda or for a range of them: give --lmbda")
        return preset, lmbda
    if lmbda is not None:
        raise ValueError(f"a {preset.preset} serves a range of lambdas: give two, as in --lmbda 0.0008:0.12, or none")
    return preset, (preset.rate.lowest, preset.rate.highest)


def _train(arguments: argparse.Namespace, preset: ModelConfig, config: TrainConfig) -> int:
    from gllmm_jax.train import loop

    if Path(arguments.data).is_dir():  # without photographs there is no run, and no folder for it
        files.make_folder(arguments.workdir)

    try:
        outcome = loop.train(preset, config, arguments.workdir, shard_optimizer=arguments.shard_optimizer)
    except loop.NonFiniteError as error:
        raise ValueError(str(error)) from error
    return 0 if outcome.finished else INTERRUPTED


def join(distributed: bool, coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Meet the other processes, if there are any. Raises `ValueError` if a part of the address is missing."""
    address = coordinator, processes, process
    if None in address and address != (None, None, None):
        raise ValueError("--coordinator, --processes and --process belong together: give all three")
    if distributed or coordinator:
        import jax

        jax.distributed.initialize(*address)


@contextlib.contextmanager
def nobody_waits() -> Iterator[None]:
    """An error inside ends this process at once if others train with it: an orderly exit would wait for all of them.

    The others find their connection broken, and end too.
    """
    try:
        yield
    except Exception as error:
        import jax

        if not jax.distributed.is_initialized() or jax.process_count() == 1:
            raise
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(sentence(error))
        os._exit(FAILED)


def hush_orbax() -> None:
    """Silence Orbax's remarks and its threads' tracebacks: Orbax also raises its failures, which become a sentence."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.unraisablehook = _unraisable


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    # Orbax raises the error of one unreadable array of a damaged checkpoint; the errors of the others come too late
    if str(found.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(found)


def export(arguments: argparse.Namespace) -> None:
    """Checkpoint -> weights file."""
    cache.enable()
    hush_orbax()
    from gllmm_jax import zoo
    from gllmm_jax.checkpoints import checkpoint
    from gllmm_jax.codec.export import make_weights
    from gllmm_jax.data.batches import validation_images
    from gllmm_jax.data.photographs import items, split

    if not arguments.workdir.is_dir():
        raise ValueError(f"there is no folder {arguments.workdir}")
    files.check_free(arguments.output, force=arguments.force)
    config, params, trained = checkpoint.load_best(arguments.workdir)
    photographs = items(arguments.data or trained.data)
    if not arguments.data:
        photographs, _ = split(photographs)
    pictures = validation_images(photographs, crop=CALIBRATION_CROP, limit=CALIBRATION_PICTURES)
    name = arguments.name or (config.preset if config.rate else f"{config.preset}-{trained.lmbda:.4f}")
    provenance = trained.to_dict() | {"data": Path(trained.data).name, "init": trained.init and Path(trained.init).name}
    if name in zoo.names():
        say(f"there is a model '{name}' already, which --model {name} takes: --name gives these weights another name")
    zoo.save(arguments.output, make_weights(name, config, params, list(pictures), provenance))
    print(f"{harmless(arguments.output)}: {name}, {arguments.output.stat().st_size:,} bytes")
