"""`lamlam annotate` and `lamlam correct`: calls into raw text, and bad calls out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamlam.cli.annotators import Settings, built
from lamlam.cli.terminal import Json, emit_json, progress, say
from lamlam.errors import LamlamError
from lamlam.text.document import Document
from lamlam.text.files import read_documents, write_documents

if TYPE_CHECKING:
    from lamlam.annotate.correct import Corrections

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
        list[str] | None,
        typer.Option(
            metavar="KB_OR_TABLE",
            help="For align: a base (a file or a postgresql:// URL), or a .csv or .parquet file with the columns "
            "entity (or subject), relation, value (or object). May be given several times.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="RULES.yaml", help="For patterns: other rules than the package's own.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For model: what `lamlam train-annotator` wrote.")
    ] = None,
    careful: Annotated[
        bool,
        typer.Option(
            "--careful",
            help="For model: what a judge of calls takes for true, usual or not; of align's too, if named before it.",
            show_default=False,
        ),
    ] = False,
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
    settings = Settings(facts or [], rules, model, careful, endpoint, llm, prompt, at_once, per_minute, price)
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


def correct(
    source: Source,
    out: Out,
    model: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="A language model with the lookup tokens, to score the calls by."),
    ] = None,
    drop: Annotated[
        float, typer.Option(min=0, max=1, help="With --model: the share of the calls to drop, those it likes least.")
    ] = 0.1,
    most_per_100: Annotated[float, typer.Option(min=0, help="Calls that may stand in 100 words of a document.")] = 40.0,
    least_per_100: Annotated[
        float, typer.Option(min=0, help="Calls that 100 words should have; documents with fewer are left out.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Drop bad calls: empty, circular, vague, said before, with several values, too many, unlikely.

    IN is read twice: first to see which questions its documents answer with several values. Counts what was dropped by
    reason, with examples.

    Example: `lamlam correct documents.parquet corrected.parquet --model checkpoint`
    """
    _check_ending(out)
    from lamlam.annotate.correct import Answers, Corrections, correct_all

    answers = Answers(progress(read_documents(source), "reading"))
    corrections = Corrections()
    documents: Iterable[Document] = correct_all(
        progress(read_documents(source), "correcting"), corrections, most_per_100, least_per_100, answers
    )
    if model is None:
        write_documents(documents, out)
    else:
        _write_likely(list(documents), model, drop, corrections, out)
    dropped = dict(corrections.dropped.most_common())
    if as_json:
        result: dict[str, Any] = {"in": str(source), "out": str(out), "documents": corrections.documents}
        result |= {"left_out": corrections.left_out}
        result |= {"kept": corrections.kept, "dropped": dropped, "examples": dict(corrections.examples)}
        emit_json(result)
        return
    say(f"{corrections.documents:,} documents, {corrections.kept:,} calls kept, from {source} to {out}")
    if corrections.left_out:
        say(f"{corrections.left_out:,} of the documents left out for having too few")
    say(f"{sum(dropped.values()):,} calls dropped")
    for reason, count in dropped.items():
        say(f"  {count:,}: {reason}")
        for example in corrections.examples[reason]:
            say(f"    {' '.join(example.split())}")


def _write_likely(documents: list[Document], model: Path, drop: float, corrections: Corrections, out: Path) -> None:
    """Write the documents without the share of their calls that the model finds least likely."""
    from lamlam.annotate.call_loss import CallLoss, drop_unlikely, threshold
    from lamlam.model import load_model

    scorer = CallLoss(*load_model(model))
    losses = [loss for document in progress(documents, "scoring", len(documents)) for loss in scorer.losses(document)]
    unlikely = type(corrections)()
    write_documents(drop_unlikely(documents, losses, threshold(losses, drop), unlikely), out)
    corrections.kept = unlikely.kept
    corrections.dropped.update(unlikely.dropped)
    corrections.examples.update(unlikely.examples)


def _check_ending(out: Path) -> None:
    if out.suffix not in _ENDINGS:
        raise LamlamError(f"{out}: documents are written to {' or '.join(_ENDINGS)}; give OUT that ending")


def _counted(documents: Iterable[Document], counts: dict[str, int]) -> Iterator[Document]:
    for document in documents:
        counts["documents"] += 1
        counts["annotated"] += bool(document.calls)
        counts["calls"] += len(document.calls)
        yield document
