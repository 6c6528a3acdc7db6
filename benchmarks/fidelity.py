"""Put the calls of the peer's marked-up corpora back into their source texts, and count what is lost, by reason.

    python benchmarks/fidelity.py [--data ../shared/data/official]

The peer's annotators changed most of the texts they marked up. Prints a table; exits with 1 where a document's text
is not its source to the character, or a call is neither carried over nor counted.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from closing import run
from rich.console import Console
from rich.table import Table

from lamlam.annotate import carry_over
from lamlam.text.files import read_documents


@dataclass
class Measured:
    """What came out for one corpus file."""

    file: str
    documents: int = 0
    differing: int = 0
    """Documents whose annotated text is not their source."""
    faithful: int = 0
    """Documents that are their source to the character afterwards."""
    calls: int = 0
    saved: int = 0
    mentioned: int = 0
    """Calls saved whose value the source mentions to the character."""
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def measure(data: Path) -> list[Measured]:
    """Measure every corpus file in `data`; a base (`*_database.json`) is not one."""
    return [_measure_file(path) for path in sorted(data.glob("*.json")) if "_database" not in path.name]


def missed(measured: list[Measured]) -> list[str]:
    """What must hold and does not, one line each."""
    lines = [f"{one.file}: {one.documents - one.faithful} texts differ" for one in measured]
    lines = [line for line, one in zip(lines, measured, strict=True) if one.faithful != one.documents]
    return lines + [
        f"{one.file}: {one.calls} calls, but {one.saved} saved and {one.dropped.total()} dropped"
        for one in measured
        if one.calls != one.saved + one.dropped.total()
    ]


def _measure_file(path: Path) -> Measured:
    one = Measured(path.name)
    documents = list(read_documents(path))
    began = time.perf_counter()
    for document in documents:
        source = document.meta.get("source_text", document.text)
        guarded = carry_over(source, document)
        one.documents += 1
        one.differing += source != document.text
        one.faithful += guarded.document.text == source
        one.calls += len(document.calls)
        one.saved += len(guarded.document.calls)
        one.mentioned += sum(call.span is not None for call in guarded.document.calls)
        one.dropped.update(guarded.dropped)
    one.seconds = time.perf_counter() - began
    return one


def _show(measured: list[Measured]) -> None:
    table = Table(
        "file", "documents", "text ≠ source", "faithful", "calls", "saved", "value mentioned", "dropped", "documents/s"
    )
    for one in measured:
        table.add_row(
            one.file,
            f"{one.documents:,}",
            f"{one.differing:,}",
            f"{one.faithful:,}",
            f"{one.calls:,}",
            f"{one.saved:,} ({one.saved / max(1, one.calls):.2%})",
            f"{one.mentioned:,}",
            "\n".join(f"{count:,} {reason}" for reason, count in one.dropped.most_common()) or "0",
            f"{one.documents / max(1e-9, one.seconds):,.0f}",
        )
    calls, saved = (sum(counts) for counts in zip(*((one.calls, one.saved) for one in measured), strict=True))
    Console(width=180).print(table, f"{saved:,} of {calls:,} calls saved ({saved / max(1, calls):.2%})")


def main() -> int:
    """Measure, print, and say whether what must hold does."""
    return run(__doc__, measure, _show, missed)


if __name__ == "__main__":
    sys.exit(main())
