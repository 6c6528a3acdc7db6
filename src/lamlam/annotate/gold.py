"""Marked-up documents to learn from and to measure against: in their source texts, split by title."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from lamlam.annotate.guard import carry_over
from lamlam.annotate.subject import title_of
from lamlam.kb.names import normalise
from lamlam.text import Document
from lamlam.text.files import read_documents

TENTHS = 10


def read_gold(path: str | Path) -> Iterator[Document]:
    """Marked-up documents with their calls in the source texts, their titles in `meta["title"]`.

    Where an annotator changed the text (`meta["source_text"]`, which readers of the peer's files leave), its calls go
    through the fidelity guard.
    """
    for document in read_documents(path):
        guarded = carry_over(document.meta.get("source_text", document.text), document).document
        title = title_of(guarded)
        meta = guarded.meta if title is None else {**guarded.meta, "title": title}
        yield Document(guarded.id, guarded.text, guarded.calls, meta)


def tenth(document: Document) -> int:
    """Which tenth of a split by title the document belongs to, 0 to 9: all documents of one title to the same."""
    return crc32(normalise(title_of(document) or document.id).encode()) % TENTHS


def split_by_title(documents: Iterable[Document], held_out: int) -> tuple[list[Document], list[Document]]:
    """(documents to learn from, documents of the tenth `held_out`)."""
    parts: tuple[list[Document], list[Document]] = ([], [])
    for document in documents:
        parts[tenth(document) == held_out].append(document)
    return parts
