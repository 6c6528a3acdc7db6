"""`lamlam eval completion`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from lamlam.cli.evaluate_options import Limit, Model, Seed, load, say_made_with, split_name
from lamlam.cli.terminal import Json, console, emit_json, say
from lamlam.kb import KnowledgeBase

if TYPE_CHECKING:
    from lamlam.evaluate import Answer, CompletionResult


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
        lm = load(model, base)
        result = complete(
            lm, asked, policy, base=str(kb), split=split_name(questions, limit), model=str(model), seed=seed
        )
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
    say_made_with(result, ", greedy decoding")


def _example(answer: Answer) -> str:
    asked = "".join(f"  asked ({entity}, {relation})" for entity, relation in answer.queries)
    return f"{answer.prompt[-60:]!r} → {answer.text!r}, wanted {answer.value!r}{asked}"
