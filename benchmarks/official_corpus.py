"""Read the peer's marked-up corpora, account for every call, and write and read them again in every form.

    python benchmarks/official_corpus.py [--data ../shared/data/official]

Prints a table and exits with 1 where a bar is missed: at least 99.5 % of all calls parsed, every opening of a call
either parsed or rejected, and write → read → write identical in every form.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from closing import run
from rich.console import Console
from rich.table import Table

from lamlam.text import Document, parse, render
from lamlam.text.files import read_documents, write_documents
from lamlam.text.peer import PeerReport
from lamlam.text.written import OPEN

LEAST_SHARE_PARSED = 0.995


@dataclass
class Measured:
    """What came out for one corpus file."""

    file: str
    openings: int
    report: PeerReport
    identical: dict[str, bool] = field(default_factory=dict)


def measure(data: Path, scratch: Path) -> list[Measured]:
    """Measure every corpus file in `data`; a base (`*_database.json`) is not one. Files are written in `scratch`."""
    return [_measure_file(path, scratch) for path in sorted(data.glob("*.json")) if "_database" not in path.name]


def missed(measured: list[Measured]) -> list[str]:
    """The bars that were missed, one line each."""
    lines = []
    for one in measured:
        if one.report.calls != one.openings:
            lines.append(f"{one.file}: {one.openings} calls open, but {one.report.calls} are accounted for")
        lines += [
            f"{one.file}: {form} differs after write, read, write" for form, same in one.identical.items() if not same
        ]
    share = sum(one.report.parsed for one in measured) / max(1, sum(one.openings for one in measured))
    if share < LEAST_SHARE_PARSED:
        lines.append(f"{share:.2%} of all calls parsed; the bar is {LEAST_SHARE_PARSED:.1%}")
    return lines


def _measure_file(path: Path, scratch: Path) -> Measured:
    examples = json.loads(path.read_text(encoding="utf-8"))["examples"]
    report = PeerReport()
    documents = list(read_documents(path, report))
    one = Measured(path.name, sum(example["annotated_text"].count(OPEN) for example in examples), report)
    one.identical["written"] = all(_same_rendering(document, "written") for document in documents)
    one.identical["tokens"] = all(_same_rendering(document, "tokens") for document in documents)
    for ending in ("jsonl", "parquet", "json"):
        first, second = scratch / f"first.{ending}", scratch / f"second.{ending}"
        write_documents(documents, first)
        again = list(read_documents(first))
        write_documents(again, second)
        one.identical[ending] = again == documents and first.read_bytes() == second.read_bytes()
    return one


def _same_rendering(document: Document, form: str) -> bool:
    rendered = render(document, form)
    again = parse(rendered, form, id=document.id)
    return render(again, form) == rendered and (again.text, again.calls) == (document.text, document.calls)


def _show(measured: list[Measured]) -> None:
    table = Table(
        "file", "documents", "calls", "parsed", "rejected", "share parsed", "text = source", "verbatim", "identical"
    )
    for one in measured:
        report = one.report
        table.add_row(
            one.file,
            f"{report.documents:,}",
            f"{one.openings:,}",
            f"{report.parsed:,}",
            "\n".join(f"{count} {reason}" for reason, count in report.rejected.most_common()) or "0",
            f"{report.parsed / max(1, one.openings):.2%}",
            f"{report.equal_to_source:,}",
            f"{report.verbatim_values:,}",
            " ".join(form if same else f"NOT {form}" for form, same in one.identical.items()),
        )
    calls, parsed = (
        sum(counts) for counts in zip(*((one.openings, one.report.parsed) for one in measured), strict=True)
    )
    documents = sum(one.report.documents for one in measured)
    Console(width=160).print(
        table, f"{documents:,} documents: {parsed:,} of {calls:,} calls parsed ({parsed / calls:.2%})"
    )


def main() -> int:
    """Measure, print, and say whether every bar was reached."""
    with tempfile.TemporaryDirectory() as scratch:
        return run(__doc__, lambda data: measure(data, Path(scratch)), _show, missed)


if __name__ == "__main__":
    sys.exit(main())
