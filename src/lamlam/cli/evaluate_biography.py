"""`lamlam eval biography`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamlam.cli.evaluate_options import Kb, Limit, Model, Name, Out, Policy, Seed, finish, load, opened, refuse_missing
from lamlam.cli.terminal import Json
from lamlam.errors import LamlamError
from lamlam.text.files import read_documents

if TYPE_CHECKING:
    from lamlam.evaluate import Result


def biography(
    model: Model,
    names: Annotated[Path, typer.Argument(metavar="NAMES", help="People, one name a line.", show_default=False)],
    facts: Annotated[
        Path | None,
        typer.Option(help="A table (subject, relation, object) to hold claims against, without an LLM."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="URL of an OpenAI-compatible endpoint: FActScore by an LLM.", show_default=False)
    ] = None,
    judge_model: Annotated[str, typer.Option(help="The judge's name at its endpoint.")] = "gpt-4o-mini",
    passages: Annotated[
        Path | None, typer.Option(help="Documents about the people, titled by their names, for the judge to read.")
    ] = None,
    kb: Kb = None,
    prompt: Annotated[str, typer.Option(help="What the model goes on from; {name} is the person.")] = "{name}",
    policy: Policy = "abstain",
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Let the model write about people, and count what holds: by a table of facts, by an LLM as judge, or both.

    Example: `lamlam eval biography model people.txt --facts facts.parquet --kb facts.db --prompt "{name} was born"`
    """
    refuse_missing(names, facts, passages, kb)
    if facts is None and judge is None:
        raise LamlamError("nothing to hold biographies against: give a table with --facts, or a judge with --judge")
    if judge is not None and passages is None:
        raise LamlamError("a judge has to read about the people: give documents with --passages")
    if "{name}" not in prompt:
        raise LamlamError(f"the prompt {prompt!r} names nobody; write {{name}} where the person's name goes")
    from lamlam.evaluate import Judge, biographies, factscore, measure_biographies, read_names, read_table

    people = read_names(names, limit, seed)
    called = name or str(model)

    def measured() -> Iterator[Result]:
        lm = load(model, None)
        with opened(kb) as lm.kb:
            if facts is not None:
                yield measure_biographies(
                    lm, people, read_table(facts), policy, prompt=prompt, data=str(names), model=called, seed=seed,
                    limit=limit,
                )  # fmt: skip
            if judge is not None and passages is not None:
                about = {str(one.meta.get("title", one.id)): one.text for one in read_documents(passages)}
                texts = dict(zip(people, biographies(lm, people, policy, prompt), strict=True))
                yield factscore(
                    texts, about, Judge(judge, judge_model), prompt=prompt, data=str(names), model=called,
                    base="full" if kb else "none", policy=policy, seed=seed, limit=limit,
                )  # fmt: skip

    finish(measured(), out, json)
