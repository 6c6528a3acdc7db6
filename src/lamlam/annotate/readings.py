"""Readers' verdicts on calls, and what is made of them: the judge, and the chance that a call has to have with it.

A reading is a line of JSON: `document` (an id), `entity`, `relation`, `value`, `true`; and `at`, where the value
begins, and `rule`, which proposed it, where they are known. The texts lie elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamlam.annotate.call_features import NO_RULE
from lamlam.annotate.evidence import evidence
from lamlam.annotate.judge import CallJudge, Verdict, along, axes_of, cross_validated, fit_weights, folded, ranked
from lamlam.annotate.mentions import first_mention
from lamlam.annotate.parse import Stretch, places, says
from lamlam.annotate.tagged import AT_ONCE, Tagged, tag_all
from lamlam.annotate.tagger import SpanTagger
from lamlam.errors import LamlamError
from lamlam.text import Document, Lookup, Span

FEWEST = 50
"""Readings that a judge can be taught by, at least."""


class Reading(NamedTuple):
    """A call that somebody read in its text, and whether it is a good one."""

    document: str
    lookup: Lookup
    at: int | None
    rule: str | None
    good: bool


def read_readings(path: Path) -> list[Reading]:
    """The readings in a file of JSON lines; raises `LamlamError` for what is none, naming the line."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            lookup = Lookup(str(row["entity"]), str(row["relation"]), str(row["value"]))
            if not isinstance(row["true"], bool) or not lookup.relation.split():
                raise ValueError("`true` has to be true or false, and there has to be a relation")
            found.append(Reading(str(row["document"]), lookup, row.get("at"), row.get("rule"), row["true"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LamlamError(f"{path}, line {number}: no reading of a call: {error}") from None
    if len(found) < FEWEST:
        raise LamlamError(f"{path}: {len(found)} readings are too few to teach a judge of calls; it takes {FEWEST}")
    return found


def teach_judge(
    readings: Sequence[Reading],
    documents: Iterable[Document],
    examples: Iterable[Document],
    tagger: SpanTagger,
    tokenizer: Any,
    parser: Any,
    share: float,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[CallJudge, float]:
    """(the judge, the least chance of a call with which the share `share` of the read ones is good).

    `documents` hold the texts that were read, `examples` use relations as they should be called. The share is taken
    from judges that saw no verdict about the document.
    """
    words = relation_words(examples)
    verdicts = list(_verdicts(readings, documents, tagger, tokenizer, parser, words))
    if len(verdicts) < FEWEST:
        raise LamlamError(f"{len(verdicts)} of {len(readings)} readings are about texts at hand; it takes {FEWEST}")
    axes = axes_of(np.array([one.state for one in verdicts if one.state is not None]))
    verdicts = [along(axes, one) for one in verdicts]
    chances, good = cross_validated(verdicts), [one.good for one in verdicts]
    least = least_for(chances, good, share)
    tell(
        f"{len(verdicts):,} readings, {sum(good) / len(good):.1%} good; good before bad in {ranked(chances, good):.1%}"
    )
    weights, state = folded(fit_weights(verdicts), axes)
    return CallJudge(weights, words, state), least


def relation_words(examples: Iterable[Document]) -> dict[str, int]:
    """How often examples use each word in the name of a relation."""
    words = (word for one in examples for call in one.calls for word in call.lookup.relation.lower().split())
    return dict(Counter(words))


def least_for(chances: Sequence[float], good: Sequence[bool], share: float) -> float:
    """The least chance such that of the calls with at least it, the share `share` is good; 1 where there is none."""
    least, kept, right = 1.0, 0, 0
    for chance, is_good in sorted(zip(chances, good, strict=True), reverse=True):
        kept, right = kept + 1, right + is_good
        if right >= share * kept:
            least = chance
    return least


def _verdicts(
    readings: Sequence[Reading],
    documents: Iterable[Document],
    tagger: SpanTagger,
    tokenizer: Any,
    parser: Any,
    words: Mapping[str, int],
) -> Iterator[Verdict]:
    of_document = defaultdict(list)
    for reading in readings:
        of_document[reading.document].append(reading)
    texts = [one for one in documents if one.id in of_document]
    for first in range(0, len(texts), AT_ONCE):
        for read in tag_all(texts[first : first + AT_ONCE], parser, tokenizer, tagger):
            for reading in of_document[read.document.id]:
                verdict = _verdict(reading, read, words)
                if verdict is not None:
                    yield verdict


def _verdict(reading: Reading, read: Tagged, words: Mapping[str, int]) -> Verdict | None:
    """What a reading teaches; None where its value is not in the text, or nobody would ask the judge about it."""
    span = _span_of(reading, read.document)
    if span is None:
        return None
    (place,), at = places(read.stretches, [span]), read.candidate(span)
    if place is None or at is None:
        return None
    rule = reading.rule or _rule_of(reading, read.document, read.stretches, span)
    features = evidence(place, reading.lookup, rule, read.names, at.chance, words)
    return Verdict(features, reading.good, read.document.id, read.state(at)) if features else None


def _span_of(reading: Reading, text: Document) -> Span | None:
    value = reading.lookup.value
    if reading.at is not None and text.text.startswith(value, reading.at):
        return reading.at, reading.at + len(value)
    return first_mention(text.text, value)


def _rule_of(reading: Reading, text: Document, stretches: Sequence[Stretch], span: Span) -> str:
    (said,) = says(text, stretches, [span])
    same = said is not None and (said.entity, said.relation) == reading.lookup[:2]
    return said.rule if said is not None and same else NO_RULE
