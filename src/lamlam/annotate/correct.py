"""The corrector's rules: calls that teach a model nothing, or something wrong, are taken out.

A call is dropped for the first reason that holds, in this order:

1. its entity or its value is empty;
2. its value is the entity, or contains it: the answer is in the question;
3. its relation is empty or too vague to ask by (`VAGUE`);
4. the text says its value before the call: the model would learn it from there;
5. within the document, and among the calls that are left, its entity and relation are asked for with several values:
   no base can tell which one is meant (the "deterministic" criterion of Li et al. 2022, arXiv 2210.11165);
6. other documents of the corpus ask for them with other values (`Answers`, filled by a first reading);
7. the document has more calls than its words allow, and this is one of the last of them.

A document that is left with fewer calls than its words ask for is left out: its facts would be learnt by heart.

Entities, relations and values are compared by `lamlam.kb.names.normalise`, so neither case nor punctuation tells two
apart, and values as well by `spellings.plain`: a date is the same in all its spellings.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lamlam.annotate.mentions import first_mention
from lamlam.annotate.spellings import plain
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Lookup
from lamlam.text.written import render_call

EMPTY = "the entity or the value is empty"
SAME = "the value is or contains the entity"
VAGUE_RELATION = "the relation is empty or too vague"
SAID = "the text says the value before the call"
SEVERAL = "several values for one entity and relation"
SEVERAL_IN_CORPUS = "other documents give another value for its entity and relation"
TOO_DENSE = "more calls than the text may have"
TOO_FEW = "fewer calls than the text should have"

VAGUE = frozenset(
    [
        *("about", "associated with", "attribute", "characteristic", "characteristics", "description", "detail"),
        *("details", "example", "examples", "fact", "facts", "feature", "features", "has", "info", "information"),
        *("is", "mention", "mentioned", "of", "other", "property", "related", "related to", "relation", "relation to"),
        *("relationship", "thing", "topic", "value"),
    ]
)
"""Relations, normalised, that do not say what is asked for."""

MOST_PER_100 = 40.0
"""Calls in 100 words: strong annotators mark 5 to 6, a short list of dates may well have 30."""

FEWEST = 3
"""Calls that a document may have, however short it is."""

EXAMPLES = 3
"""How many dropped calls are kept as examples of a reason."""


class Dropped(NamedTuple):
    """A call that was taken out, and why."""

    call: Call
    reason: str


class Corrected(NamedTuple):
    """The document without its bad calls, and those calls in the order in which they were written."""

    document: Document
    dropped: list[Dropped]


@dataclass
class Corrections:
    """What was kept and dropped, over many documents."""

    documents: int = 0
    left_out: int = 0
    """Documents, of those, that were left out whole, with the calls that they had left."""
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The first few dropped calls of every reason, in written form, with their document's id."""

    def add(self, corrected: Corrected) -> None:
        """Count one document."""
        self.documents += 1
        self.kept += len(corrected.document.calls)
        for call, reason in corrected.dropped:
            self._drop(call, reason, corrected.document)

    def leave_out(self, corrected: Corrected) -> None:
        """Count one document of which nothing is kept."""
        self.documents += 1
        self.left_out += 1
        for call, reason in [*corrected.dropped, *(Dropped(call, TOO_FEW) for call in corrected.document.calls)]:
            self._drop(call, reason, corrected.document)
        if not corrected.document.calls and len(self.examples[TOO_FEW]) < EXAMPLES:
            self.examples[TOO_FEW].append(f"{corrected.document.id}: no call in {corrected.document.text[:60]!r}…")

    def _drop(self, call: Call, reason: str, document: Document) -> None:
        self.dropped[reason] += 1
        if self.dropped[reason] <= EXAMPLES:
            self.examples[reason].append(f"{document.id}: {render_call(call.lookup)}")


class Answers:
    """Which questions (entity and relation) a corpus answers with several values.

    Filled by a first reading of all documents; memory grows by about 100 bytes a question (hashes of 64 bits, no text).
    """

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._first: dict[int, int] = {}
        self._several: set[int] = set()
        for document in documents:
            self.add(document)

    def add(self, document: Document) -> None:
        """Take note of the calls of a document that break no rule by themselves."""
        for call in correct(document).document.calls:
            question, value = hash(_key(call.lookup)), hash(_value(call.lookup))
            if self._first.setdefault(question, value) != value:
                self._several.add(question)

    def several(self, lookup: Lookup) -> bool:
        """Whether documents give different values for the entity and relation."""
        return hash(_key(lookup)) in self._several


def correct(document: Document, most_per_100: float = MOST_PER_100, answers: Answers | None = None) -> Corrected:
    """The document without the calls that break a rule; its text is untouched.

    `most_per_100` is how many calls may stand in 100 words; a document may have `FEWEST` in any case. `answers` are
    those of the whole corpus; without them, only the document itself tells whether a question has several.
    """
    said: dict[str, float] = {}  # value -> where its first mention ends, at infinity if there is none
    reasons = [_reason(call, document.text, said) for call in document.calls]
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call, reason in zip(document.calls, reasons, strict=True):
        if reason is None:
            values[_key(call.lookup)].add(_value(call.lookup))
    allowed = max(FEWEST, math.floor(most_per_100 * len(document.text.split()) / 100))
    kept: list[Call] = []
    dropped: list[Dropped] = []
    for call, reason in zip(document.calls, reasons, strict=True):
        if reason is None and len(values[_key(call.lookup)]) > 1:
            reason = SEVERAL
        if reason is None and answers is not None and answers.several(call.lookup):
            reason = SEVERAL_IN_CORPUS
        if reason is None and len(kept) >= allowed:
            reason = TOO_DENSE
        if reason is None:
            kept.append(call)
        else:
            dropped.append(Dropped(call, reason))
    return Corrected(Document(document.id, document.text, tuple(kept), document.meta), dropped)


def correct_all(
    documents: Iterable[Document],
    corrections: Corrections,
    most_per_100: float = MOST_PER_100,
    least_per_100: float = 0.0,
    answers: Answers | None = None,
) -> Iterator[Document]:
    """The documents one after another without their bad calls, which are counted in `corrections`.

    A document is left out that has fewer than `least_per_100` calls in 100 words, rounded down.
    """
    for document in documents:
        corrected = correct(document, most_per_100, answers)
        wanted = math.floor(least_per_100 * len(document.text.split()) / 100)
        if len(corrected.document.calls) < wanted:
            corrections.leave_out(corrected)
        else:
            corrections.add(corrected)
            yield corrected.document


def _reason(call: Call, text: str, said: dict[str, float]) -> str | None:
    """Why the call by itself is bad; None if it is not. `said` is filled with what was searched for in the text."""
    entity, relation, value = call.lookup
    if not entity.strip() or not value.strip():
        return EMPTY
    if first_mention(normalise(value), normalise(entity)) is not None:
        return SAME
    if not relation.strip() or normalise(relation) in VAGUE:
        return VAGUE_RELATION
    if value not in said:
        span = first_mention(text, value)
        said[value] = math.inf if span is None else span[1]
    # A call may stand inside its own value's mention; only what ends before the call was said before it.
    return SAID if said[value] <= call.at else None


def _key(lookup: Lookup) -> tuple[str, str]:
    return normalise(lookup.entity), normalise(lookup.relation)


def _value(lookup: Lookup) -> str:
    return normalise(plain(lookup.value))
