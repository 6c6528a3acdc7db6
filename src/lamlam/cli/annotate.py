"""`lamlam annotate` and `lamlam correct`: calls into raw text, and bad calls out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from lamlam.cli.annotators import Settings, built
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
    annotators: Annotated[
        list[With],
        typer.Option(
            "--with",
            help="patterns: by rules; align: by tables of facts; model: by a trained annotator; llm: by a model "
            "behind an OpenAI-compatible endpoint. Given several times, each adds what those before it left.",
            show_default=False,
        ),
    ],
    facts: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="KB_OR_TABLE",
            help="For align: a base, or a .csv or .parquet file with the columns entity (or subject), relation, value "
            "(or object). May be given several times.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="RULES.yaml", help="For patterns: other rules than the package's own.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For model: what `lamlam train-annotator` wrote.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="For llm: the endpoint, such as http://localhost:8000/v1.")
    ] = None,
    llm: Annotated[str | None, typer.Option(metavar="NAME", help="For llm: the model's name at the endpoint.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(metavar="PROMPT.yaml", help="For llm: another prompt than the package's own.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="For llm: requests at one time.")] = 8,
    per_minute: Annotated[
        float | None, typer.Option(min=1, help="For llm: requests a minute at most; without it there is no limit.")
    ] = None,
    price: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="IN OUT", help="For llm: what a million tokens cost, read and written, to count the cost."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many documents.")] = None,
    as_json: Json = False,
) -> None:
    """Put calls into raw text, which stays as it is to the character.

    Example: `lamlam annotate articles.parquet documents.parquet --with patterns --with align --facts facts.csv`
    """
    _check_ending(out)
    settings = Settings(facts or [], rules, model, endpoint, llm, prompt, at_once, per_minute, price)
    counts = {"documents": 0, "annotated": 0, "calls": 0}
    with built([str(one) for one in annotators], settings, out) as chain:
        documents = progress(islice(read_documents(source), limit), "annotating", limit)
        for one in chain.annotators:
            documents = one.annotate(documents)
        write_documents(_counted(documents, counts), out)
        spent = chain.spent()
    result: dict[str, Any] = {"in": str(source), "out": str(out), "with": [str(one) for one in annotators], **counts}
    if spent is not None:
        result["llm"] = spent
    if as_json:
        emit_json(result)
        return
    say(f"{counts['documents']:,} documents, {counts['annotated']:,} of them with calls, from {source} to {out}")
    say(f"{counts['calls']:,} calls in all")
    if spent is not None:
        for name, value in spent.items():
            say(f"  {name.replace('_', ' ')}: {value}")


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
