"""What every command shares at the terminal: results as text or JSON, progress bars, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TextIO, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text, for machines.")]
"""The `--json` option, the same in every command."""

_UNLIMITED = 1_000_000


def _width(stream: TextIO) -> int | None:
    """Of the terminal, as rich finds it; elsewhere nothing is wrapped, so that a line stays a line."""
    return None if stream.isatty() else _UNLIMITED


console = Console(highlight=False, width=_width(sys.stdout))
errors = Console(stderr=True, highlight=False, width=_width(sys.stderr))
Item = TypeVar("Item")


def emit_json(result: Any) -> None:
    """Print `result` as one line of JSON on standard output, non-ASCII characters as they are."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def say(line: str, where: Console = console) -> None:
    """Print `line` as it is: brackets in it are no markup, and a path in it is not broken."""
    where.print(line, markup=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print one line of error on standard error."""
    line = " ".join(message.splitlines())
    errors.print(Text.assemble(("error:", "bold red"), " ", line), soft_wrap=True)


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
