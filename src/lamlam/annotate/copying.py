"""A causal language model as an annotator that cannot change the text: it copies the source, or opens a call.

The model reads the text and then writes it again, so it knows the value when it opens a call. At every place it may
write the next token of the source or `<|db_entity|>`, and within a call anything but what would break its form. So
the text is the source by construction, whatever the model is. Where the next token begins with a space, a space of
its own opens a call as well: marked-up text, which models learn from, has one before each call. A call costs one step
more for every token of it; copying costs one step a token, too, since the model has to see what it copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from lamlam.annotate.call_tokens import encode_source, pieces_to_mark
from lamlam.annotate.merge import with_calls
from lamlam.model import LookupTokenizer, load_model
from lamlam.text import Call, Document, Lookup, find_mention

MOST_PART_TOKENS = 24
"""Tokens of an entity, a relation or a value at most; longer ones are cut off by their delimiter."""


class CopyingAnnotator:
    """Annotates with a causal language model that has the lookup tokens; greedy.

    `margin` is added to the logit of opening a call: above 0 for more calls, below for fewer.
    """

    def __init__(self, model: Any, tokenizer: LookupTokenizer, margin: float = 0.0) -> None:
        self._model, self._tokenizer, self._margin = model, tokenizer, margin
        self._room = getattr(model.config, "max_position_embeddings", None) or 4096
        last = tokenizer.encode_text("a ")[-1]
        self._space = last if tokenizer.is_lone_space(last) else None

    @classmethod
    def load(cls, folder: str | Path, margin: float = 0.0) -> CopyingAnnotator:
        """The annotator in a checkpoint folder, with its LoRA adapter where it is one (`adapter_config.json`)."""
        folder = Path(folder)
        if (folder / "adapter_config.json").is_file():
            from lamlam.annotate.lora import load_adapted

            return cls(*load_adapted(folder), margin)
        return cls(*load_model(folder), margin)

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls added, before characters where a token of the source starts."""
        return map(self._annotate, documents)

    @torch.inference_mode()
    def _annotate(self, document: Document) -> Document:
        calls: list[Call] = []
        for start, end in pieces_to_mark(document.text, self._tokenizer, self._room):
            for call in self._in_piece(document.text[start:end]):
                span = None if call.span is None else (call.span[0] + start, call.span[1] + start)
                calls.append(Call(call.at + start, call.lookup, span))
        return with_calls(document, calls)

    def _in_piece(self, text: str) -> list[Call]:
        tokenizer = self._tokenizer
        entity_id, relation_id, return_id, end_id = tokenizer.lookup_ids
        calls: list[Call] = []
        source, starts = tokenizer.encode_with_places(text)
        prompt = [*encode_source(text, tokenizer), tokenizer.start_id]
        written = len(prompt)
        logits, cache = self._step(prompt, None)
        place, closed = 0, False  # closed: a call stands here already
        while place < len(source):
            room = self._room - written - (len(source) - place) - 3 * MOST_PART_TOKENS - 5
            opening = entity_id
            if self._space is not None and text[starts[place]] == " " and source[place] != self._space:
                opening = max(entity_id, self._space, key=lambda token: float(logits[token]))
            wants = logits[opening] + self._margin > logits[source[place]]
            if wants and room > 0 and not closed:
                if opening == self._space:
                    logits, cache = self._step([opening], cache)
                    written += 1
                tokens, lookup = self._call(logits, cache, (entity_id, relation_id, return_id, end_id))
                logits, cache = tokens
                closed = True
                written += sum(lookup[1]) + 4
                if all(part.strip() for part in lookup[0]):
                    at = starts[place]
                    while at < len(text) - 1 and text[at].isspace():  # a token may hold the blank before its word
                        at += 1
                    calls.append(Call(at, lookup[0], find_mention(text, at, lookup[0].value)))
                    continue
            logits, cache = self._step([source[place]], cache)
            closed = False
            written += 1
            place += 1
        return calls

    def _call(self, logits: torch.Tensor, cache: Any, delimiters: tuple[int, ...]) -> tuple[Any, Any]:
        """Let the model write a whole call: ((logits, cache) after it, (its lookup, the lengths of its parts))."""
        special = {*delimiters, self._tokenizer.eos_id, self._tokenizer.start_id}
        logits, cache = self._step([delimiters[0]], cache)
        parts: list[str] = []
        lengths: list[int] = []
        for closing in delimiters[1:]:
            banned = torch.tensor(sorted(special - {closing}))
            part: list[int] = []
            while len(part) < MOST_PART_TOKENS:
                logits[banned] = -torch.inf
                token = int(logits.argmax())
                if token == closing:
                    break
                part.append(token)
                logits, cache = self._step([token], cache)
            logits, cache = self._step([closing], cache)
            parts.append(self._tokenizer.decode_piece(part).strip())
            lengths.append(len(part))
        return (logits, cache), (Lookup(*parts), lengths)

    def _step(self, ids: list[int], cache: Any) -> tuple[torch.Tensor, Any]:
        out = self._model(torch.tensor([ids], device=self._model.device), past_key_values=cache, use_cache=True)
        return out.logits[0, -1].float(), out.past_key_values
