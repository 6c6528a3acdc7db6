"""`lamlam annotate` and `lamlam correct`: calls into raw text, and bad calls out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lamlam.cli.terminal import Json, emit_json, progress, say
from lamlam.errors import LamlamError
from lamlam.text.document import Document
from lamlam.text.files import read_documents, write_documents

Source = Annotated[Path, typer.Argument(metavar="IN", help="A .parquet, .jsonl, .json or .txt file, or a folder.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write: .parquet or .jsonl.")]

_ENDINGS = (".parquet", ".jsonl")


class With(StrEnum):
    """What `--with` takes."""

    align = "align"
    llm = "llm"
    model = "model"
    patterns = "patterns"


def annotate(
    source: Source,
    out: Out,
    annotator: Annotated[
        With,
        typer.Option("--with", help="align: by a table of facts. The others are not built yet.", show_default=False),
    ],
    facts: Annotated[
        Path | None,
        typer.Option(
            metavar="KB_OR_TABLE",
            help="For align: a base, or a .csv or .parquet file with the columns entity (or subject), relation, value "
            "(or object).",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put calls into raw text, which stays as it is to the character.

    Example: `lamlam annotate articles.parquet documents.parquet --with align --facts facts.csv`
    """
    _check_ending(out)
    if annotator is not With.align:
        raise LamlamError(f"--with {annotator} is not built yet; what there is now is --with align --facts KB_OR_TABLE")
    if facts is None:
        raise LamlamError("--with align needs --facts: a base, or a .csv or .parquet table of facts")
    from lamlam.annotate.align import Aligner

    counts = {"documents": 0, "annotated": 0, "calls": 0}
    aligner = Aligner.from_file(facts)
    write_documents(_counted(aligner.annotate(progress(read_documents(source), "annotating")), counts), out)
    result = {"in": str(source), "out": str(out), "with": str(annotator), "facts": str(facts), **counts}
    if as_json:
        emit_json(result)
        return
    say(f"{counts['documents']:,} documents, {counts['annotated']:,} of them with calls, from {source} to {out}")
    say(f"{counts['calls']:,} calls in all")


def correct(source: Source, out: Out, as_json: Json = False) -> None:
    """Drop bad calls: empty, circular, vague, said before, or with several values for one question.

    Counts what was dropped by reason, with examples.

    Example: `lamlam correct documents.parquet corrected.parquet`
    """
    _check_ending(out)
    from lamlam.annotate.correct import Corrections, correct_all

    corrections = Corrections()
    write_documents(correct_all(progress(read_documents(source), "correcting"), corrections), out)
    dropped = dict(corrections.dropped.most_common())
    if as_json:
        result: dict[str, Any] = {"in": str(source), "out": str(out), "documents": corrections.documents}
        result |= {"kept": corrections.kept, "dropped": dropped, "examples": dict(corrections.examples)}
        emit_json(result)
        return
    say(f"{corrections.documents:,} documents, {corrections.kept:,} calls kept, from {source} to {out}")
    say(f"{sum(dropped.values()):,} calls dropped")
    for reason, count in dropped.items():
        say(f"  {count:,}: {reason}")
        for example in corrections.examples[reason]:
            say(f"    {' '.join(example.split())}")


def _check_ending(out: Path) -> None:
    if out.suffix not in _ENDINGS:
        raise LamlamError(f"{out}: documents are written to {' or '.join(_ENDINGS)}; give OUT that ending")


def _counted(documents: Iterable[Document], counts: dict[str, int]) -> Iterator[Document]:
    for document in documents:
        counts["documents"] += 1
        counts["annotated"] += bool(document.calls)
        counts["calls"] += len(document.calls)
        yield document
