"""Alignment with a table of facts: a call before the first mention of each value of the document's subject.

The subject is the document's title (`meta["title"]`); where it has none, the longest entity whose name the text starts
with. Names and values are found exactly as the table writes them, as whole words. A value gets a
call only where a reader who has only the text could ask for it, and has not been told: its first mention comes after
the first mention of the subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lamlam.annotate.mentions import first_mention
from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import read_facts
from lamlam.kb.names import without_parenthesis
from lamlam.text import Call, Document, Lookup, Span

_TABLES = (".csv", ".parquet", ".json")


class Subject(NamedTuple):
    """What a document is about: the entity's name in the table, and where the text first says it."""

    entity: str
    span: Span


class Aligner:
    """Annotates by a table of facts, which is held in memory.

    Of several relations with the same value, the one that comes first in the table makes the call.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts: dict[str, dict[str, str]] = {}  # entity -> value -> relation
        for fact in facts:
            if fact.entity.strip() and fact.value.strip():
                self._facts.setdefault(fact.entity, {}).setdefault(fact.value, fact.relation)
        self._longest_name = max(map(len, self._facts), default=0)

    @classmethod
    def from_file(cls, path: str | Path) -> Aligner:
        """An aligner with the facts of a table (.csv, .parquet, the peer's .json) or of a knowledge base.

        Raises `LamlamError` where the file is missing, unreadable, lacks a column, or holds no facts.
        """
        path = Path(path)
        if not path.exists():
            raise LamlamError(f"{path}: no such file; give a table of facts ({', '.join(_TABLES)}) or a base")
        if path.suffix.lower() in _TABLES:
            aligner = cls(read_facts(path))
        else:
            with KnowledgeBase.open(path) as kb:
                aligner = cls(kb)
        if not aligner._facts:
            raise LamlamError(f"{path}: no facts in it; nothing can be aligned with an empty table")
        return aligner

    def annotate(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents with calls for the facts about their subjects; calls that they had before stay."""
        return map(self._annotate, documents)

    def _annotate(self, document: Document) -> Document:
        subject = self._subject(document)
        if subject is None:
            return document
        calls = new_calls(document, subject, self._facts[subject.entity])
        if not calls:
            return document
        # Stable: of two calls at one place, the one that was there before comes first.
        merged = sorted([*document.calls, *calls], key=lambda call: call.at)
        return Document(document.id, document.text, tuple(merged), document.meta)

    def _subject(self, document: Document) -> Subject | None:
        title = document.meta.get("title")
        if isinstance(title, str) and title:
            # Where the text names its subject in another way, whoever reads it cannot ask by this name.
            for name in (title, without_parenthesis(title)) if title in self._facts else ():
                if name is not None and (span := first_mention(document.text, name)) is not None:
                    return Subject(title, span)
            return None
        for end in range(min(len(document.text), self._longest_name), 0, -1):
            name = document.text[:end]
            # Beyond the table, whether the name ends where a word ends.
            if name in self._facts and first_mention(document.text, name) == (0, end):
                return Subject(name, (0, end))
        return None


def new_calls(document: Document, subject: Subject, relations: Mapping[str, str]) -> list[Call]:
    """Calls for the values (with their relations) of the subject, none of whose mentions overlap, in no order.

    Where mentions overlap, the longest is taken, then the first. Spans of calls in the document are taken already.
    """
    name = subject.entity.casefold()
    known = {call.lookup.value for call in document.calls}
    mentions = [
        (value, span)
        for value in relations
        if value not in known
        and value.casefold() not in name
        and (span := first_mention(document.text, value)) is not None
        and span[0] >= subject.span[1]
    ]
    mentions.sort(key=lambda mention: (mention[1][0] - mention[1][1], mention[1][0]))
    taken = [call.span for call in document.calls if call.span is not None]
    calls = []
    for value, span in mentions:
        if not _overlaps(span, taken):
            taken.append(span)
            calls.append(Call(span[0], Lookup(subject.entity, relations[value], value), span))
    return calls


def _overlaps(span: Span, taken: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)
