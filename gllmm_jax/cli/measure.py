"""`evaluate`, `report` and `demo`."""

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gllmm_jax import cache, zoo
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
from gllmm_jax.cli.options import add_curves, add_effort, add_others, with_effort
from gllmm_jax.cli.pairs import check_png, pictures
from gllmm_jax.cli.progress import bar
from gllmm_jax.files import check_free, replacing

if TYPE_CHECKING:
    from gllmm_jax.evaluate.contestants import Ours, Theirs
    from gllmm_jax.evaluate.rows import Row
    from gllmm_jax.report.pictures import Shown


def add_commands(commands: Any) -> None:
    """Adds the commands and their arguments."""
    parser = add_command(commands, "evaluate", "measure models and other codecs on pictures, by real files", evaluate)
    text = "any picture Pillow reads; a folder of them, or a pattern like '**/*.png'"
    parser.add_argument("images", type=a_path, nargs="+", metavar="PATH", help=text)
    text = f"a model that `models` lists, or a weights file; several are given one by one ({zoo.DEFAULT} unless given)"
    parser.add_argument("--model", action="append", dest="models", metavar="NAME|FILE", help=text)
    add_qualities(parser)
    add_effort(parser)
    add_others(parser)
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

    _add_report(commands)
    about = "a first look: four photographs there and back, beside JPEG"
    parser = add_command(commands, "demo", about, demo)
    where = "the folder for files and comparisons (%(default)s unless given)"
    parser.add_argument("-o", "--output", type=a_path, default=Path("demo"), metavar="DIR", help=where)
    add_force(parser)
    add_model(parser, zoo.DEFAULT, zoo.DEFAULT)
    add_qualities(parser)


def _add_report(commands: Any) -> None:
    parser = add_command(commands, "report", "one page of a run of `evaluate`, which needs no network", report)
    parser.add_argument("rows", type=a_path, metavar="ROWS", help="the file that `evaluate --rows` filled")
    text = "pictures to show as well, named as `evaluate` had them; both codecs make each again, at equal size"
    parser.add_argument("images", type=a_path, nargs="*", metavar="PATH", help=text)
    text = "the page (%(default)s unless given)"
    parser.add_argument("-o", "--output", type=a_path, default=Path("report.html"), metavar="HTML", help=text)
    add_force(parser)
    group = parser.add_argument_group("the pictures")
    text = "the model that makes them, or its weights file (the first of ROWS that `models` lists, unless given)"
    group.add_argument("--model", metavar="NAME|FILE", help=text)
    text = "from 0 to 100, of a model with a variable rate (the middle one of ROWS unless given)"
    group.add_argument("--quality", type=quality, metavar="Q", help=text)
    text = "the other codec, as in `evaluate --against` (the first of ROWS that is here, or else jpeg-4:2:0)"
    group.add_argument("--beside", metavar="NAME", help=text)
    add_convert(parser)
    add_curves(parser.add_argument_group("more curves"))
    add_placement(parser)


def evaluate(arguments: argparse.Namespace) -> int:
    """Prints a row of figures for each picture, codec and setting as soon as it is measured; then means and BD-rates.

    Bad pictures are named and left out.
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
    models = arguments.models or [zoo.DEFAULT]
    ours, theirs = _models(models, arguments.quality, arguments), _others(arguments)
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
    # a stopped run may have left files without their row
    todo = [task._replace(force=task.force or bool(known)) for task in tasks if task.key not in known]
    if known:
        say(f"{arguments.rows} has {len(known):,} of {len(tasks):,} rows already")

    def tell(row: rows.Row) -> None:
        if len(found) == len(known) + 1:
            print(rows.heading(*widths))
        print(harmless(rows.line(row, *widths)), flush=True)

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
    found = files.in_order(found, tasks)
    means = points.means(points.complete(found + others, warn=say), warn=say) + others_means
    comparisons = points.against(means, anchor)
    if arguments.json:
        print_json({"rows": found, "means": means, "against": points.plain(comparisons)})
    elif found:
        its = [rows.line(row, *widths) for row in means if row["codec"] in measured]
        count = len({row["image"] for row in found})
        print("\n".join([f"\nmeans of {count:,}", *map(harmless, [*its, "", *points.table(comparisons)])]).rstrip())
    if arguments.plot is not None:
        from gllmm_jax.evaluate import plots

        most = 1.25 * max((row["bpp"] for row in means if row["codec"] in names), default=0)
        plots.save(plots.rate_distortion(points.curves(means), ours=names, max_bpp=most), arguments.plot)
    return FAILED if bad else 0


def _models(models: list[str], qualities: list[float | None], arguments: argparse.Namespace) -> "list[Ours]":
    """Each model at each quality. Raises `zoo.WeightsError`, and `ValueError` if no model has the qualities."""
    from gllmm_jax.evaluate.contestants import qualities_of

    found = [qualities_of(model, qualities, **placement(arguments)) for model in dict.fromkeys(models)]
    files: dict[str, str] = {}
    for one in (its[0] for its in found):
        if files.setdefault(one.codec, one.model) != one.model:
            both = f"{files[one.codec]} and {one.model}"
            raise ValueError(f"{both} call themselves '{one.codec}': export one of them with another --name")
    if qualities != [None]:
        alone = [its[0].codec for its in found if its[0].setting is None]
        if len(alone) == len(found):
            raise ValueError(f"'{alone[0]}' has one quality alone: leave the quality out, or take another model")
        for name in alone:
            say(f"'{name}' has one quality alone, and is measured at that")
    return with_effort(dict.fromkeys(one for its in found for one in its), arguments.effort)


def _others(arguments: argparse.Namespace) -> "list[Theirs]":
    """The codecs of --against that can run here. Raises `ValueError` for a name or setting that no codec has."""
    from gllmm_jax.evaluate.contestants import others
    from gllmm_jax.peers import table

    found = others(arguments.against)
    missing = {one.codec: why for one in found if (why := table.missing(one.codec)) is not None}
    for name, why in missing.items():
        say(f"{name} is left out: {why}")
    return [one for one in found if one.codec not in missing]


def report(arguments: argparse.Namespace) -> None:
    """Writes the page, with pictures if some are given."""
    check_free(arguments.output, force=arguments.force)
    from gllmm_jax.evaluate import points, rows
    from gllmm_jax.peers import table
    from gllmm_jax.report import page

    if not (found := rows.read(arguments.rows, warn=say)):
        raise ValueError(f"{arguments.rows} has no rows")
    names, images = (list(dict.fromkeys(row[column] for row in found)) for column in ("codec", "image"))
    others = [] if arguments.peers is None else points.stored(arguments.peers, images, names, warn=say)
    published = points.published_means(arguments.published, images)
    ours = [name for name in names if name not in table.PEERS]
    rivals = [row["codec"] for row in found + others + published if row["codec"] not in ours]
    anchor = points.anchor_of(ours, rivals, arguments.anchor)
    shown = _shown(arguments, found, ours) if arguments.images else []
    means = points.means(points.complete(found + others, warn=say), warn=say) + published
    text = page.build(page.Report(arguments.rows.name, found + others, means, ours, anchor, shown)).encode()
    with replacing(arguments.output) as file:
        file.write(text)
    print(f"{harmless(arguments.output)} is written, {len(text) / 1e6:.1f} MB")


def _shown(arguments: argparse.Namespace, found: "list[Row]", ours: list[str]) -> "list[Shown]":
    """The pictures of a report. Raises `ValueError` if no picture has a row."""
    cache.enable()
    from gllmm_jax.evaluate.files import tasks
    from gllmm_jax.picture.formats import is_picture
    from gllmm_jax.report.pictures import duel, shown

    model, level, beside = arguments.model, arguments.quality, arguments.beside
    own, other = duel(found, ours, model=model, quality=level, other=beside, **placement(arguments))
    images = {row["image"] for row in found}
    named = pictures([str(path) for path in arguments.images], is_picture)
    todo = [task for task in tasks([own], named) if task.name in images]
    if not todo:
        raise ValueError(f"{arguments.rows} has no row of these pictures: name them as for `evaluate`")
    kept = []
    with bar("making", len(todo)) as show:
        for task in todo:
            kept.append(shown(own, other, task.path, task.name, convert=arguments.convert))
            show.one_is_done()
    return kept


def demo(arguments: argparse.Namespace) -> None:
    """Shows everything at once, with the installed model."""
    cache.enable()
    from gllmm_jax.evaluate.demo import run

    run(arguments.output, arguments.model, arguments.quality, force=arguments.force)
