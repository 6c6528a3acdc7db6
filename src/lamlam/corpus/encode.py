"""A document as token ids, with its loss mask made here, before any window cuts it.

The ids are those of the document's token form. `trained[i]` says whether token `i` is ever a target of the loss: the
returned value and the token that closes a call never are, everything else is, the end of the document always
(paper, "Pre-training": the loss leaves out the value and the closing token).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.model import LookupTokenizer
from lamlam.text import Document

Kind = Literal["lmlm", "standard"]
"""What a model is trained on: `lmlm`, text with its calls; `standard`, the same text without them."""


class EncodedDocument(NamedTuple):
    """`ids[i]` is a token, `trained[i]` whether it is a target. Both hold the end token, neither the start token."""

    ids: list[int]
    trained: list[bool]


def encode_document(document: Document, tokenizer: LookupTokenizer, kind: Kind = "lmlm") -> EncodedDocument:
    """The document's token ids and loss mask, its end-of-text token last."""
    pieces: list[tuple[list[int], bool]] = []
    space = ""  # one space stands between a call and what follows it
    position = 0
    for call in document.calls if kind == "lmlm" else ():
        text = space + document.text[position : call.at]
        pieces += [
            (tokenizer.encode_text(text, first=not space), True),
            (tokenizer.encode_query(call.lookup.entity, call.lookup.relation), True),
            (tokenizer.encode_answer(call.lookup.value), False),
        ]
        position, space = call.at, " "
    pieces.append((tokenizer.encode_text(space + document.text[position:], first=not space), True))
    pieces.append(([tokenizer.eos_id], True))
    ids = [token for piece, _ in pieces for token in piece]
    trained = [train for piece, train in pieces for _ in piece]
    return EncodedDocument(ids, trained)


class TokenArrays(NamedTuple):
    """An encoded document as arrays of one length: `ids`, uint32, and `trained`, bool."""

    ids: npt.NDArray[np.uint32]
    trained: npt.NDArray[np.bool_]


def encode_documents(
    documents: Sequence[Document], tokenizer: LookupTokenizer, kind: Kind = "lmlm"
) -> Iterator[TokenArrays]:
    """`encode_document` for many documents: their pieces are encoded together."""
    firsts: list[str] = []
    rest: list[str] = []
    for document in documents:
        position, space = 0, ""
        for call in document.calls if kind == "lmlm" else ():
            (rest if space else firsts).append(space + document.text[position : call.at])
            rest += [f" {part}" for part in call.lookup]
            position, space = call.at, " "
        (rest if space else firsts).append(space + document.text[position:])
    first_ids, rest_ids = iter(tokenizer.encode_texts(firsts)), iter(tokenizer.encode_texts(rest, first=False))
    entity, relation, returned, end, eos = (
        np.uint32(token).tobytes() for token in (*tokenizer.lookup_ids, tokenizer.eos_id)
    )
    for document in documents:
        pieces = [next(first_ids)]
        values = []
        for _ in document.calls if kind == "lmlm" else ():
            pieces += [entity, next(rest_ids), relation, next(rest_ids), returned]
            values.append(len(pieces))
            pieces += [next(rest_ids) + end, next(rest_ids)]
        pieces.append(eos)
        ids = np.frombuffer(b"".join(pieces), np.uint32)
        trained = np.ones(len(ids), bool)
        if values:
            bounds = np.cumsum([0, *map(len, pieces)]) // ids.itemsize
            for piece in values:
                trained[bounds[piece] : bounds[piece + 1]] = False
        yield TokenArrays(ids, trained)


def tokenizer_texts(documents: Iterable[Document]) -> Iterator[str]:
    """What a tokenizer for these documents is trained on: their text, and the parts of their calls."""
    for document in documents:
        yield document.text
        for call in document.calls:
            yield from (f" {part}" for part in call.lookup)
