"""What every command shares at the terminal: results as text or JSON, progress bars, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, for machines.")]
"""The `--json` option, the same in every command."""

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
Item = TypeVar("Item")


def emit_json(result: Any) -> None:
    """Print `result` as one line of JSON on standard output, non-ASCII characters as they are."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def fail(message: str) -> None:
    """Print one line of error on standard error."""
    errors.print(f"[bold red]error:[/] {_plain(message)}", soft_wrap=True)


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Iterate with a progress bar on standard error, where that is a terminal; silently elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        yield from bar.track(items, total=total, description=what)


def _plain(message: str) -> str:
    """The message on one line, with what rich would take for markup left as it is."""
    return " ".join(message.split("\n")).replace("[", "\\[")
