"""`lamlam eval audit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lamlam.cli.evaluate_options import Model, Name, Out, Seed, finish, load, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.kb import KnowledgeBase


class Topology(StrEnum):
    """As in `lamlam.evaluate.topologies`."""

    Base = "Base"
    Alias = "Alias"
    Noise = "Noise"
    Collision = "Collision"


def audit(
    model: Model,
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="Prompt, value, entity and relation of facts that the base holds.",
            show_default=False,
        ),
    ],
    kb: Annotated[
        Path, typer.Option("--kb", help="The base; a copy of it is changed, never itself.", show_default=False)
    ],
    control: Annotated[
        Path | None, typer.Option(help="A model that never saw these facts, to compare leakage with.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples of each question.")] = 4,
    topologies: Annotated[
        list[Topology] | None,
        typer.Option("--topology", help="What stands near the facts; may be given several times. All, if not given."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Deletions in all, dealt out to the topologies.")] = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Forget facts in four surroundings, and see what is still said: from the weights, or by retrieval.

    Example: `lamlam eval audit model questions.jsonl --kb facts.db --limit 200`
    """
    refuse_missing(questions, kb, control)
    from lamlam.evaluate import audit as audited
    from lamlam.evaluate import read_questions

    asked = read_questions(questions)
    with KnowledgeBase.open(kb) as base:
        other = load(control, None) if control else None
        lm = load(model, None)
        results = audited(
            lm, base, asked, data=str(questions), model=name or str(model), control=other, samples=samples, seed=seed,
            limit=limit, topologies=topologies or tuple(Topology),
        )  # fmt: skip
        finish(results, out, json)
