"""Pairs of files through a codec: one pair with its report, or many pairs, several at a time, with a summary."""

import argparse
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gllmm_jax import files
from gllmm_jax.cli import progress
from gllmm_jax.cli.common import DEBUG, STANDARD, beside, harmless, print_json, say, sentence, standard_output
from gllmm_jax.cli.pairs import Pair, Plan

SOME_FAILED = 1
"""Exit status of a run that passed over files that it could not read or write."""


class Done(NamedTuple):
    """The result of a pair, before it is written."""

    data: bytes
    read: int  # bytes of the input
    written: int  # bytes of the output
    packed: int  # bytes of the .gllm file, which is the input or the output
    pixels: int
    facts: str  # one line for people
    report: dict[str, Any]  # for programs


Work = Callable[[Pair, progress.Bar], Done]


def run(arguments: argparse.Namespace, plan: Plan, work: Work) -> int:
    """Work on the whole plan -> exit status. An error of a single file is raised."""
    return _many(arguments, plan, work) if plan.many else _one(arguments, plan, work)


def _one(arguments: argparse.Namespace, plan: Plan, work: Work) -> int:
    pair = plan.pairs[0]
    if pair.output == STANDARD:
        standard_output()  # raises before any work begins
    with progress.bar() as bar:
        done = work(pair, bar)
    _write(pair.output, done.data, plan, arguments.force)
    if arguments.json:
        print_json(done.report, file=beside(pair.output))
    else:
        print(f"{harmless(pair.output)}: {done.facts}", file=beside(pair.output))
    return 0


def _many(arguments: argparse.Namespace, plan: Plan, work: Work) -> int:
    from gllmm_jax.codec.many import map_in_threads

    gc.enable()  # many files follow
    if plan.folder is not None:
        files.make_folder(plan.folder)
    for pair, name in plan.doubtful:
        say(f"{pair.source} is left out: {pair.output} is there already, and may be of {name}")
    start = time.perf_counter()
    with progress.bar(pictures=len(plan.pairs)) as bar:

        def one(pair: Pair) -> Done | None:
            try:
                done = work(pair, bar)
                _write(pair.output, done.data, plan, arguments.force)
            except Exception as error:
                if os.environ.get(DEBUG):
                    raise
                line = _about(pair, error)
                bar.between(lambda: say(line))
                return None
            finally:
                bar.one_is_done()
            if not arguments.json:
                bar.between(lambda: print(f"{harmless(pair.output)}: {done.facts}", flush=True))
            return done._replace(data=b"")

        results = map_in_threads(one, plan.pairs, None)
    summary = _summary([done for done in results if done], plan, time.perf_counter() - start)
    if arguments.json:
        rows = [
            {"input": str(pair.source), "output": str(pair.output)} | done.report
            for pair, done in zip(plan.pairs, results, strict=True)
            if done
        ]
        print_json({"summary": summary, "files": rows})
    else:
        print(_told(summary))
    return SOME_FAILED if summary["failed"] else 0


def _write(output: Path, data: bytes, plan: Plan, force: bool) -> None:
    if output == STANDARD:
        standard_output().write(data)
        return
    if plan.folder is not None:
        files.make_folder(output.parent)
    files.check_free(output, force=force)  # a second check: the file may have come meanwhile
    files.write(output, data)


def _about(pair: Pair, error: Exception) -> str:
    """One line that names the file."""
    text = sentence(error)
    named = any(text.startswith((f"{path}:", f"{path} ")) or f" {path}" in text for path in pair)
    return text if named else f"{pair.source}: {text}"


def _summary(done: list[Done], plan: Plan, seconds: float) -> dict[str, Any]:
    pixels, packed = sum(one.pixels for one in done), sum(one.packed for one in done)
    return {
        "pictures": len(done),
        "failed": len(plan.pairs) - len(done),
        "there": plan.there,
        "bytes_in": sum(one.read for one in done),
        "bytes_out": sum(one.written for one in done),
        "bpp": 8 * packed / pixels if pixels else None,
        "seconds": round(seconds, 1),
    }


def _told(summary: dict[str, Any]) -> str:
    parts = [f"{summary['pictures']:,} picture{'s' * (summary['pictures'] != 1)}"]
    if summary["pictures"]:
        parts += [
            f"{summary['bytes_in']:,} bytes in, {summary['bytes_out']:,} out",
            f"{summary['bpp']:.3f} bits a pixel",
        ]
    parts += [f"{summary['seconds']:,} s"]
    if summary["failed"]:
        parts += [f"{summary['failed']:,} failed"]
    if summary["there"]:
        parts += [f"{summary['there']:,} left out, whose outputs are there already (--force replaces them)"]
    return ", ".join(parts)
