"""`lamlam eval completion` and `lamlam eval consistency`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamlam.cli.evaluate_options import Kb, Limit, Model, Name, Out, Policy, Seed, finish, load, opened, refuse_missing
from lamlam.cli.terminal import Json, say
from lamlam.errors import LamlamError

if TYPE_CHECKING:
    from lamlam.evaluate import Result
    from lamlam.kb import Fact, KnowledgeBase


class Kind(StrEnum):
    """The three kinds of base, which are never mixed."""

    full = "full"
    oracle = "oracle"
    none = "none"


Bases = Annotated[
    list[Kind] | None,
    typer.Option(
        "--base",
        help="full: --kb; oracle: made from the benchmark's answers; none: lookups off. May be given several times; "
        "full where there is a --kb, else none.",
        show_default=False,
    ),
]


def completion(
    model: Model,
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="A .parquet or .jsonl file: prompt, value and, if there, entity, relation, answers and group; or "
            "LAMA T-REx, PopQA or EntityQuestions as they are.",
            show_default=False,
        ),
    ],
    kb: Kb = None,
    bases: Bases = None,
    policy: Policy = "abstain",
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Let the model complete sentences cut off before a value, and count strictly, leniently, and what contains it.

    Example: `lamlam eval completion model questions.jsonl --kb facts.db --base full --base none`
    """
    refuse_missing(questions, kb)
    from lamlam.evaluate import measure_completion, read_benchmark

    asked = read_benchmark(questions, limit, seed)
    for reason, count in [] if json else asked.skipped.items():
        say(f"not asked: {count:,} rows: {reason}")

    def measured() -> Iterator[Result]:
        lm = load(model, None)
        for kind in _kinds(bases, kb):
            with _base(kind, kb, asked.facts()) as lm.kb:
                yield measure_completion(
                    lm, asked.questions, policy, base=kind, data=asked.name, split=str(questions), prompt=asked.prompt,
                    model=name or str(model), seed=seed, limit=limit,
                )  # fmt: skip

    finish(measured(), out, json)


def consistency(
    model: Model,
    facts: Annotated[Path, typer.Argument(metavar="TREX", help="LAMA T-REx's facts.", show_default=False)],
    patterns: Annotated[Path, typer.Argument(metavar="PATTERNS", help="ParaRel's patterns.", show_default=False)],
    kb: Kb = None,
    bases: Bases = None,
    policy: Policy = "abstain",
    limit: Limit = None,
    seed: Seed = 0,
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Ask each fact in all of ParaRel's patterns, and count how often two of them get the same answer.

    Example: `lamlam eval consistency model trex.parquet pararel-patterns.parquet --kb facts.db --limit 200`
    """
    refuse_missing(facts, patterns, kb)
    from lamlam.evaluate import measure_consistency, oracle_facts, pararel

    paraphrases = pararel(facts, patterns, limit, seed)

    def measured() -> Iterator[Result]:
        lm = load(model, None)
        for kind in _kinds(bases, kb):
            with _base(kind, kb, oracle_facts(paraphrases)) as lm.kb:
                yield measure_consistency(
                    lm, paraphrases, policy, base=kind, data="ParaRel", model=name or str(model), seed=seed, limit=limit
                )

    finish(measured(), out, json)


def _kinds(bases: Sequence[Kind] | None, kb: str | None) -> list[Kind]:
    kinds = list(dict.fromkeys(bases or [Kind.full if kb else Kind.none]))
    if Kind.full in kinds and kb is None:
        raise LamlamError("--base full needs a base: name it with --kb")
    return kinds


@contextmanager
def _base(kind: Kind, kb: str | None, facts: Sequence[Fact]) -> Iterator[KnowledgeBase | Any]:
    from lamlam.evaluate import temporary_base

    if kind is Kind.oracle:
        with temporary_base(facts) as base:
            yield base
    else:
        with opened(kb if kind is Kind.full else None) as full:
            yield full
