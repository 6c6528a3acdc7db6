"""What the commands of `lamlam eval` share: their options, loading, and showing and keeping results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.cli.terminal import console, emit_json, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase

if TYPE_CHECKING:
    from lamlam.evaluate import Result

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The model: a checkpoint folder.", show_default=False)]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many, for a quick look.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws the confidence intervals, the examples and what is drawn.")]
Kb = Annotated[
    str | None,
    typer.Option("--kb", help="The base to look up in, a file or a postgresql:// URL; without it, lookups are off."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="A folder to keep the results in, as JSON and a report.html of all that it holds.", show_default=False
    ),
]
Name = Annotated[str | None, typer.Option(help="How results call the model; its folder if not given.")]
Policy = Annotated[
    Literal["abstain", "unknown"],
    typer.Option(help='Where nothing matches: go on without the call, or put in the word "unknown".'),
]


def load(model: Path, base: KnowledgeBase | None) -> Any:
    """The model in float32 everywhere: the same figures on a GPU as on a CPU, but for rounding."""
    import torch

    from lamlam.generate import LookupModel
    from lamlam.model import load_model

    return LookupModel(*load_model(model, device(), torch.float32), base)


def device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def opened(kb: str | Path | None) -> Iterator[KnowledgeBase | None]:
    """The base at a path, for a while; None where no path is given."""
    if kb is None:
        yield None
        return
    with KnowledgeBase.open(kb) as base:
        yield base


def refuse_missing(*paths: str | Path | None) -> None:
    """Before a model is loaded, which takes a while. Whether a server is there is seen when its base is opened."""
    for path in paths:
        if path is not None and "://" not in str(path) and not Path(path).exists():
            raise LamlamError(f"{path}: no such file or folder; give data to measure on")


def finish(results: Iterable[Result], out: Path | None, as_json: bool) -> None:
    """Show each result as it comes, and keep it at once: what was measured stays when a later one fails."""
    from lamlam.evaluate import read_results, write_report, write_result

    done: list[Result] = []
    try:
        for result in results:
            done.append(result)
            if out is not None:
                write_result(result, out)
            if not as_json:
                show(result)
    finally:
        if out is not None and done:
            write_report(read_results([out]), out / "report.html")
        if as_json and done:
            emit_json({"results": [result.to_json() for result in done]})
    if out is not None and not as_json:
        say(f"results: {out}   report: {out / 'report.html'}")


def show(result: Result) -> None:
    """A result at the terminal: its figures, breakdowns, examples, and what it was made with."""
    from lamlam.evaluate import cell

    table = Table(result.definition.task, "", "", box=None, header_style="bold", title_justify="left")
    for name, metric in result.metrics.items():
        table.add_row(escape(name), str(metric), "" if metric.n is None else f"n = {metric.n:,}")
    console.print(table)
    for breakdown in result.tables:
        rows = Table(*map(escape, breakdown.columns), box=None, header_style="bold")
        for row in breakdown.rows[:24]:
            rows.add_row(*(escape(cell(value)) for value in row))
        say(f"{breakdown.title}:")
        console.print(rows)
    for example in result.examples[:6]:
        say(
            f"{'right' if example.right else 'wrong'}: {example.prompt[-60:]!r} → {example.got[:120]!r}, "
            f"wanted {example.wanted!r}  {example.note}"
        )
    for note in result.notes:
        say(note)
    made = result.definition
    limit = "" if made.limit is None else f", limit {made.limit}"
    say(
        f"model {result.model}, base {result.base}, data {made.data}{limit}, policy {result.policy}, seed {made.seed}, "
        f"version {made.version}, {result.seconds:.1f} s\n"
    )
