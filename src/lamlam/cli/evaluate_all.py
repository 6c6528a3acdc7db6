"""`lamlam eval all`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.evaluate_options import Limit, Seed, load, show
from lamlam.cli.terminal import Json, emit_json, errors, fail, say
from lamlam.errors import LamlamError


def all_of_them(
    suite: Annotated[
        Path,
        typer.Argument(metavar="SUITE", help="A suite's YAML file, or a folder with suite.yaml."),
    ],
    limit: Limit = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="For results and report; results/ beside the suite.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Run every measurement that a suite has data for; what fails is told at the end, and the rest is kept.

    Example: `lamlam eval all runs/demo --limit 200`
    """
    from lamlam.evaluate import read_results, write_report, write_result
    from lamlam.evaluate.suite import items, read_suite

    chosen = read_suite(suite)
    out = out or chosen.folder / "results"
    began = time.monotonic()
    failures: list[tuple[str, str]] = []
    done = 0
    for item in items(chosen, lambda path: load(path, None), limit, seed):
        with errors.status(f"{item.name} …"):
            try:
                for result in item.results():
                    write_result(result, out)
                    done += 1
                    if not json:
                        show(result)
            except LamlamError as error:
                failures.append((item.name, str(error)))
                fail(f"{item.name}: {error}")
    if done:
        write_report(read_results([out]), out / "report.html", failures=failures)
    seconds = time.monotonic() - began
    if json:
        made = [result.to_json() for result in read_results([out])] if done else []
        emit_json({"results": made, "failures": [list(one) for one in failures], "seconds": seconds})
    else:
        say(f"{done} results in {seconds:.0f} s   report: {out / 'report.html'}")
    if failures:
        raise typer.Exit(1)
