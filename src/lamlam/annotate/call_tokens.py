"""Marked-up documents as token ids, for models that write calls themselves: value and all."""

from __future__ import annotations

from lamlam.model import LookupTokenizer
from lamlam.text import Document


def encode_with_calls(document: Document, tokenizer: LookupTokenizer) -> tuple[list[int], list[tuple[int, int]]]:
    """The document's ids, its start token first and its end token last, and where each call's ids are in them.

    Text is cut into tokens where calls stand, as a corpus for pre-training is (`lamlam.corpus.encode`).
    """
    ids = [tokenizer.start_id]
    spans: list[tuple[int, int]] = []
    position, space = 0, ""
    for call in document.calls:
        ids += tokenizer.encode_text(space + document.text[position : call.at], first=not space)
        query = tokenizer.encode_query(call.lookup.entity, call.lookup.relation)
        answer = tokenizer.encode_answer(call.lookup.value)
        spans.append((len(ids), len(ids) + len(query) + len(answer)))
        ids += [*query, *answer]
        position, space = call.at, " "
    ids += tokenizer.encode_text(space + document.text[position:], first=not space)
    return [*ids, tokenizer.eos_id], spans
