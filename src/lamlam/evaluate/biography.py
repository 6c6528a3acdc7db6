"""Biographies without an LLM: the claims of a text, held against a table of facts about the person.

A claim is a value that the table knows (of anybody: a date, a place, a name) and that stands in the text as whole
words, the longest first, the person's own name left out. It is supported where the table has it for that person, or for
something that the person's facts name (the country of the birth place). So it is closed in both directions: what the
table has no value for is not counted, and a value in the wrong relation (lived where he was born) passes. Precision is
supported claims of all claims; a text without any claim abstains.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import ratio_interval
from lamlam.evaluate.questions import read_rows
from lamlam.evaluate.task import Definition, Example, Metric, Result, drawn, share
from lamlam.generate import LookupModel, PolicyName
from lamlam.kb.names import normalise

VERSION = 1

PROMPT = "{name}"
_SHORTEST = 3
"""Characters of a value that counts as a claim: shorter ones stand in texts by chance."""


@dataclass(slots=True)
class FactTable:
    """`facts`: subject → values, as written; what is looked for in texts are all values there are."""

    facts: Mapping[str, set[str]]
    _patterns: dict[str, str] = field(default_factory=dict)
    _longest: int = 1

    def __post_init__(self) -> None:
        for values in self.facts.values():
            for value in values:
                spelled = normalise(value)
                if len(spelled) >= _SHORTEST:
                    self._patterns[spelled] = value
                    self._longest = max(self._longest, len(spelled.split()))

    def claims(self, person: str, text: str) -> list[str]:
        """The values that stand in the text, once each, in the order of their first mention."""
        words = normalise(text).split()
        own = set(normalise(person).split())
        found: dict[str, None] = {}
        place = 0
        while place < len(words):
            for size in range(min(self._longest, len(words) - place), 0, -1):
                spelled = " ".join(words[place : place + size])
                if spelled in self._patterns and not set(words[place : place + size]) <= own:
                    found.setdefault(spelled)
                    place += size
                    break
            else:
                place += 1
        return list(found)

    def supported(self, person: str, claim: str) -> bool:
        """Whether the table has the claim (as `claims` gives it) for the person, or for a value of the person's."""
        own = self.facts.get(person, set())
        near = own.union(*(self.facts[value] for value in own if value in self.facts))
        return claim in {normalise(value) for value in near}


def read_table(path: Path) -> FactTable:
    """A table of facts: rows of subject, relation, object; LamlamError where one of them is missing."""
    facts: dict[str, set[str]] = {}
    for _, row in read_rows(path, ("subject", "relation", "object")):
        facts.setdefault(row["subject"], set()).add(row["object"])
    if not facts:
        raise LamlamError(f"{path}: there are no facts in it")
    return FactTable(facts)


def read_names(path: Path, limit: int | None = None, seed: int = 0) -> list[str]:
    """The names of people, one a line; `limit` of them, drawn by `seed`."""
    if not path.is_file():
        raise LamlamError(f"{path}: no such file; give a file of names, one a line")
    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not names:
        raise LamlamError(f"{path}: there are no names in it")
    return Random(f"biography {seed}").sample(names, min(limit or len(names), len(names)))


def biographies(
    lm: LookupModel, names: Sequence[str], policy: PolicyName, prompt: str = PROMPT, max_new_tokens: int = 64
) -> list[str]:
    """What the model writes about each person, greedily, the prompt included."""
    prompts = [prompt.format(name=name) for name in names]
    texts = lm.generate(prompts, max_new_tokens=max_new_tokens, max_lookups=16, policy=policy)
    return [f"{start}{one.text}" for start, one in zip(prompts, texts, strict=True)]


def measure_biographies(
    lm: LookupModel,
    names: Sequence[str],
    table: FactTable,
    policy: PolicyName,
    *,
    prompt: str = PROMPT,
    data: str,
    model: str,
    max_new_tokens: int = 64,
    seed: int = 0,
    limit: int | None = None,
) -> Result:
    """Write biographies and hold their claims against the table; people that it does not know are an error."""
    began = time.monotonic()
    unknown = [name for name in names if name not in table.facts]
    if len(unknown) == len(names):
        raise LamlamError(f"the table has no facts about any of the {len(names)} people, such as {unknown[0]!r}")
    people = [name for name in names if name in table.facts]
    texts = biographies(lm, people, policy, prompt, max_new_tokens)
    judged = [_judged(table, person, text) for person, text in zip(people, texts, strict=True)]
    notes = [f"{len(unknown):,} of {len(names):,} people are not in the table, and were left out."] if unknown else []
    return result_of(
        judged, people, texts, Definition(
            "biography", VERSION, data, f"{len(people)} people", prompt,
            "claims: values of the table that stand in the text; precision: those that hold for the person or for what "
            "the person's facts name; abstains: no claim", "full" if lm.kb is not None else "none", seed, limit,
        ), model, "full" if lm.kb is not None else "none", policy, began, notes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """A text's claims, and which of them hold; `unjudged`: claims of which nobody could say."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    unjudged: int = 0


def _judged(table: FactTable, person: str, text: str) -> Judged:
    claims = table.claims(person, text)
    return Judged(
        tuple(claim for claim in claims if table.supported(person, claim)),
        tuple(claim for claim in claims if not table.supported(person, claim)),
    )


def result_of(
    judged: Sequence[Judged],
    people: Sequence[str],
    texts: Sequence[str],
    definition: Definition,
    model: str,
    base: str,
    policy: str,
    began: float,
    notes: Iterable[str] = (),
    more: Mapping[str, Metric] | None = None,
) -> Result:
    """Judged biographies as a result; the precision's interval is over people."""
    told = [one for one in judged if one.right or one.wrong]
    counts = [len(one.right) + len(one.wrong) for one in told]
    metrics: dict[str, Metric] = {}
    if told:
        hits = [len(one.right) for one in told]
        interval = ratio_interval(hits, counts, definition.seed)
        metrics["precision"] = Metric(sum(hits) / sum(counts), *interval, sum(counts))
    metrics["facts a text"] = Metric(sum(counts) / len(judged), n=len(judged), unit="number")
    metrics["abstains"] = share([float(not (one.right or one.wrong)) for one in judged], definition.seed)
    examples = [
        Example(
            not one.wrong,
            person,
            "only what holds",
            text,
            f"right: {', '.join(one.right)}; wrong: {', '.join(one.wrong)}",
        )
        for person, text, one in drawn(list(zip(people, texts, judged, strict=True)), definition.seed, 6)
    ]
    return Result(
        definition, model, base, policy, {**metrics, **(more or {})}, time.monotonic() - began, examples=examples,
        notes=list(notes),
    )  # fmt: skip
