"""The small local annotator: values by a tagger, entity and relation by the grammar of the sentence and by examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lamlam.annotate.annotator import Annotator
from lamlam.annotate.clause_guesses import LOOSE_GUESS
from lamlam.annotate.evidence import evidence
from lamlam.annotate.judge import CallJudge
from lamlam.annotate.mentions import first_mention
from lamlam.annotate.merge import with_calls
from lamlam.annotate.parse import load_parser, places, says
from lamlam.annotate.stated_facts import FACT
from lamlam.annotate.subject import title_of
from lamlam.annotate.tagged import AT_ONCE, Tagged, tag_all
from lamlam.annotate.tagger import Candidate, SpanTagger, candidates_in, without_overlaps
from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Lookup, Span

OF_LEAST = 0.8
"""What is asked of a value that its sentence explains: so much of the chance that is best without a sentence."""
LEAST = {"nearest verb": 0.3, "sentence": 0.5, LOOSE_GUESS: 0.5}
"""The chance that a value has to have where the rule of grammar is one that is often wrong."""
LOOSE = 0.01
"""The chance above which the judge is asked, where calls had better be true: what is true need not be usual."""


class LocalAnnotator:
    """Marks up what its tagger takes for a value and whose sentence says of whom, and what, it is the value.

    A document without a title stays as it is: nothing tells what "it" is. `least` is the chance that a value has to
    have; `relations` are the names that examples give to contexts (`train_local.relation_names`); in any other, the
    relation is made of the sentence's own words. With `careful`, a judge of calls and the chance of being a good one
    that it has to give to each, it decides what is marked up; also of what another annotator proposes, `facts`.
    """

    def __init__(
        self,
        tagger: SpanTagger,
        tokenizer: Any,
        least: float,
        relations: Mapping[str, str],
        careful: tuple[CallJudge, float] | None = None,
        facts: Annotator | None = None,
    ) -> None:
        self._tagger = tagger
        self._tokenizer = tokenizer
        self._least = OF_LEAST * least
        self._relations = relations
        self._careful = careful
        self._facts = facts
        self._parser = load_parser()

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls added; calls that they had before stay. `AT_ONCE` are read ahead."""
        rest = iter(documents)
        while some := list(islice(rest, AT_ONCE)):
            yield from self._mark(some)

    def _mark(self, documents: Sequence[Document]) -> Iterator[Document]:
        read = tag_all(documents, self._parser, self._tokenizer, self._tagger)
        for document in documents:
            if title_of(document) is None:
                yield document
            else:
                one = next(read)
                if self._facts is not None:
                    one = one._replace(document=with_calls(document, self._stated(one, self._facts)))
                yield with_calls(one.document, self._calls(one))

    def _stated(self, read: Tagged, facts: Annotator) -> Iterator[Call]:
        """The calls that `facts` proposes and the judge takes for true."""
        (proposed,) = facts.annotate([read.document])
        for call in proposed.calls:
            if call.span is not None and call not in read.document.calls:
                at = read.candidate(call.span)
                if at is not None and self._gain(read, call.lookup, FACT, call.span, at) > 0:
                    yield call

    def _calls(self, read: Tagged) -> Iterator[Call]:
        text = read.document.text
        candidates = candidates_in(read.chances, min(self._least, *LEAST.values()) if self._careful is None else LOOSE)
        spans = [(read.words[one.first][0], read.words[one.end - 1][1]) for one in candidates]
        lookups = self._lookups(read, spans)
        taken = [call.span for call in read.document.calls if call.span is not None]
        gains = [-1.0] * len(spans)
        for i, (found, span) in enumerate(zip(lookups, spans, strict=True)):
            if found is not None and _is_new(text, span, taken):
                gains[i] = self._gain(read, *found, span, candidates[i])
        for i in without_overlaps(candidates, gains):
            found = lookups[i]
            if found is not None:
                yield Call(spans[i][0], found[0], spans[i])

    def _lookups(self, read: Tagged, spans: Sequence[Span]) -> list[tuple[Lookup, str] | None]:
        """For every span the question that it answers, and the rule of grammar that says so."""
        found: list[tuple[Lookup, str] | None] = []
        for span, said in zip(spans, says(read.document, read.stretches, spans), strict=True):
            if said is None:
                found.append(None)
                continue
            value = read.document.text[slice(*span)]
            relation = self._relations.get(said.key, said.relation)
            if relation.endswith(" Year") and not value.isdigit():  # "Birth Year" is not the 6th of May 1979
                relation = relation.removesuffix("Year") + "Date"
            found.append((Lookup(said.entity, relation, value), said.rule))
        return found

    def _gain(self, read: Tagged, lookup: Lookup, rule: str, span: Span, at: Candidate) -> float:
        """By how much the call is likelier than it has to be."""
        if self._careful is None:
            return at.chance - LEAST.get(rule, self._least)
        judge, least = self._careful
        (place,) = places(read.stretches, [span])
        if rule == LOOSE_GUESS or place is None:
            return -1.0
        features = evidence(place, lookup, rule, read.names, at.chance, judge.words)
        return judge.chance(features, read.state(at)) - least


def _is_new(text: str, span: Span, taken: Iterable[Span]) -> bool:
    """Whether no call stands there, and the text has not said the value before."""
    first = first_mention(text, text[slice(*span)])
    return not any(span[0] < end and start < span[1] for start, end in taken) and (first is None or first[0] >= span[0])


def load_annotator(folder: str | Path, careful: bool = False, facts: Annotator | None = None) -> LocalAnnotator:
    """The annotator that `train_local` wrote, on a GPU where there is one; with `careful`, it judges `facts` too.

    Raises `LamlamError` where the folder does not hold one.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = Path(folder)
    try:
        settings = json.loads((folder / "annotator.json").read_text("utf-8"))
        relations = json.loads((folder / "relations.json").read_text("utf-8"))
        tagger = SpanTagger(BertModel(BertConfig(**settings["encoder"]), add_pooling_layer=False), settings["styles"])
        tagger.load_state_dict(load_file(folder / "tagger.safetensors"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        judge = CallJudge.read(folder / "judge.json") if "careful" in settings else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{folder}: no annotator that `lamlam train-annotator` wrote: {reason:.200}") from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if careful and judge is None:
        raise LamlamError(f"{folder}: no judge of calls in it, so --careful cannot be; train it with --readings")
    by = (judge, float(settings["careful"])) if careful and judge is not None else None
    return LocalAnnotator(tagger.to(device).eval(), tokenizer, settings["least"], relations, by, facts)
