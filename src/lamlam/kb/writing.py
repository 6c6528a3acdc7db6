"""How facts and aliases get into the tables, inside a transaction that the store has begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from lamlam.errors import LamlamError
from lamlam.kb.fact import Added, Fact
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import checked, normalise, unusable
from lamlam.kb.store import Named
from lamlam.kb.tombstones import Tombstones

_IDS_KEPT = 500_000


class _Evidence(NamedTuple):
    source: int
    start: int
    end: int
    author: int
    confidence: float | None


class Dictionaries:
    """The ids of strings, given out as strings come, remembered while a load lasts."""

    def __init__(self, connection: sqlite3.Connection, names: NameIndex) -> None:
        self._connection = connection
        self._names = names
        self._ids: dict[tuple[str, str], int] = {}

    def entity(self, name: str) -> int:
        """The id of an entity, new ones filed in the index of names."""
        select, insert = (
            "SELECT id FROM entities WHERE name = ?",
            "INSERT INTO entities (name, normalised) VALUES (?, ?)",
        )
        found, new = self._id("entities", name, select, insert, normalised=True)
        if new:
            self._names.insert(found, normalise(name))
        return found

    def relation(self, name: str) -> int:
        """The id of a relation."""
        select = "SELECT id FROM relations WHERE name = ?"
        return self._id("relations", name, select, "INSERT INTO relations (name, normalised) VALUES (?, ?)", True)[0]

    def value(self, text: str) -> int:
        """The id of a value."""
        return self._id("texts", text, "SELECT id FROM texts WHERE text = ?", "INSERT INTO texts (text) VALUES (?)")[0]

    def source(self, name: str | None) -> int:
        """The id of a document, 0 for none."""
        select, insert = "SELECT id FROM sources WHERE name = ?", "INSERT INTO sources (name) VALUES (?)"
        return 0 if name is None else self._id("sources", name, select, insert)[0]

    def author(self, name: str | None) -> int:
        """The id of whoever asserted something, 0 for nobody named."""
        select, insert = "SELECT id FROM authors WHERE name = ?", "INSERT INTO authors (name) VALUES (?)"
        return 0 if name is None else self._id("authors", name, select, insert)[0]

    def _id(self, table: str, text: str, select: str, insert: str, normalised: bool = False) -> tuple[int, bool]:
        if (known := self._ids.get((table, text))) is not None:
            return known, False
        row = self._connection.execute(select, (text,)).fetchone()
        new = row is None
        if row is None:
            parameters = (text, normalise(text)) if normalised else (text,)
            found = self._connection.execute(insert, parameters).lastrowid
            assert found is not None  # noqa: S101 - sqlite3 gives one for every INSERT
        else:
            found = row[0]
        if len(self._ids) >= _IDS_KEPT:
            self._ids.clear()
        self._ids[table, text] = found
        return found, new


def add(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    facts: Iterable[Fact],
    made: int,
    force: bool,
) -> Added:
    """Put facts in; those already there gain evidence, forgotten ones are refused unless forced."""
    dictionaries = Dictionaries(connection, names)
    guarded = tombstones.any()
    added = known = refused = 0
    for fact in facts:
        check_fact(fact)
        if guarded and (covering := tombstones.covering(fact.entity, fact.relation, fact.value)):
            if not force:
                refused += 1
                continue
            tombstones.lift(covering)
        if _put(connection, dictionaries, fact, made):
            added += 1
        else:
            known += 1
    return Added(added, known, refused)


def set_only(
    connection: sqlite3.Connection, names: NameIndex, tombstones: Tombstones, fact: Fact, made: int, force: bool
) -> bool:
    """Make a fact the only one of its key; the values it replaces go into the past.

    Of a forgotten key a person may set another value, not the forgotten one and nothing of a forgotten entity.
    """
    check_fact(fact)
    covering = tombstones.covering(fact.entity, fact.relation, fact.value)
    pair = tombstones.digest(normalise(fact.entity), normalise(fact.relation))
    if force:
        tombstones.lift(covering)
    elif any(digest != pair for digest in covering):
        raise LamlamError(
            f"({fact.entity!r}, {fact.relation!r}) was forgotten together with this value or its entity; "
            "to bring it back all the same, use force"
        )
    dictionaries = Dictionaries(connection, names)
    entity, relation = dictionaries.entity(fact.entity), dictionaries.relation(fact.relation)
    key = (entity, relation)
    there = connection.execute("SELECT value FROM facts WHERE entity = ? AND relation = ?", key).fetchall()
    value = dictionaries.value(fact.value)
    if there == [(value,)]:
        return False
    connection.execute(
        "INSERT INTO past SELECT entity, relation, value, made, ?, rank, support, bare FROM facts"
        " WHERE entity = ? AND relation = ?",
        (made, *key),
    )
    connection.execute("DELETE FROM facts WHERE entity = ? AND relation = ?", key)
    _put(connection, dictionaries, fact, made)
    return True


def add_alias(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    alias: str,
    entity: Named,
    made: int,
    force: bool,
) -> bool:
    """Give an entity another name; False where it has it already."""
    checked(alias, "alias")
    normalised = normalise(alias)
    if tombstones.has(digest := tombstones.digest(normalised)):
        if not force:
            raise LamlamError(f"an entity of the name {alias!r} was forgotten; to use it as an alias, use force")
        tombstones.lift([digest])
    row = (normalised, entity.id, alias, made)
    if not connection.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?, ?, ?)", row).rowcount:
        return False
    names.insert(entity.id, normalised)
    return True


def check_fact(fact: Fact) -> None:
    """Raise `LamlamError` for a fact that cannot be stored."""
    checked(fact.entity, "entity")
    checked(fact.relation, "relation")
    checked(fact.value, "value")
    where = f"the fact ({fact.entity[:60]!r}, {fact.relation[:60]!r})"
    for what, text in (("source", fact.source), ("author", fact.author)):
        if text is not None and (reason := unusable(text)) is not None:
            raise LamlamError(f"the {what} of {where} holds {reason}; mend it or leave it out")
    if fact.span is not None and not 0 <= fact.span[0] <= fact.span[1] < 2**63:
        raise LamlamError(f"the span {fact.span} of {where} is no (start, end) with 0 <= start <= end")
    if fact.confidence is not None and not 0 <= fact.confidence <= 1:
        raise LamlamError(f"the confidence {fact.confidence} of {where} is not between 0 and 1")
    if not -(2**31) <= fact.rank < 2**31:
        raise LamlamError(f"the rank {fact.rank} of {where} is out of range")


def _put(connection: sqlite3.Connection, dictionaries: Dictionaries, fact: Fact, made: int) -> bool:
    """Insert a fact, or add to its evidence; whether it is new."""
    key = (dictionaries.entity(fact.entity), dictionaries.relation(fact.relation), dictionaries.value(fact.value))
    start, end = fact.span or (-1, -1)
    bare = fact.source is None and fact.author is None and fact.span is None and fact.confidence is None
    evidence = _Evidence(
        dictionaries.source(fact.source), start, end, dictionaries.author(fact.author), fact.confidence
    )
    there = connection.execute(
        "SELECT rank, bare, made FROM facts WHERE entity = ? AND relation = ? AND value = ?", key
    ).fetchone()
    if there is None:
        connection.execute("INSERT INTO facts VALUES (?, ?, ?, ?, 1, ?, ?)", (*key, fact.rank, bare, made))
        if not bare:
            connection.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*key, made, *evidence))
        return True
    rank, was_bare, since = there
    new = not was_bare if bare else _insert_evidence(connection, (*key, since), evidence)
    if new or fact.rank < rank:
        connection.execute(
            "UPDATE facts SET rank = ?, support = support + ?, bare = ?"
            " WHERE entity = ? AND relation = ? AND value = ?",
            (min(rank, fact.rank), new, was_bare or bare, *key),
        )
    return False


def _insert_evidence(connection: sqlite3.Connection, key: tuple[int, ...], evidence: _Evidence) -> bool:
    """Whether this evidence was not there yet; of the same evidence with two confidences the higher one stays."""
    row = (*key, *evidence)
    if connection.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount:
        return True
    if evidence.confidence is not None:
        connection.execute(
            "UPDATE evidence SET confidence = ?9 WHERE entity = ?1 AND relation = ?2 AND value = ?3 AND made = ?4"
            ' AND source = ?5 AND start = ?6 AND "end" = ?7 AND author = ?8 AND coalesce(confidence, -1) < ?9',
            row,
        )
    return False
