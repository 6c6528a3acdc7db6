"""`lamlam eval report` and `lamlam eval speed report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.cli.evaluate_options import Out, finish
from lamlam.cli.terminal import Json, console, emit_json, say


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR…", help="Folders that --out of `lamlam eval` wrote.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    json: Json = False,
) -> None:
    """One table of all results in some folders, models side by side, and one HTML page about them.

    Example: `lamlam eval report runs/small runs/large --out report.html`
    """
    from lamlam.evaluate import by_task, metric_names, read_results, write_report

    results = read_results(folders)
    write_report(results, out)
    if json:
        emit_json({"report": str(out), "results": [result.to_json() for result in results]})
        return
    for task, some in by_task(results):
        names = metric_names(some)
        table = Table("model", "base", "data", *map(escape, names), title=task, title_justify="left", box=None)
        for result in some:
            figures = (str(result.metrics[name]) if name in result.metrics else "–" for name in names)
            table.add_row(escape(result.model), escape(result.base), escape(result.definition.data), *figures)
        console.print(table)
        console.print()
    say(f"report: {out}")


def speed_report(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Printed by `lamlam eval speed … --json`.", show_default=False),
    ],
    out: Out = None,
    json: Json = False,
) -> None:
    """Training, decoding and lookups, as the commands of speed measured them, in one report.

    Example: `lamlam eval speed report train.json generate.json --out runs/speed`
    """
    from lamlam.evaluate import speed_result

    finish([speed_result(file) for file in files], out, json)
