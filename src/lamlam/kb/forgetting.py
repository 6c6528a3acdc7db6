"""Forgetting: out of facts, history, evidence, aliases, dictionaries and the index of names, with tombstones left.

What a dictionary still needs for other facts stays: a date that two people share, a word of another name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from lamlam.errors import LamlamError
from lamlam.kb.dictionaries import Dictionaries
from lamlam.kb.fact import Fact, Forgotten
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import normalise
from lamlam.kb.reading import closed_hash
from lamlam.kb.store import Selection
from lamlam.kb.tombstones import Tombstones
from lamlam.kb.versions import Key

_CHOSEN = """
    SELECT {columns}, e.name, r.name, t.text
    FROM {table} JOIN entities e ON e.id = entity JOIN relations r ON r.id = relation JOIN texts t ON t.id = value
    WHERE entity = ?1 AND (?2 IS NULL OR relation = ?2) ORDER BY r.name, t.text"""
_FACTS = _CHOSEN.format(table="facts", columns="entity, relation, value, made, NULL")
_PAST = _CHOSEN.format(table="past", columns="entity, relation, value, made, ended")

# A transaction under which nothing is left goes, with its author and its reason.
_IDLE = """
    DELETE FROM transactions WHERE id = ?1 AND kind <> 'forget'
    AND NOT EXISTS (SELECT 1 FROM facts WHERE ?1 > 1 AND made > 1 AND made = ?1)
    AND NOT EXISTS (SELECT 1 FROM facts WHERE ?1 = 1 AND made = 1)
    AND NOT EXISTS (SELECT 1 FROM past WHERE made = ?1)
    AND NOT EXISTS (SELECT 1 FROM past WHERE ended = ?1)
    AND NOT EXISTS (SELECT 1 FROM aliases WHERE made = ?1 OR ended = ?1)
    AND NOT EXISTS (SELECT 1 FROM synonyms WHERE made = ?1 OR ended = ?1)"""


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
        for row in connection.execute("SELECT DISTINCT alias FROM aliases WHERE entity = ?", (entity.id,))
    )
    whole = what.relations is None
    spelled = {entity.name for entity in what.entities} | set(aliases)
    forgotten = Forgotten(
        tuple(entity.name for entity in what.entities),
        tuple(aliases) if whole else (),
        tuple(Fact(*row[5:]) for row in facts),
        len(past),
        _mentions(connection, spelled, [row[7] for row in (*facts, *past)]) if whole else 0,
    )
    if made is None:
        return forgotten
    words = {row[7] for row in (*facts, *past)} | (spelled if whole else set())
    if reason is not None and any(word.casefold() in reason.casefold() for word in words):
        raise LamlamError("the reason names what is to be forgotten and would keep it; word it without")
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('purge', 1)")
    dictionaries = Dictionaries(connection, names)
    touched = {number for row in (*facts, *past) for number in row[3:5] if number is not None}
    _delete(connection, dictionaries, facts, past)
    _lay(connection, tombstones, what, [row[5:] for row in (*facts, *past)], made)
    touched |= _drop_empty_entities(connection, names, tombstones, what)
    touched |= dictionaries.drop_unused()
    connection.executemany(_IDLE, [(number,) for number in sorted(touched)])
    _clear_words(connection, words)
    return forgotten


def _delete(
    connection: sqlite3.Connection,
    dictionaries: Dictionaries,
    facts: Iterable[tuple[Any, ...]],
    past: Iterable[tuple[Any, ...]],
) -> None:
    """Delete the rows of facts and past, with all evidence for them, and count what they pointed at."""
    keys: set[Key] = set()
    for count, table, rows in ((dictionaries.count_fact, "facts", facts), (dictionaries.count_past, "past", past)):
        for row in rows:
            connection.execute(f"DELETE FROM {table} WHERE {_ROW} AND made = ?", row[:4])  # noqa: S608
            count(row[:3], -1)
            keys.add(row[:3])
    for key in sorted(keys):
        for source, author in connection.execute(f"SELECT source, author FROM evidence WHERE {_ROW}", key):  # noqa: S608
            dictionaries.count_evidence(source, author, -1)
        connection.execute(f"DELETE FROM evidence WHERE {_ROW}", key)  # noqa: S608


_ROW = "entity = ? AND relation = ? AND value = ?"


def _chosen(connection: sqlite3.Connection, query: str, what: Selection) -> list[tuple[Any, ...]]:
    relations = [None] if what.relations is None else [relation.id for relation in what.relations]
    rows = [
        row
        for entity in what.entities
        for relation in relations
        for row in connection.execute(query, (entity.id, relation))
    ]
    return rows if what.value is None else [row for row in rows if normalise(row[7]) == what.value]


def _lay(
    connection: sqlite3.Connection, tombstones: Tombstones, what: Selection, gone: Iterable[tuple[str, ...]], made: int
) -> None:
    """Tombstones for the key and for every value that went with it, under every name of the entity."""
    relations = {normalise(relation.name) for relation in what.relations or ()}
    named = normalise(what.entities[0].name)
    for entity in sorted(what.spelled):
        if what.relations is None:
            tombstones.lay(made, entity)
            tombstones.guard(entity)
        for relation in sorted(relations):
            if what.value is None:
                tombstones.lay(made, entity, relation)
            if not _holds(connection, what, relation):
                tombstones.guard(entity, relation)
                if entity == named:  # not its duplicates: each name takes some hundred rows
                    tombstones.guard_by_entity(entity, relation)
        for _, relation, value in sorted(gone):
            tombstones.lay(made, entity, normalise(relation), normalise(value))


def _holds(connection: sqlite3.Connection, what: Selection, relation: str) -> bool:
    """Whether a fact is left for one of the entities and this normalised relation."""
    query = (
        "SELECT 1 FROM facts WHERE entity = ? AND relation IN (SELECT id FROM relations WHERE normalised = ?) LIMIT 1"
    )
    return any(connection.execute(query, (entity.id, relation)).fetchone() for entity in what.entities)


def _has_any(connection: sqlite3.Connection, entity: int) -> bool:
    """Whether an entity has a fact, or had one."""
    left = "SELECT 1 FROM facts WHERE entity = ?1 UNION ALL SELECT 1 FROM past WHERE entity = ?1 LIMIT 1"
    return connection.execute(left, (entity,)).fetchone() is not None


def _drop_empty_entities(
    connection: sqlite3.Connection, names: NameIndex, tombstones: Tombstones, what: Selection
) -> set[int]:
    """Entities without facts and past go, with their aliases and their places in the indexes of names.

    Gives the transactions under which the aliases had been put in.
    """
    touched: set[int] = set()
    gone = [entity for entity in what.entities if not _has_any(connection, entity.id)]
    for entity in gone:
        aliases = connection.execute("SELECT normalised, made, ended FROM aliases WHERE entity = ?", (entity.id,))
        rows = aliases.fetchall()
        filed = sorted({row[0] for row in rows})
        touched |= {number for row in rows for number in row[1:] if number is not None}
        normalised = normalise(entity.name)
        names.remove(entity.id, [normalised, *filed])
        connection.execute("DELETE FROM normalised WHERE hash = ? AND entity = ?", (closed_hash(normalised), entity.id))
        connection.execute("DELETE FROM aliases WHERE entity = ?", (entity.id,))
        connection.execute("DELETE FROM entities WHERE id = ?", (entity.id,))
        if len(gone) == len(what.entities):
            # The base does not know the name any more: a query for it must not slide to another entity either. Where
            # another spelling of it stays, that is who a query means, and what it was asked for is guarded by its key.
            for spelled in sorted({normalised, *filed}):
                tombstones.guard(spelled)
    if what.relations is None:
        for spelled in what.spelled:
            query = "SELECT entity, made, ended FROM aliases WHERE normalised = ?"
            for other, *transactions in connection.execute(query, (spelled,)).fetchall():
                _drop_alias(connection, names, spelled, other)
                touched |= {number for number in transactions if number is not None}
    return touched


def _drop_alias(connection: sqlite3.Connection, names: NameIndex, alias: str, entity: int) -> None:
    """Take an alias from an entity that stays."""
    connection.execute("DELETE FROM aliases WHERE normalised = ? AND entity = ?", (alias, entity))
    names.remove(entity, [alias])
    refile(connection, names, entity)


def refile(connection: sqlite3.Connection, names: NameIndex, entity: int) -> None:
    """Put an entity back into the index of names under what it is still called, after one alias was taken out."""
    for (name,) in connection.execute("SELECT name FROM entities WHERE id = ?", (entity,)).fetchall():
        names.insert(entity, normalise(name))
    kept = "SELECT normalised FROM aliases WHERE entity = ? AND ended IS NULL"
    for (alias,) in connection.execute(kept, (entity,)).fetchall():
        names.insert(entity, alias)


def _mentions(connection: sqlite3.Connection, spelled: set[str], own: list[str]) -> int:
    """How many other rows have one of the names as their value: counted ahead, as nothing is found by value."""
    query = "SELECT coalesce(sum(uses), 0) FROM texts WHERE text = ?"
    uses = sum(connection.execute(query, (name,)).fetchone()[0] for name in spelled)
    return int(uses) - sum(value in spelled for value in own)


def _clear_words(connection: sqlite3.Connection, words: set[str]) -> None:
    """Reasons given for other changes, and names of snapshots, may name what was forgotten; those are cleared."""
    folded = {word.casefold() for word in words}
    rows = connection.execute("SELECT id, reason FROM transactions WHERE reason IS NOT NULL").fetchall()
    for transaction, reason in rows:
        if any(word in reason.casefold() for word in folded):
            connection.execute("UPDATE transactions SET reason = NULL WHERE id = ?", (transaction,))
    for (name,) in connection.execute("SELECT name FROM snapshots").fetchall():
        if any(word in name.casefold() for word in folded):
            connection.execute("DELETE FROM snapshots WHERE name = ?", (name,))
