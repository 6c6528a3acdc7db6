"""How well one annotation agrees with another: precision, recall and F1 of calls, fidelity, and their density.

Calls are compared by their strings, within a document, one to one. Four questions are asked of them:

- `span`: the value, of calls whose text mentions it: was the same stretch of text marked?
- `value`: the value, of all calls, those included whose value the text puts in other words;
- `entity`, `relation`: value and entity, value and relation: was the same thing asked about it?
- `call`: all three.

Exact means equal; for entities and relations, equal by `lamlam.kb.names.normalise`. Soft means alike: at least half of
the words (token F1) of values; entities where one's words are among the other's; relations that
`lamlam.kb.similarity.relation_score` takes for one, or that share half of their words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from lamlam.errors import LamlamError
from lamlam.evaluate.bootstrap import Interval, ratio_interval
from lamlam.kb.names import normalise
from lamlam.kb.similarity import THRESHOLD, relation_score
from lamlam.text import Call, Document

ALIKE = 0.5
"""Token F1 at or above which two values are alike."""

QUESTIONS = ("span", "value", "entity", "relation", "call")


class Agreement(NamedTuple):
    """Of one question: how many calls agree, of how many there are on either side."""

    agreed: int
    gold: int
    predicted: int

    @property
    def precision(self) -> float:
        """The share of predicted calls that agree; 0 where nothing was predicted."""
        return self.agreed / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of gold calls that are agreed with; 0 where there is no gold."""
        return self.agreed / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.gold + self.predicted
        return 2 * self.agreed / both if both else 0.0


class Pair(NamedTuple):
    """A document as both annotators marked it up; the predicted one may be missing."""

    gold: Document
    predicted: Document | None


@dataclass(frozen=True)
class AnnotationResult:
    """What was measured over a group of documents (all of them, or those with one value of a field of their meta)."""

    group: str
    documents: int
    missing: int
    """Documents that the prediction lacks: they count as documents without calls."""
    faithful: int
    """Predicted documents whose text is the gold's to the character."""
    words: int
    gold_calls: int
    predicted_calls: int
    exact: dict[str, Agreement]
    soft: dict[str, Agreement]
    span_interval: Interval
    """95 % of the exact span F1, documents resampled."""

    def calls_per_100_words(self) -> tuple[float, float]:
        """(of the gold, of the prediction)."""
        return tuple(100 * calls / max(1, self.words) for calls in (self.gold_calls, self.predicted_calls))  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        gold, predicted = self.calls_per_100_words()
        result = asdict(self)
        for kind in ("exact", "soft"):
            result[kind] = {
                name: {**one._asdict(), "precision": one.precision, "recall": one.recall, "f1": one.f1}
                for name, one in getattr(self, kind).items()
            }
        result["span_interval"] = list(self.span_interval)
        return result | {"gold_calls_per_100_words": gold, "predicted_calls_per_100_words": predicted}


def pair_up(gold: Iterable[Document], predicted: Iterable[Document]) -> tuple[list[Pair], int]:
    """The gold documents with the predicted ones of the same ids, and how many predicted ones have no gold.

    Raises `LamlamError` where there is no gold, or two documents share an id.
    """
    by_id = _by_id(predicted, "predicted")
    pairs = [Pair(document, by_id.pop(id, None)) for id, document in _by_id(gold, "gold").items()]
    if not pairs:
        raise LamlamError("no gold documents; there is nothing to compare with")
    return pairs, len(by_id)


def measure_annotation(pairs: Sequence[Pair], group: str = "all", seed: int = 0) -> AnnotationResult:
    """Precision, recall and F1 of the predicted calls against the gold ones, exact and soft."""
    sides = [(pair.gold.calls, pair.predicted.calls if pair.predicted else ()) for pair in pairs]
    exact = {name: [_agree_exactly(*side, key) for side in sides] for name, key in _KEYS.items()}
    soft = {name: [_agree_softly(*side, alike, name) for side in sides] for name, alike in _ALIKE.items()}
    # An empty document on both sides tells nothing, and would leave a resample of such documents without an F1.
    spans = [one for one in exact["span"] if one.gold + one.predicted] or [Agreement(0, 1, 1)]
    return AnnotationResult(
        group,
        documents=len(pairs),
        missing=sum(pair.predicted is None for pair in pairs),
        faithful=sum(pair.predicted is not None and pair.predicted.text == pair.gold.text for pair in pairs),
        words=sum(len(pair.gold.text.split()) for pair in pairs),
        gold_calls=sum(len(gold) for gold, _ in sides),
        predicted_calls=sum(len(predicted) for _, predicted in sides),
        exact={name: _total(ones) for name, ones in exact.items()},
        soft={name: _total(ones) for name, ones in soft.items()},
        span_interval=ratio_interval(
            [2 * one.agreed for one in spans], [one.gold + one.predicted for one in spans], seed
        ),
    )


def measure_groups(pairs: Sequence[Pair], field: str, seed: int = 0) -> list[AnnotationResult]:
    """One result for every value that the gold's `meta[field]` has, in order of the values."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(str(pair.gold.meta.get(field)), []).append(pair)
    return [measure_annotation(groups[name], name, seed) for name in sorted(groups)]


def alike(one: Call, other: Call) -> bool:
    """Whether two calls give values that share at least half of their words."""
    ours, theirs = (Counter(normalise(call.lookup.value).split()) for call in (one, other))
    total = ours.total() + theirs.total()
    return total > 0 and 2 * (ours & theirs).total() / total >= ALIKE


def _same_entity(one: Call, other: Call) -> bool:
    ours, theirs = (set(normalise(call.lookup.entity).split()) for call in (one, other))
    return bool(ours and theirs) and (ours <= theirs or theirs <= ours)


def _same_relation(one: Call, other: Call) -> bool:
    ours, theirs = one.lookup.relation, other.lookup.relation
    if relation_score(ours, theirs) >= THRESHOLD:
        return True
    mine, others = Counter(normalise(ours).split()), Counter(normalise(theirs).split())
    return 2 * (mine & others).total() >= ALIKE * max(1, mine.total() + others.total())


_KEYS: dict[str, Callable[[Call], Hashable]] = {
    "span": lambda call: None if call.span is None else call.lookup.value,
    "value": lambda call: call.lookup.value,
    "entity": lambda call: (call.lookup.value, normalise(call.lookup.entity)),
    "relation": lambda call: (call.lookup.value, normalise(call.lookup.relation)),
    "call": lambda call: (call.lookup.value, normalise(call.lookup.entity), normalise(call.lookup.relation)),
}
"""What has to be equal, by question; a call whose key is None does not count."""

_ALIKE: dict[str, Callable[[Call, Call], bool]] = {
    "span": alike,
    "value": alike,
    "entity": lambda one, other: alike(one, other) and _same_entity(one, other),
    "relation": lambda one, other: alike(one, other) and _same_relation(one, other),
    "call": lambda one, other: alike(one, other) and _same_entity(one, other) and _same_relation(one, other),
}


def _agree_exactly(gold: Sequence[Call], predicted: Sequence[Call], key: Callable[[Call], Hashable]) -> Agreement:
    ours, theirs = (Counter(found for call in calls if (found := key(call)) is not None) for calls in (gold, predicted))
    return Agreement((ours & theirs).total(), ours.total(), theirs.total())


def _agree_softly(
    gold: Sequence[Call], predicted: Sequence[Call], alike: Callable[[Call, Call], bool], question: str
) -> Agreement:
    if question == "span":
        gold, predicted = ([call for call in calls if call.span is not None] for calls in (gold, predicted))
    return Agreement(len(matched(gold, predicted, alike)), len(gold), len(predicted))


def matched(
    gold: Sequence[Call], predicted: Sequence[Call], alike: Callable[[Call, Call], bool]
) -> list[tuple[int, int]]:
    """As many pairs (gold, predicted) of calls that are alike as there can be, every call in one pair at most."""
    partner: dict[int, int] = {}  # predicted -> gold
    edges = [[i for i, theirs in enumerate(predicted) if alike(ours, theirs)] for ours in gold]

    def assign(ours: int, tried: set[int]) -> bool:
        for theirs in edges[ours]:
            if theirs not in tried:
                tried.add(theirs)
                if theirs not in partner or assign(partner[theirs], tried):
                    partner[theirs] = ours
                    return True
        return False

    for ours in range(len(gold)):
        assign(ours, set())
    return sorted((ours, theirs) for theirs, ours in partner.items())


def _total(ones: Sequence[Agreement]) -> Agreement:
    return Agreement(*(sum(column) for column in zip(*ones, strict=True)))


def _by_id(documents: Iterable[Document], which: str) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for document in documents:
        if document.id in found:
            raise LamlamError(f"two {which} documents have the id {document.id!r}; give each its own")
        found[document.id] = document
    return found
