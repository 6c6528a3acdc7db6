"""The small local annotator: spans by a tagger, entity and relation by the grammar of the sentence and by examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lamlam.annotate.merge import with_calls
from lamlam.annotate.parse import load_parser, says
from lamlam.annotate.subject import title_of
from lamlam.annotate.tagger import SpanTagger, spans_in, windows_of
from lamlam.annotate.tagger_training import tag
from lamlam.errors import LamlamError
from lamlam.text import Call, Document, Lookup

LEAST_SURE = {"nearest verb": 0.75, "counted": 0.6, "object": 0.5, "what": 0.6}
"""How sure the tagger has to be of a value where the rule of grammar is one that is often wrong."""


class LocalAnnotator:
    """Marks up what its tagger takes for a value and whose sentence says of whom, and what, it is the value.

    A document without a title stays as it is: nothing tells what "it" is. `relations` are the names that examples
    give to contexts (`train_local.relation_names`); in any other, the relation is made of the sentence's own words.
    """

    def __init__(self, tagger: SpanTagger, tokenizer: Any, bias: float, relations: Mapping[str, str]) -> None:
        self._tagger = tagger
        self._tokenizer = tokenizer
        self._bias = bias
        self._relations = relations
        self._parser = load_parser()

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls added; calls that they had before stay."""
        return map(self._annotate, documents)

    def _annotate(self, document: Document) -> Document:
        title = title_of(document)
        words, windows = windows_of(document.text, title, self._tokenizer)
        if title is None or not windows:
            return document
        found = spans_in(tag(self._tagger, windows, len(words)), words, self._bias)
        spans = [span for span, _ in found]
        calls = []
        for (span, sure), said in zip(found, says(self._parser, document, spans), strict=True):
            if said is not None and sure >= LEAST_SURE.get(said.rule, 0.0):
                relation = self._relations.get(said.key, said.relation)
                calls.append(Call(span[0], Lookup(said.entity, relation, document.text[slice(*span)]), span))
        return with_calls(document, calls)


def load_annotator(folder: str | Path) -> LocalAnnotator:
    """The annotator that `train_local` wrote; raises `LamlamError` where the folder does not hold one."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = Path(folder)
    try:
        settings = json.loads((folder / "annotator.json").read_text("utf-8"))
        relations = json.loads((folder / "relations.json").read_text("utf-8"))
        tagger = SpanTagger(BertModel(BertConfig(**settings["encoder"])), settings["frozen"])
        tagger.load_state_dict(load_file(folder / "tagger.safetensors"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{folder}: no annotator that `lamlam train-annotator` wrote: {reason:.200}") from None
    return LocalAnnotator(tagger.eval(), tokenizer, settings["bias"], relations)
