"""`lamlam eval memory` and `lamlam eval infusion`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamlam.cli.evaluate_options import Limit, Model, Name, Out, Seed, finish, load, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.errors import LamlamError
from lamlam.text.files import read_documents

if TYPE_CHECKING:
    from lamlam.text import Document


def memory(
    model: Model,
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS", help="Questions that say how often their fact was `seen`.")
    ],
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """How likely values are with lookups off, by how often training text stated their facts.

    Example: `lamlam eval memory model seen-questions.jsonl`
    """
    refuse_missing(questions)
    from lamlam.evaluate import measure_memory, read_questions

    asked = read_questions(questions)
    result = measure_memory(
        load(model, None), asked, data=str(questions), model=name or str(model), seed=seed, limit=limit
    )
    finish([result], out, json)


def infusion(
    tokenizer: Annotated[Path, typer.Argument(metavar="TOKENIZER", help="A checkpoint or shards: its tokenizer.")],
    documents: Annotated[Path, typer.Argument(metavar="DOCS", help="General text, with its calls.")],
    facts: Annotated[
        Path,
        typer.Argument(metavar="FACTS", help="Documents of one fact each, with its call."),
    ],
    sizes: Annotated[list[str] | None, typer.Option("--size", help="LAYERSxHIDDEN, for each model.")] = None,
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
    refuse_missing(tokenizer, documents, facts)
    from lamlam.evaluate import Question, Tuning, infuse, small_models
    from lamlam.model import LookupTokenizer

    known = LookupTokenizer.load(tokenizer)
    general = list(islice(read_documents(documents), trained))
    pairs: list[tuple[Document, Question]] = []
    for document in islice(read_documents(facts), limit):
        if not document.calls:
            raise LamlamError(f"{facts}: document {document.id} has no call; each needs the call of its one fact")
        call = document.calls[0]
        prompt = document.text[: call.at].rstrip()
        pairs.append((document, Question(prompt, call.lookup.value, call.lookup.entity, call.lookup.relation)))
    finish(
        infuse(
            small_models(known, sizes or ["1x32", "2x64", "4x128"], seed), general, pairs, repeats or [1, 3, 10, 30],
            data=str(facts), documents=trained, tuning=Tuning(1, lr, seed=seed),
        ),
        out, json,
    )  # fmt: skip
