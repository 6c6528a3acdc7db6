"""What goes into a base and what comes out of it: Fact, Match, Candidate, Change, and the reports of writing.

A fact and its match are made for every lookup, and are named tuples because those are made in a third of the time that
a frozen dataclass takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from lamlam.text import Span


class Fact(NamedTuple):
    """`entity` has `value` for `relation`.

    `source` is the id of the document that says so and `span` the value's (start, end) in its text; `author` is who
    or what asserted it (a person, a model, a data set), `confidence` how sure they were, from 0 to 1. `rank` orders
    the values of one (entity, relation): the lowest comes first. `valid_from` and `valid_to` say since and until when
    it is so in the world, as ISO dates of any length ("1815", "1815-12", "-0043-03-15"), where that is known.
    """

    entity: str
    relation: str
    value: str
    source: str | None = None
    span: Span | None = None
    author: str | None = None
    confidence: float | None = None
    rank: int = 0
    valid_from: str | None = None
    valid_to: str | None = None


class Match(NamedTuple):
    """An answer: which fact, how sure (0 to 1), and how it was found.

    `how` names the two stages, for example "exact entity, exact relation" or "fuzzy entity, normalised relation".
    """

    fact: Fact
    score: float
    how: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity, or a relation, that a query may mean: its name in the base, how near it is, how it was found."""

    name: str
    score: float
    how: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name was taken for: `name` is None where the base abstains, and `why` then says so in one phrase.

    `candidates` are the names that came near, best first.
    """

    name: str | None
    score: float
    how: str
    why: str
    candidates: tuple[Candidate, ...]


OtherNames = Literal["aliases", "synonyms"]
"""The kinds of other names: aliases of entities, synonyms of relations."""


@dataclass(frozen=True, slots=True)
class OtherName:
    """Another name of an entity (an alias) or of a relation (a synonym): of what, since when, by whom and why.

    `ended` is the time at which it was taken back, None while it holds.
    """

    name: str
    of: str
    time: datetime
    author: str | None
    reason: str | None
    ended: datetime | None = None


What = Literal["added", "set", "removed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of history: what happened to one value of (`entity`, `relation`), when, by whom and why."""

    time: datetime
    author: str | None
    reason: str | None
    what: What
    entity: str
    relation: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment with a name: `transaction` is the last one that was done by then, 0 before all."""

    name: str
    transaction: int
    time: datetime


class Added(int):
    """The number of facts that `add` put in, with what became of the others.

    `known`: already there (a new source of theirs is kept); `refused`: forgotten before, and not forced;
    `unusable`: calls of documents that cannot be facts, because a part is empty or holds a NUL or a lone surrogate.
    """

    known: int
    refused: int
    unusable: int

    def __new__(cls, added: int, known: int = 0, refused: int = 0, unusable: int = 0) -> Added:
        """An integer that remembers what was not added."""
        self = super().__new__(cls, added)
        self.known, self.refused, self.unusable = known, refused, unusable
        return self


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` removed, or with `dry_run` would remove. The only place where it can still be read.

    `entities` are the spellings that are closed over, `aliases` the aliases that go with a whole entity, `past` the
    number of former values removed from history. `mentions` counts facts of *other* entities whose value is the
    name of the forgotten one: they stay, and with them the name.
    """

    entities: tuple[str, ...]
    aliases: tuple[str, ...]
    facts: tuple[Fact, ...]
    past: int
    mentions: int
