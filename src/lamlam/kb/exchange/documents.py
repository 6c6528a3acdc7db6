"""The lookups of documents' calls as facts, with the document's id and the span of the value as their source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lamlam.kb.exchange.rows import Part, Place, Row, Skipped, in_parts
from lamlam.kb.names import unusable
from lamlam.text import Document

_NOTHING_MORE = (None, None, 0, None, None)


def from_documents(documents: Iterable[Document], skipped: Skipped, after: Place) -> Iterator[Part]:
    """The facts of the calls of documents after so many; a call that cannot be a fact is left out."""
    return in_parts(_rows(documents, after), skipped, "document")


def _rows(documents: Iterable[Document], after: Place) -> Iterator[tuple[Place, Row]]:
    for number, document in enumerate(documents, 1):
        if number <= after[1]:
            continue
        source = document.id if unusable(document.id) is None else None
        for left, call in enumerate(document.calls, 1 - len(document.calls)):
            start, end = call.span if call.span and source else (None, None)
            # Reading goes on after the document only when all of its calls have been read.
            yield (0, number if left == 0 else number - 1), (*call.lookup, source, start, end, *_NOTHING_MORE)
