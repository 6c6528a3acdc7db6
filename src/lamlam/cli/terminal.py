"""What every command shares at the terminal: results as text or JSON, progress bars, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TextIO, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
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


# What a terminal takes for a command: controls (ESC among them, and its 8-bit kin), and what turns the direction round.
_COMMANDS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_WRITTEN_OUT = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _COMMANDS}
_WRITTEN_OUT |= {ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"}
_IN_JSON = {code: f"\\u{code:04x}" for code in _COMMANDS if code >= 0x7F}


def visible(text: str) -> str:
    """Text from outside as it may be printed: what a terminal would carry out is written out, as `\\x1b`."""
    return text.translate(_WRITTEN_OUT)


def emit_json(result: Any) -> None:
    """Print `result` as one line of JSON on standard output, non-ASCII characters as they are."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False).translate(_IN_JSON) + "\n")


def say(text: str, where: Console = console) -> None:
    """Print text as it is: brackets in it are no markup, a path in it is not broken, and it commands no terminal."""
    where.print("\n".join(visible(line) for line in text.split("\n")), markup=False, soft_wrap=True)


def fail(message: str) -> None:
    """Print one line of error on standard error."""
    line = visible(" ".join(message.splitlines()))
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


@contextmanager
def counting() -> Iterator[Callable[[str, int], None]]:
    """A function to call with what is being done and how much of it so far, shown where there is a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=None, count="")

        def tell(what: str, count: int) -> None:
            bar.update(task, description=what, count=f"{count:,}" if count else "")

        yield tell
