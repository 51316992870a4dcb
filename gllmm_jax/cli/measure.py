"""`evaluate`, `explain` and `demo`."""

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gllmm_jax import zoo
from gllmm_jax.cli import cache
from gllmm_jax.cli.common import (
    FAILED,
    a_path,
    add_command,
    add_convert,
    add_force,
    add_json,
    add_model,
    add_placement,
    add_qualities,
    harmless,
    placement,
    positive,
    print_json,
    quality,
    say,
    sentence,
)
from gllmm_jax.cli.pairs import check_png, pictures
from gllmm_jax.cli.progress import bar
from gllmm_jax.files import check_free

if TYPE_CHECKING:
    from gllmm_jax.evaluate.contestants import Ours, Theirs


def add_commands(commands: Any) -> None:
    """Their arguments."""
    parser = add_command(commands, "evaluate", "measure models and other codecs on pictures, by real files", evaluate)
    text = "any picture Pillow reads; a folder of them, or a pattern like '**/*.png'"
    parser.add_argument("images", type=a_path, nargs="+", metavar="PATH", help=text)
    text = f"a model that `models` lists, or a weights file; several are given one by one ({zoo.DEFAULT} unless given)"
    parser.add_argument("--model", action="append", dest="models", metavar="NAME|FILE", help=text)
    add_qualities(parser)
    _add_others(parser)
    text = "add each row to this file as it is measured, CSV or .jsonl; rows that it has, by codec, setting and name "
    text += "of the picture, are not measured again"
    parser.add_argument("--rows", type=a_path, metavar="FILE", help=text)
    text = "the curves, bits per pixel and PSNR, as a PNG file; with --published or --peers theirs too"
    parser.add_argument("--plot", type=a_path, metavar="PNG", help=text)
    text = "processes that measure at once (1 unless given); their seconds are those of a machine that is busy"
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help=text)
    parser.add_argument("-o", "--output", type=a_path, metavar="DIR", help="keep the files and decoded pictures here")
    add_force(parser)
    add_convert(parser)
    add_placement(parser)
    add_json(parser)

    parser = add_command(commands, "explain", "where the bits of one picture go, and which family says so", explain)
    parser.add_argument("image", type=a_path, metavar="IN", help="any picture Pillow reads")
    text = "a map of bits beside the picture, as a PNG file"
    parser.add_argument("-o", "--output", type=a_path, metavar="PNG", help=text)
    text = "of every latent its value, bits, mixture and the shares of the families, as NumPy's arrays"
    parser.add_argument("--arrays", type=a_path, metavar="NPZ", help=text)
    add_force(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    text = "from 0 to 100, of a model with a variable rate (its own unless given)"
    parser.add_argument("--quality", type=quality, metavar="Q", help=text)
    add_convert(parser)
    add_json(parser)

    about = "a first look: four photographs there and back, beside JPEG"
    parser = add_command(commands, "demo", about, demo)
    where = "the folder for files and comparisons (%(default)s unless given)"
    parser.add_argument("-o", "--output", type=a_path, default=Path("demo"), metavar="DIR", help=where)
    add_force(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    add_qualities(parser)


def _add_others(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("beside other codecs")
    text = "measure these too, names with commas between: jpeg,webp,avif,jpeg2000,jxl,hevc,vvc"
    group.add_argument("--against", type=_names, default=[], metavar="NAMES", help=text)
    text = "rows measured before, as --rows keeps them: codec, setting, image, bytes, bpp, psnr, ..."
    group.add_argument("--peers", type=a_path, metavar="FILE", help=text)
    text = "means on Kodak as their authors published them: vtm,hm,bpg,gllmm,elic,cheng2020-attn,..."
    group.add_argument("--published", type=_names, default=[], metavar="NAMES", help=text)
    text = "what BD-rates are against (the first of the other codecs, or else of the models, unless given)"
    group.add_argument("--anchor", metavar="NAME", help=text)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def evaluate(arguments: argparse.Namespace) -> int:
    """A row of figures for each picture, codec and setting as soon as it is measured; then means, and BD-rates.

    Bad pictures are left out, and told.
    """
    cache.enable()
    from gllmm_jax.evaluate import files, points, rows
    from gllmm_jax.picture.formats import is_picture

    bad: list[Exception] = []

    def skip(error: Exception) -> None:
        line = sentence(error)
        show.between(lambda: say(line))
        bad.append(error)

    if arguments.plot is not None:
        check_png(arguments.plot, force=arguments.force)
    ours, theirs = _models(arguments), _others(arguments)
    contestants, names = [*ours, *theirs], list(dict.fromkeys(one.codec for one in ours))
    tasks = files.tasks(
        contestants,
        pictures([str(path) for path in arguments.images], is_picture),
        arguments.output,
        convert=arguments.convert,
        force=arguments.force,
    )
    images = list(dict.fromkeys(task.name for task in tasks))
    measured = {one.codec for one in contestants}
    others = [] if arguments.peers is None else points.stored(arguments.peers, images, measured, warn=say)
    others_means = points.published_means(arguments.published, images)
    rivals = [one.codec for one in theirs] + [row["codec"] for row in others + others_means]
    anchor = points.anchor_of(names, rivals, arguments.anchor)
    widths = max(5, *(len(one.codec) for one in contestants)), max(5, *map(len, images))
    kept = None if arguments.rows is None else rows.File(arguments.rows, warn=say)
    wanted = {task.key for task in tasks}
    found = [] if kept is None else [row for row in kept.rows if rows.key_of(row) in wanted]
    known = {rows.key_of(row) for row in found}
    # a run that was stopped may have left files without their row
    todo = [task._replace(force=task.force or bool(known)) for task in tasks if task.key not in known]
    if known:
        say(f"{arguments.rows} has {len(known):,} of {len(tasks):,} rows already")

    def tell(row: rows.Row) -> None:
        if len(found) == len(known) + 1:
            print(rows.heading(*widths))
        print(rows.line(row, *widths), flush=True)

    with bar("measuring", len(todo), called="rows") as show:
        for row in files.evaluate(todo, jobs=arguments.jobs, start=cache.enable, skip=skip):
            if kept is not None:
                kept.add(row)
            found.append(row)
            show.one_is_done()
            if not arguments.json:
                show.between(functools.partial(tell, row))
    if others_means and {row["image"] for row in found} != set(images):
        say("published points are left out: not all pictures could be measured")
        others_means = []
    means = points.means(points.complete(found + others, warn=say)) + others_means
    comparisons = points.against(means, anchor)
    if arguments.json:
        print_json({"rows": found, "means": means, "against": points.plain(comparisons)})
    elif found:
        its = [rows.line(row, *widths) for row in means if row["codec"] in measured]
        count = len({row["image"] for row in found})
        print("\n".join([f"\nmeans of {count:,}", *its, "", *points.table(comparisons)]).rstrip())
    if arguments.plot is not None:
        from gllmm_jax.evaluate import plots

        most = 1.25 * max((row["bpp"] for row in means if row["codec"] in names), default=0)
        plots.save(plots.rate_distortion(points.curves(means), ours=names, max_bpp=most), arguments.plot)
    return FAILED if bad else 0


def _models(arguments: argparse.Namespace) -> "list[Ours]":
    """Each model at each quality. Raises `zoo.WeightsError`, and `ValueError` where no model has the qualities."""
    from gllmm_jax.evaluate.contestants import qualities_of

    models, places = arguments.models or [zoo.DEFAULT], placement(arguments)
    found = [qualities_of(model, arguments.quality, **places) for model in dict.fromkeys(models)]
    files: dict[str, str] = {}
    for one in (its[0] for its in found):
        if files.setdefault(one.codec, one.model) != one.model:
            both = f"{files[one.codec]} and {one.model}"
            raise ValueError(f"{both} call themselves '{one.codec}': export one of them with another --name")
    if arguments.quality != [None]:
        alone = [its[0].codec for its in found if its[0].setting is None]
        if len(alone) == len(found):
            raise ValueError(f"'{alone[0]}' has one quality alone: leave the quality out, or take another model")
        for name in alone:
            say(f"'{name}' has one quality alone, and is measured at that")
    return list(dict.fromkeys(one for its in found for one in its))


def _others(arguments: argparse.Namespace) -> "list[Theirs]":
    """Those of --against that can run here. Raises `ValueError` on a name that none has."""
    from gllmm_jax.evaluate.contestants import curve_of
    from gllmm_jax.peers import table

    found = []
    for name in table.named(arguments.against):
        if (why := table.missing(name)) is not None:
            say(f"{name} is left out: {why}")
        else:
            found += curve_of(name)
    return found


def explain(arguments: argparse.Namespace) -> None:
    """Bits of latents and hyper-latents, shares of the families; a map and the arrays where they are asked for."""
    outputs = [path for path in (arguments.output, arguments.arrays) if path is not None]
    if arguments.output is not None:
        check_png(arguments.output, force=arguments.force)
    if arguments.arrays is not None:
        check_free(arguments.arrays, force=arguments.force)
    cache.enable()
    from gllmm_jax.codec.codec import load
    from gllmm_jax.evaluate import explain as explaining
    from gllmm_jax.picture import picture

    codec, image = load(arguments.model), picture.read(arguments.image, convert=arguments.convert)
    codec = codec if arguments.quality is None else codec.at(arguments.quality)
    with bar("explaining"):
        found = explaining.explain(codec, image)
    if arguments.output is not None:
        from gllmm_jax.evaluate import plots

        stride, named = codec.config.stride, {"bits": found.bits_by_position()}
        figure = plots.maps(image, named, unit=f"bits of each {stride} x {stride} pixels", stride=stride)
        plots.save(figure, arguments.output)
    if arguments.arrays is not None:
        explaining.save(arguments.arrays, found)
    facts = explaining.summary(found) | {"model": codec.name, "quality": codec.quality}
    facts["bpp"] = facts["bits"] / (image.shape[0] * image.shape[1])
    if arguments.json:
        print_json(facts)
        return
    for name, value in facts["parts"].items():
        print(f"{name:13} {value:12,.0f} bits {100 * value / facts['bits']:5.1f} %")
    print(f"{'together':13} {facts['bits']:12,.0f} bits, {facts['bpp']:.3f} a pixel, by {codec.name}")
    for family, share in facts["families"].items():
        print(f"{family:13} has {100 * share:4.1f} % of the probability of what occurred, weighted by its bits")
    for path in outputs:
        print(f"{harmless(path)} is written")


def demo(arguments: argparse.Namespace) -> None:
    """Everything at once, with the installed model."""
    cache.enable()
    from gllmm_jax.evaluate.demo import run

    run(arguments.output, arguments.model, arguments.quality, force=arguments.force)
