"""`lamlam eval memory` and `lamlam eval infusion`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from lamlam.cli.evaluate_options import Limit, Model, Name, Out, Seed, device, finish, load, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.text.files import read_documents


def memory(
    model: Model,
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS", help="Questions that say how often their fact was `seen`.")
    ],
    documents: Annotated[
        Path | None,
        typer.Option(help="A document a question: a copy of the model first reads each as often as said."),
    ] = None,
    kind: Annotated[Literal["lmlm", "standard"], typer.Option(help="Whether it reads them with their calls.")] = "lmlm",
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """How likely values are with lookups off, by how often training text stated their facts.

    Example: `lamlam eval memory model seen-questions.jsonl`
    """
    refuse_missing(questions, documents)
    from lamlam.evaluate import Tuning, measure_memory, read_questions, tuned_on

    asked = read_questions(questions)
    lm = load(model, None)
    if documents is not None:
        lm = tuned_on(lm, asked, list(read_documents(documents)), kind, Tuning(1, 1e-3, seed=seed))
    result = measure_memory(lm, asked, data=str(questions), model=name or str(model), seed=seed, limit=limit)
    finish([result], out, json)


def infusion(
    tokenizer: Annotated[Path, typer.Argument(metavar="TOKENIZER", help="A checkpoint or shards: its tokenizer.")],
    documents: Annotated[Path, typer.Argument(metavar="DOCS", help="General text, with its calls.")],
    facts: Annotated[
        Path,
        typer.Argument(metavar="FACTS", help="Documents of one fact each, with its call; a fact may have several."),
    ],
    questions: Annotated[
        Path | None, typer.Option(help="Questions about the same facts in other words; else their own words are asked.")
    ] = None,
    sizes: Annotated[list[str] | None, typer.Option("--size", help="LAYERSxHIDDEN, for each model.")] = None,
    kind: Annotated[Literal["standard", "lmlm"] | None, typer.Option(help="Both, if not given.")] = None,
    repeats: Annotated[list[int] | None, typer.Option("--repeat", help="How often each fact is repeated.")] = None,
    trained: Annotated[int, typer.Option(min=1, help="Documents in each training.")] = 2000,
    lr: Annotated[float, typer.Option(min=0, help="Of each training.")] = 3e-3,
    limit: Annotated[int | None, typer.Option(min=1, help="Facts that are infused.")] = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Train models of several sizes on text with facts repeated, and see what stays: the infusion curve.

    Example: `lamlam eval infusion model docs.parquet facts.parquet --size 2x64 --size 4x128 --repeat 1 --repeat 10`
    """
    refuse_missing(tokenizer, documents, facts, questions)
    from lamlam.evaluate import Tuning, infuse, read_infusion, small_models
    from lamlam.model import LookupTokenizer

    known = LookupTokenizer.load(tokenizer)
    general = list(islice(read_documents(documents), trained))
    kinds: list[Literal["standard", "lmlm"]] = [kind] if kind else ["standard", "lmlm"]
    finish(
        infuse(
            small_models(known, sizes or ["1x32", "2x64", "4x128"], seed, device()), general,
            read_infusion(facts, limit, questions), repeats or [1, 3, 10, 30],
            data=str(facts), kinds=kinds, documents=trained, tuning=Tuning(1, lr, 8, seed),
        ),
        out, json,
    )  # fmt: skip
