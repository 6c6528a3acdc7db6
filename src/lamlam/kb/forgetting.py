"""Forgetting: out of facts, history, evidence, aliases, dictionaries and the index of names, with tombstones left.

What a dictionary still needs for other facts stays: a date that two people share, a word of another name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from lamlam.errors import LamlamError
from lamlam.kb.fact import Fact, Forgotten
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import normalise
from lamlam.kb.store import Selection
from lamlam.kb.tombstones import Tombstones

_CHOSEN = """
    SELECT {table}.entity, {table}.relation, {table}.value, {table}.made, e.name, r.name, t.text
    FROM {table} JOIN entities e ON e.id = entity JOIN relations r ON r.id = relation JOIN texts t ON t.id = value
    WHERE entity = ?1 AND (?2 IS NULL OR relation = ?2) ORDER BY r.name, t.text"""
_FACTS, _PAST = _CHOSEN.format(table="facts"), _CHOSEN.format(table="past")

# What no row points at any more goes, and with it the string. One pass each: the columns pointed from have no index,
# and the file is about to be written anew anyway.
_ORPHANS = (
    "DELETE FROM relations WHERE id NOT IN (SELECT relation FROM facts UNION SELECT relation FROM past)",
    "DELETE FROM texts WHERE id NOT IN (SELECT value FROM facts UNION SELECT value FROM past)",
    "DELETE FROM sources WHERE id NOT IN (SELECT source FROM evidence)",
    "DELETE FROM authors WHERE id NOT IN (SELECT author FROM evidence)",
    "DELETE FROM transactions WHERE kind <> 'forget' AND id NOT IN (SELECT made FROM facts UNION SELECT made FROM past"
    " UNION SELECT ended FROM past UNION SELECT made FROM aliases)",
)


def forget(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    what: Selection,
    made: int | None,
    reason: str | None,
) -> Forgotten:
    """Remove what is selected inside the transaction `made`; with None only tell what would be removed."""
    facts = _chosen(connection, _FACTS, what)
    past = _chosen(connection, _PAST, what)
    aliases = sorted(
        row[0]
        for entity in what.entities
        for row in connection.execute("SELECT alias FROM aliases WHERE entity = ?", (entity.id,))
    )
    whole = what.relations is None
    spelled = {entity.name for entity in what.entities} | set(aliases)
    forgotten = Forgotten(
        tuple(entity.name for entity in what.entities),
        tuple(aliases) if whole else (),
        tuple(Fact(*row[4:]) for row in facts),
        len(past),
        _mentions(connection, spelled, what) if whole else 0,
    )
    if made is None:
        return forgotten
    words = {text for row in (*facts, *past) for text in (row[6],)} | (spelled if whole else set())
    if reason is not None and any(word.casefold() in reason.casefold() for word in words):
        raise LamlamError("the reason names what is to be forgotten and would keep it; word it without")
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('purge', 1)")
    for entity, relation, value, since in (row[:4] for row in (*facts, *past)):
        for table in ("facts", "past", "evidence"):
            connection.execute(_DELETE[table], (entity, relation, value, since))
    _lay(connection, tombstones, what, [row[4:] for row in (*facts, *past)], made)
    _drop_empty_entities(connection, names, tombstones, what)
    for orphans in _ORPHANS:
        connection.execute(orphans)
    _clear_reasons(connection, words)
    return forgotten


_DELETE = {
    table: f"DELETE FROM {table} WHERE entity = ? AND relation = ? AND value = ? AND made = ?"  # noqa: S608
    for table in ("facts", "past", "evidence")
}


def _chosen(connection: sqlite3.Connection, query: str, what: Selection) -> list[tuple[Any, ...]]:
    relations = [None] if what.relations is None else [relation.id for relation in what.relations]
    rows = [
        row
        for entity in what.entities
        for relation in relations
        for row in connection.execute(query, (entity.id, relation))
    ]
    return rows if what.value is None else [row for row in rows if normalise(row[6]) == what.value]


def _lay(
    connection: sqlite3.Connection, tombstones: Tombstones, what: Selection, gone: Iterable[tuple[str, ...]], made: int
) -> None:
    """Tombstones for the key and for every value that went with it, under every name of the entity."""
    relations = {normalise(relation.name) for relation in what.relations or ()}
    for entity in sorted(what.spelled):
        if what.relations is None:
            tombstones.lay(made, entity)
            tombstones.guard(entity)
        for relation in sorted(relations):
            if what.value is None:
                tombstones.lay(made, entity, relation)
            if not _holds(connection, what, relation):
                tombstones.guard(entity, relation)
        for _, relation, value in sorted(gone):
            tombstones.lay(made, entity, normalise(relation), normalise(value))


def _holds(connection: sqlite3.Connection, what: Selection, relation: str) -> bool:
    """Whether a fact is left for one of the entities and this normalised relation."""
    query = (
        "SELECT 1 FROM facts WHERE entity = ? AND relation IN (SELECT id FROM relations WHERE normalised = ?) LIMIT 1"
    )
    return any(connection.execute(query, (entity.id, relation)).fetchone() for entity in what.entities)


def _drop_empty_entities(
    connection: sqlite3.Connection, names: NameIndex, tombstones: Tombstones, what: Selection
) -> None:
    """Entities without facts and past go, with their aliases and their places in the index of names."""
    for entity in what.entities:
        left = "SELECT 1 FROM facts WHERE entity = ?1 UNION ALL SELECT 1 FROM past WHERE entity = ?1 LIMIT 1"
        if connection.execute(left, (entity.id,)).fetchone():
            continue
        filed = [row[0] for row in connection.execute("SELECT normalised FROM aliases WHERE entity = ?", (entity.id,))]
        names.remove(entity.id, [normalise(entity.name), *filed])
        connection.execute("DELETE FROM aliases WHERE entity = ?", (entity.id,))
        connection.execute("DELETE FROM entities WHERE id = ?", (entity.id,))
        for spelled in sorted({normalise(entity.name), *filed}):
            # The base does not know the name any more: a query for it must not slide to another entity either.
            tombstones.guard(spelled)
    if what.relations is None:
        for spelled in what.spelled:
            rows = connection.execute("SELECT entity FROM aliases WHERE normalised = ?", (spelled,)).fetchall()
            for (other,) in rows:
                _drop_alias(connection, names, spelled, other)


def _drop_alias(connection: sqlite3.Connection, names: NameIndex, alias: str, entity: int) -> None:
    """Take an alias from an entity that stays."""
    connection.execute("DELETE FROM aliases WHERE normalised = ? AND entity = ?", (alias, entity))
    names.remove(entity, [alias])
    kept = "SELECT normalised FROM entities WHERE id = ?1 UNION ALL SELECT normalised FROM aliases WHERE entity = ?1"
    for (name,) in connection.execute(kept, (entity,)).fetchall():
        names.insert(entity, name)


def _mentions(connection: sqlite3.Connection, spelled: set[str], what: Selection) -> int:
    entities = {entity.id for entity in what.entities}
    query = "SELECT entity FROM facts WHERE value = (SELECT id FROM texts WHERE text = ?)"
    return sum(row[0] not in entities for name in spelled for row in connection.execute(query, (name,)))


def _clear_reasons(connection: sqlite3.Connection, words: set[str]) -> None:
    """Reasons given for other changes may name what was forgotten; those are cleared."""
    folded = {word.casefold() for word in words}
    rows = connection.execute("SELECT id, reason FROM transactions WHERE reason IS NOT NULL").fetchall()
    for transaction, reason in rows:
        if any(word in reason.casefold() for word in folded):
            connection.execute("UPDATE transactions SET reason = NULL WHERE id = ?", (transaction,))
