"""Alignment with a table of facts: a call before the first mention of each value of the document's subject.

The subject is the document's title (`subject.title_of`); where it has none, the longest entity whose name the text
starts with. It is found under its name and its aliases, as the table writes them or as `normalise` folds them; the text
may speak of it by these, by its short names and by pronouns (`coreference.Names`). Values are found as the table writes
them, as whole words, and dates and numbers in their other spellings (`spellings`); the call gives the text's spelling.
A value gets a call only where a reader who has only the text could ask for it, and has not been told: its first mention
comes after the first mention of the subject.

Facts whose relation does not say what is asked for (`VAGUE_RELATIONS`) are left out: a table's "Year" or "Name" is true
of its own row, not of every place where the text says the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from lamlam.annotate.coreference import Names
from lamlam.annotate.mentions import first_mention
from lamlam.annotate.patterns import mention_pattern
from lamlam.annotate.spellings import other_spellings
from lamlam.annotate.subject import title_of
from lamlam.errors import LamlamError
from lamlam.kb import Fact, KnowledgeBase
from lamlam.kb.exchange import holds_facts, read_facts_and_aliases
from lamlam.kb.names import normalise
from lamlam.text import Call, Document, Lookup, Span

VAGUE_RELATIONS = frozenset(
    [
        *(
            "year",
            "years",
            "date",
            "name",
            "title",
            "season",
            "role",
            "notes",
            "note",
            "position",
            "result",
            "no",
            "number",
        ),
        *(
            "rank",
            "pos",
            "time",
            "from",
            "to",
            "type",
            "total",
            "points",
            "score",
            "round",
            "pick",
            "age",
            "class",
            "day",
        ),
        *("week", "code", "comments", "description", "details", "instance of", "has part", "different from", "subject"),
        "status",
    ]
)
"""Relations of tables, normalised, that mean nothing without their row, or nearly everything."""


_BARE = re.compile(r"\d{1,4}(?:st|nd|rd|th)?")
_SAYS_WHEN = re.compile(
    r"date|born|birth|died|death|found|establish|inception|open|releas|form|launch|built|complet|publi|premier|debut",
    re.IGNORECASE,
)
"""A year or a small number stands in many a text by chance: only a relation that says when is taken at its word."""


_NAME_GOES_ON = re.compile(r" [A-Z]\w")
_NAME_BEFORE = re.compile(r"[a-z,] (?:[A-Z][\w'’-]+ )+$")
_DAY = re.compile(r"(?:January|February|March|April|May|June|July|August|September|October|November|December) $")


class Subject(NamedTuple):
    """What a document is about: the entity's name in the table, and where the text first says it."""

    entity: str
    span: Span


class Aligner:
    """Annotates by a table of facts, which is held in memory.

    Of several relations with the same value, the one that comes first in the table makes the call. `aliases` are other
    names of entities, as (alias, entity).
    """

    def __init__(self, facts: Iterable[Fact], aliases: Iterable[tuple[str, str]] = ()) -> None:
        self._facts: dict[str, dict[str, str]] = {}  # entity -> value -> relation
        for fact in facts:
            if fact.entity.strip() and fact.value.strip() and _tells(fact):
                self._facts.setdefault(fact.entity, {}).setdefault(fact.value, fact.relation)
        self._longest_name = max(map(len, self._facts), default=0)
        self._folded: dict[str, str] = {}
        for entity in self._facts:
            self._folded.setdefault(normalise(entity), entity)
        self._aliases: dict[str, list[str]] = {}
        meant: dict[str, set[str]] = {}
        for alias, entity in aliases:
            if entity in self._facts and alias.strip():
                meant.setdefault(normalise(alias), set()).add(entity)
                self._aliases.setdefault(entity, []).append(alias)
        for alias, entities in meant.items():
            if len(entities) == 1:  # what two are called means neither
                self._folded.setdefault(alias, *entities)

    @classmethod
    def from_file(cls, path: str | Path) -> Aligner:
        """An aligner with the facts of one file; see `from_files`."""
        return cls.from_files([path])

    @classmethod
    def from_files(cls, paths: Sequence[str | Path]) -> Aligner:
        """An aligner with the facts of files or knowledge bases (files, or `postgresql://` URLs), in their order.

        Files are what `lamlam.kb.exchange` reads: tables in CSV or Parquet, the peer's base, documents with calls,
        N-Triples, a dump of Wikidata in JSON, packed or not; the last two bring aliases.

        Raises `LamlamError` where a file is missing, unreadable, lacks a column, or there are no facts.
        """
        facts: list[Iterable[Fact]] = []
        aliases: list[Iterable[tuple[str, str]]] = []
        with ExitStack() as stack:
            for path in paths:
                is_url = "://" in str(path)
                if not is_url and not Path(path).exists():
                    raise LamlamError(f"{path}: no such file; give a table of facts (.csv, .parquet, .json) or a base")
                if not is_url and holds_facts(Path(path)):
                    of_file, names = read_facts_and_aliases(Path(path))
                    facts.append(of_file)
                    aliases.append(names)
                else:
                    kb = stack.enter_context(KnowledgeBase.open(path))
                    facts.append(kb)
                    aliases.append((other.name, other.of) for other in kb.other_names("aliases"))
            aligner = cls(chain.from_iterable(facts), chain.from_iterable(aliases))
        if not aligner._facts:
            # A URL may hold a password.
            named = ", ".join("the base" if "://" in str(path) else str(path) for path in paths)
            raise LamlamError(f"{named}: no facts in it; nothing can be aligned with an empty table")
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
        title = title_of(document)
        if title is not None:
            entity = title if title in self._facts else self._folded.get(normalise(title))
            if entity is None:
                return None
            if not any(_first_spelling(document.text, value) for value in self._facts[entity]):
                return None
            if document.text.startswith(title) and first_mention(document.text, title) == (0, len(title)):
                return Subject(entity, (0, len(title)))  # no other name can come before
            # Where the text names its subject in no way, whoever reads it cannot ask about it.
            names = Names(entity, document.text, (title, *self._aliases.get(entity, ())))
            found = mention_pattern(names).search(document.text)
            return None if found is None else Subject(entity, found.span())
        for end in range(min(len(document.text), self._longest_name), 0, -1):
            name = document.text[:end]
            # Beyond the table, whether the name ends where a word ends.
            if name in self._facts and first_mention(document.text, name) == (0, end):
                return Subject(name, (0, end))
        return None


def _tells(fact: Fact) -> bool:
    """Whether the fact says something wherever its value is mentioned."""
    if normalise(fact.relation) in VAGUE_RELATIONS:
        return False
    return _BARE.fullmatch(fact.value) is None or _SAYS_WHEN.search(fact.relation) is not None


def new_calls(document: Document, subject: Subject, relations: Mapping[str, str]) -> list[Call]:
    """Calls for the values (with their relations) of the subject, none of whose mentions overlap, in no order.

    Where mentions overlap, the longest is taken, then the first. Spans of calls in the document are taken already.
    """
    name = subject.entity.casefold()
    known = {call.lookup.value for call in document.calls}
    mentions = [
        (value, span)
        for value in relations
        if value.casefold() not in name
        and (span := _first_spelling(document.text, value)) is not None
        and span[0] >= subject.span[1]
        and document.text[slice(*span)] not in known
        and not _goes_on(document.text, span)
    ]
    mentions.sort(key=lambda mention: (mention[1][0] - mention[1][1], mention[1][0]))
    taken = [call.span for call in document.calls if call.span is not None]
    calls = []
    for value, span in mentions:
        if not _overlaps(span, taken):
            taken.append(span)
            lookup = Lookup(subject.entity, relations[value], document.text[slice(*span)])
            calls.append(Call(span[0], lookup, span))
    return calls


def _goes_on(text: str, span: Span) -> bool:
    """Whether the text says more than the value: "International Federation", "Sony Music Colombia", "17 May 1768"."""
    value, before = text[slice(*span)], text[max(0, span[0] - 30) : span[0]]
    if _BARE.fullmatch(value):
        return _DAY.search(before) is not None
    return value[0].isupper() and (_NAME_GOES_ON.match(text, span[1]) or _NAME_BEFORE.search(before)) is not None


def _first_spelling(text: str, value: str) -> Span | None:
    """The first mention of a value in any of its spellings."""
    spans = [first_mention(text, spelt) for spelt in (value, *other_spellings(value))]
    return min((span for span in spans if span is not None), default=None)


def _overlaps(span: Span, taken: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)
