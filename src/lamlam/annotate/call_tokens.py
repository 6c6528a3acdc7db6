"""Marked-up documents as token ids, for models that write calls themselves: value and all."""

from __future__ import annotations

from collections.abc import Iterator

from lamlam.annotate.sentences import pieces_of
from lamlam.model import LookupTokenizer
from lamlam.text import Document, Span

PIECE = 1_500
"""Characters that are read and marked up at once, at most."""


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


def encode_source(text: str, tokenizer: LookupTokenizer) -> list[int]:
    """A text to be marked up, as the model reads it before it writes `encode_with_calls`."""
    return [tokenizer.start_id, *tokenizer.encode_text(text), tokenizer.eos_id]


def pieces_to_mark(text: str, tokenizer: LookupTokenizer, room: int, longest: int = PIECE) -> Iterator[Span]:
    """The text in pieces of whole sentences, so short that each can be read and written again within `room` tokens.

    A third of them is for the calls. Sentences of over `longest` characters are cut, and what has too many tokens.
    """
    for start, end in pieces_of(text, longest):
        if longest > 1 and 3 * len(encode_source(text[start:end], tokenizer)) > room:
            for first, last in pieces_to_mark(text[start:end], tokenizer, room, longest // 2):
                yield start + first, start + last
        else:
            yield start, end
