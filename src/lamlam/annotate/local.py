"""The small local annotator: values by a tagger, entity and relation by the grammar of the sentence and by examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamlam.annotate.clauses import Said
from lamlam.annotate.mentions import first_mention
from lamlam.annotate.merge import with_calls
from lamlam.annotate.parse import Stretch, load_parser, parse_all, says
from lamlam.annotate.subject import title_of
from lamlam.annotate.tagger import SpanTagger, Window, candidates_in, gather, windows_of, without_overlaps
from lamlam.annotate.tagger_training import chances_in
from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Lookup, Span

OF_LEAST = 0.8
"""What is asked of a value that its sentence explains: so much of the chance that is best without a sentence."""
LEAST = {"nearest verb": 0.3, "sentence": 0.5}
"""The chance that a value has to have where the rule of grammar is one that is often wrong."""
CAREFUL = {
    **dict.fromkeys(("described", "place", "what in", "measure", "is", "when", "what", "counted"), 0.15),
    **dict.fromkeys(("preposition", "what of", "object", "appositive"), 0.2),
    **dict.fromkeys(("object of", "of it", "when, of it", "within", "adjective"), 0.4),
    **{"nearest verb": 1.0, "sentence": 1.0},
}
"""The same where calls had better be true than many; less is asked of a value where the grammar is rarely misread."""
AT_ONCE = 64
"""Documents that are parsed and tagged together."""


class _Read(NamedTuple):
    document: Document
    stretches: list[Stretch]
    words: list[Span]
    windows: list[Window]


class LocalAnnotator:
    """Marks up what its tagger takes for a value and whose sentence says of whom, and what, it is the value.

    A document without a title stays as it is: nothing tells what "it" is. `least` is the chance that a value has to
    have; `relations` are the names that examples give to contexts (`train_local.relation_names`); in any other, the
    relation is made of the sentence's own words. `careful` leaves out what is said of a value too far up its sentence.
    """

    def __init__(
        self, tagger: SpanTagger, tokenizer: Any, least: float, relations: Mapping[str, str], careful: bool = False
    ) -> None:
        self._tagger = tagger
        self._tokenizer = tokenizer
        self._least = OF_LEAST * least
        self._relations = relations
        self._by_rule = CAREFUL if careful else LEAST
        self._parser = load_parser()

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls added; calls that they had before stay. `AT_ONCE` are read ahead."""
        rest = iter(documents)
        while some := list(islice(rest, AT_ONCE)):
            yield from self._mark(some)

    def _mark(self, documents: Sequence[Document]) -> Iterator[Document]:
        titled = [document for document in documents if title_of(document) is not None]
        read = [
            _Read(document, stretches, *windows_of(document, stretches, self._tokenizer))
            for document, stretches in zip(titled, parse_all(self._parser, titled), strict=True)
        ]
        of_windows = iter(chances_in(self._tagger, [window for one in read for window in one.windows]))
        done = iter(read)
        for document in documents:
            if title_of(document) is None:
                yield document
            else:
                one = next(done)
                chances = gather(len(one.words), one.windows, [next(of_windows) for _ in one.windows])
                yield with_calls(document, self._calls(one, chances))

    def _calls(self, read: _Read, chances: np.ndarray) -> Iterator[Call]:
        text = read.document.text
        candidates = candidates_in(chances, min(self._least, *self._by_rule.values()))
        spans = [(read.words[one.first][0], read.words[one.end - 1][1]) for one in candidates]
        said = says(read.document, read.stretches, spans)
        taken = [call.span for call in read.document.calls if call.span is not None]
        gains = [
            one.chance - self._needed(found) if _is_new(text, span, taken) else -1.0
            for one, span, found in zip(candidates, spans, said, strict=True)
        ]
        for i in without_overlaps(candidates, gains):
            found = said[i]
            if found is not None:
                value = text[slice(*spans[i])]
                relation = self._relations.get(found.key, found.relation)
                if relation.endswith(" Year") and not value.isdigit():  # "Birth Year" is not the 6th of May 1979
                    relation = relation.removesuffix("Year") + "Date"
                yield Call(spans[i][0], Lookup(found.entity, relation, value), spans[i])

    def _needed(self, said: Said | None) -> float:
        return 1.0 if said is None else self._by_rule.get(said.rule, self._least)


def _is_new(text: str, span: Span, taken: Iterable[Span]) -> bool:
    """Whether no call stands there, and the text has not said the value before."""
    first = first_mention(text, text[slice(*span)])
    return not any(span[0] < end and start < span[1] for start, end in taken) and (first is None or first[0] >= span[0])


def load_annotator(folder: str | Path, careful: bool = False) -> LocalAnnotator:
    """The annotator that `train_local` wrote, on a GPU where there is one.

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
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{folder}: no annotator that `lamlam train-annotator` wrote: {reason:.200}") from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LocalAnnotator(tagger.to(device).eval(), tokenizer, settings["least"], relations, careful)
