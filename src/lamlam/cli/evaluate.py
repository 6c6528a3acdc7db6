"""`lamlam eval`: measure a model, and say what each figure was made with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.cli.terminal import Json, console, emit_json, progress, say
from lamlam.errors import LamlamError
from lamlam.kb import KnowledgeBase
from lamlam.text.files import read_documents

if TYPE_CHECKING:
    from lamlam.evaluate import Answer, CompletionResult

app = typer.Typer(help="Measure a model: how it predicts text, what it completes.", no_args_is_help=True)

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The model: a checkpoint folder.", show_default=False)]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many, for a quick look.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws the confidence intervals and the examples.")]


@app.command()
def perplexity(
    model: Model,
    documents: Annotated[
        Path, typer.Argument(metavar="DOCS", help="Held-out documents with their calls.", show_default=False)
    ],
    context: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens in view at most, such as the model was trained with; else all it has room for."
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Perplexity on documents: of the plain text (standard), and with the documents' own calls given.

    static: of the text; normalized: of the text and the queries. Both by token of the plain text.

    Example: `lamlam eval perplexity model held-out.parquet`
    """
    _refuse_missing(documents)
    from lamlam.evaluate import perplexities

    lm = _load(model, None)
    some = progress(islice(read_documents(documents), limit), "documents", limit)
    result = perplexities(lm, some, split=_split(documents, limit), model=str(model), context=context, seed=seed)
    if json:
        emit_json(result.to_json())
        return
    table = Table("perplexity", "value", "95 %", box=None, header_style="bold")
    for name in ("standard", "static", "normalized"):
        one = getattr(result, name)
        table.add_row(name, f"{one.value:.3f}", f"{one.interval.low:.3f} to {one.interval.high:.3f}")
    console.print(table)
    say(f"{result.documents:,} documents, {result.calls:,} calls, {result.tokens:,} tokens of plain text")
    _made_with(result, f", context {result.context}, stride {result.stride}")


@app.command()
def completion(
    model: Model,
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="A .parquet or .jsonl file: prompt, value and, if there, entity and relation.",
            show_default=False,
        ),
    ],
    kb: Annotated[
        Path | None, typer.Option("--kb", help="The base to look up in; without it, lookups are off.")
    ] = None,
    policy: Annotated[
        Literal["abstain", "unknown"],
        typer.Option(help='Where nothing matches: go on without the call, or put in the word "unknown".'),
    ] = "abstain",
    limit: Limit = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Let the model complete sentences cut off before a value; right is what starts with the value, strictly.

    Example: `lamlam eval completion model questions.jsonl --kb facts.db`
    """
    from lamlam.evaluate import complete, read_questions

    asked = read_questions(questions, limit)
    base = KnowledgeBase.open(kb) if kb else None
    try:
        lm = _load(model, base)
        result = complete(lm, asked, policy, base=str(kb), split=_split(questions, limit), model=str(model), seed=seed)
    finally:
        if base is not None:
            base.close()
    if json:
        emit_json(result.to_json())
    else:
        _show(result)


def _show(result: CompletionResult) -> None:
    low, high = result.interval
    say(f"{result.accuracy:.1%} of {result.questions:,} completed rightly (95 %: {low:.1%} to {high:.1%})")
    right = "" if result.asked_right is None else f", for the right fact in {result.asked_right:.1%}"
    say(f"asked in {result.asked:.1%}{right}; answered in {result.answered:.1%}")
    if result.relations:
        table = Table("relation", "questions", "right", box=None, header_style="bold")
        for score in result.relations:
            table.add_row(escape(score.relation), f"{score.questions:,}", f"{score.accuracy:.1%}")
        console.print(table)
    for name, examples in (("right", result.right_examples), ("wrong", result.wrong_examples)):
        for answer in examples:
            say(f"{name}: {_example(answer)}")
    _made_with(result, ", greedy decoding")


def _example(answer: Answer) -> str:
    asked = "".join(f"  asked ({entity}, {relation})" for entity, relation in answer.queries)
    return f"{answer.prompt[-60:]!r} → {answer.text!r}, wanted {answer.value!r}{asked}"


def _load(model: Path, base: KnowledgeBase | None) -> Any:
    """The model in float32 everywhere: the same figures on a GPU as on a CPU, but for rounding."""
    import torch

    from lamlam.generate import LookupModel
    from lamlam.model import load_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LookupModel(*load_model(model, device, torch.float32), base)


def _refuse_missing(path: Path) -> None:
    """Before a model is loaded, which takes a while."""
    if not path.exists():
        raise LamlamError(f"{path}: no such file or folder; give documents to measure on")


def _split(path: Path, limit: int | None) -> str:
    return str(path) if limit is None else f"{path}, first {limit}"


def _made_with(result: Any, more: str) -> None:
    say(
        f"model {result.model}, base {result.base}, split {result.split}, policy {result.policy}, seed {result.seed}"
        + more
    )
