"""Options of several commands, and the memory limit that one of them sets."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from gllmm_jax.cli.common import a_name, a_path, add_force, exhausted, positive, positive_number, quality, whole
from gllmm_jax.codec.quality import DEFAULT
from gllmm_jax.config import Search
from gllmm_jax.container.container import MAX_PIXELS

if TYPE_CHECKING:
    from gllmm_jax.evaluate.contestants import Ours

SCALES = (1, 2, 4, 8, 16)
"""Scales of `codec.view`, repeated here because `codec.view` imports JAX."""

LEAST = 0.6
"""Gigabytes. With less memory the libraries may fail in their own ways during loading: JAX alone takes 0.4."""


def add_files(parser: argparse.ArgumentParser, what: str, suffix: str, becomes: str) -> None:
    """Adds PATH..., -o and --force. `suffix` is one that the inputs may have."""
    text = f"{what}; a folder of them, or a pattern like '**/*{suffix}'; - is standard input"
    parser.add_argument("inputs", type=a_name, nargs="+", metavar="PATH", help=text)
    text = f"{becomes}, beside PATH unless given; a folder, which is made; - is standard output"
    parser.add_argument("-o", "--output", type=a_name, metavar="OUT", help=text)
    add_force(parser)


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """Adds `--max-pixels`."""
    limit = f"accept pictures of up to N pixels ({MAX_PIXELS:,} unless given)"
    parser.add_argument("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N", help=limit)


def add_max_memory(parser: argparse.ArgumentParser) -> None:
    """Adds `--max-memory`."""
    text = f"end in an error rather than take more than so many gigabytes of memory ({LEAST} or more; Linux only)"
    parser.add_argument("--max-memory", type=positive_number, metavar="GB", help=text)


@contextlib.contextmanager
def limited(gigabytes: float | None) -> Iterator[None]:
    """Inside this context the process may write to at most so many gigabytes of memory. None sets no limit.

    Linux keeps the limit (RLIMIT_DATA), whatever part of the process takes the memory. Programs and files that are only
    read do not count. The memory of other devices does not count. Raises `ValueError` if the limit is reached, cannot
    be kept here, or is below `LEAST`. A library that cannot go on without the memory may end the process itself.
    """
    if gigabytes is None:
        yield
        return
    if sys.platform != "linux":
        raise ValueError("--max-memory is kept by Linux alone")
    if gigabytes < LEAST:
        raise ValueError(f"--max-memory {gigabytes:g} is too little: JAX and weights need {LEAST} GB at least")
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    lower = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (int(min([gigabytes * 1e9, 1e18, *lower])), before[1]))
    try:
        yield
    except Exception as error:
        if not exhausted(error):
            raise
        raise ValueError(f"out of memory: it takes more than the {gigabytes:g} GB of --max-memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Adds the options that ask for a quality or a size."""
    text = f"one of these, of a model with a variable rate (--quality {DEFAULT} unless given)"
    group = parser.add_argument_group("how good, or how large", text).add_mutually_exclusive_group()
    group.add_argument(
        "--quality", type=quality, metavar="Q", help="from 0, the smallest file, to 100, the best picture"
    )
    group.add_argument(
        "--max-bytes", type=positive, metavar="N", help="about the best picture that N bytes hold, never more"
    )
    group.add_argument("--bpp", type=positive_number, metavar="B", help="a file of about B bits a pixel")
    group.add_argument("--psnr", type=positive_number, metavar="D", help="a picture of about D dB")


def add_lof(parser: argparse.ArgumentParser) -> None:
    """Adds the options of latent overfitting."""
    group = parser.add_argument_group("latent overfitting: smaller files for time, which any decoder reads")
    add_effort(group)
    group.add_argument("--lof-steps", type=whole, default=0, metavar="N", help="rounds of the search, in its place")
    group.add_argument("--lof-seconds", type=positive_number, metavar="S", help="begin no round after so many")
    group.add_argument("--lof-method", choices=get_args(Search), help="greedy unless given")
    what = "weight of the distortion, that of the training unless given; a smaller one saves more bytes"
    group.add_argument("--lof-lmbda", type=positive_number, metavar="L", help=what)


def add_effort(group: Any) -> None:
    """Adds `--effort`."""
    text = "how long to search for better latents, 0 to 4; 0 does not search (the default), 4 takes many minutes"
    group.add_argument("--effort", type=int, choices=range(5), default=0, help=text)


def with_effort(ours: "Iterable[Ours]", effort: int) -> "list[Ours]":
    """The same models, each with a search of this effort for every picture, and then named as in `light-vr-3-e2`."""
    if not effort:
        return list(ours)
    from gllmm_jax.lof import EFFORTS, Overfit

    search = Overfit(steps=EFFORTS[effort])
    return [one._replace(codec=f"{one.codec}-e{effort}", refine=search) for one in ours]


def add_view(parser: argparse.ArgumentParser) -> None:
    """Adds `--crop` and `--scale`."""
    group = parser.add_mutually_exclusive_group()
    text = "show a part alone: left, top, width and height, in pixels"
    group.add_argument("--crop", type=_crop, metavar="X,Y,W,H", help=text)
    text = "show a small picture, a pixel for N x N; 8 and 16 are nearly exact and quicker where the model allows it"
    group.add_argument("--scale", type=int, choices=SCALES, default=1, metavar="N", help=f"{text}: 2, 4, 8 or 16")


def add_others(parser: argparse.ArgumentParser) -> None:
    """Adds `--against` and the options of `add_curves`."""
    group = parser.add_argument_group("beside other codecs")
    text = "measure these too: jpeg,webp,avif,jpeg2000,jxl,hevc,vvc; webp@40@80: at 40 and 80"
    group.add_argument("--against", type=_names, default=[], metavar="NAMES", help=text)
    add_curves(group)


def add_curves(group: Any) -> None:
    """Adds `--peers`, `--published` and `--anchor`."""
    text = "rows measured before, as --rows keeps them: codec, setting, image, bytes, bpp, psnr, ..."
    group.add_argument("--peers", type=a_path, metavar="FILE", help=text)
    text = "means on Kodak as others published them: vtm,hm,bpg,gllmm,elic,cheng2020-attn,..."
    group.add_argument("--published", type=_names, default=[], metavar="NAMES", help=text)
    text = "what BD-rates are against (the first of the other codecs, or else of the models, unless given)"
    group.add_argument("--anchor", metavar="NAME", help=text)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _crop(text: str) -> tuple[int, ...]:
    # an argument: four numbers with commas between them
    left, top, width, height = map(int, text.split(","))
    return left, top, width, height


_crop.__name__ = "crop"


def suffix(text: str) -> str:
    """An argument that names a format."""
    return text.removeprefix(".").lower()


suffix.__name__ = "suffix"


def percent(text: str) -> int:
    """An argument that is a whole number from 1 to 100."""
    value = positive(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text} is above 100")
    return value


percent.__name__ = "whole number"


def add_together(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `join`, and --shard-optimizer."""
    together = parser.add_argument_group("several processes, each started with the same command (experiments/launch)")
    together.add_argument("--distributed", action="store_true", help="find the others as SLURM, a TPU pod or MPI tells")
    together.add_argument("--coordinator", metavar="HOST:PORT", help="where the first process listens, where none does")
    together.add_argument("--processes", type=positive, metavar="N", help="how many there are")
    together.add_argument("--process", type=int, metavar="I", help="which this is, from 0")
    together.add_argument(
        "--shard-optimizer", action="store_true", help="share out the optimizer's state among the devices"
    )
