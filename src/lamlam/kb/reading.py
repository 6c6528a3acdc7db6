"""What the SQLite store reads: facts now and at a past transaction, and the names they go by."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from lamlam.kb.fact import Fact
from lamlam.kb.names import normalise
from lamlam.kb.store import Named

_ANY = (0, 2**63 - 1)  # from and to which relation, for all of them

# The sorting of what this gives is left to Python: there is mostly one row, and SQLite would set up a sorter for it.
_EXACT = """
    SELECT f.rank, f.support, f.bare, t.text, f.entity, f.value
    FROM facts f JOIN texts t ON t.id = f.value
    WHERE f.entity = (SELECT id FROM entities WHERE name = ?) AND f.relation = ?"""
# For many at once: one statement walks all of them in a third of the time that a statement each takes. Its places that
# are left over cost little, those of a much wider one more.
_WIDTHS = (16, 64, 256)
_EXACT_MANY = {
    width: f"""
    WITH asked (number, entity, relation) AS (VALUES {", ".join(["(?, ?, ?)"] * width)})
    SELECT f.rank, f.support, f.bare, t.text, f.entity, f.value, a.number
    FROM asked a CROSS JOIN facts f CROSS JOIN texts t ON t.id = f.value
    WHERE f.entity = (SELECT id FROM entities WHERE name = a.entity) AND f.relation = a.relation"""  # noqa: S608
    for width in _WIDTHS
}
_NOW = "SELECT entity, relation, value, rank, support, bare FROM facts WHERE entity = ?1 AND relation BETWEEN ?2 AND ?3"
_THEN = f"""
    {_NOW} AND made <= ?5 UNION ALL
    SELECT entity, relation, value, rank, support, bare FROM past
    WHERE entity = ?1 AND relation BETWEEN ?2 AND ?3 AND made <= ?5 AND ended > ?5"""  # noqa: S608
_OF_ENTITY = """
    SELECT f.entity, f.relation, f.value, f.rank, f.support, f.bare, t.text, e.name, r.name
    FROM ({versions}) f JOIN texts t ON t.id = f.value JOIN entities e ON e.id = f.entity
    JOIN relations r ON r.id = f.relation
    ORDER BY r.name, f.rank, f.support DESC, t.text LIMIT ?4"""
_OF_ENTITY_NOW, _OF_ENTITY_THEN = _OF_ENTITY.format(versions=_NOW), _OF_ENTITY.format(versions=_THEN)
_EVIDENCE = """
    SELECT s.name, v.start, v."end", a.name, v.confidence, v.valid_from, v.valid_to
    FROM evidence v LEFT JOIN sources s ON s.id = v.source LEFT JOIN authors a ON a.id = v.author
    WHERE v.entity = ?1 AND v.relation = ?2 AND v.value = ?3
    AND v.made <= ?4 AND (v.ended IS NULL OR v.ended > ?4)
    ORDER BY s.name IS NULL, s.name, v.start, v."end", a.name IS NULL, a.name, v.valid_from, v.valid_to LIMIT 1"""
_NOW_AT = 2**63 - 1
_RELATIONS_KEPT = 100_000
_PAGE = 500  # rows at a time, so that no cursor stays open while others write


COUNTS = {
    "facts": "SELECT coalesce(sum(facts), 0) FROM relations",
    "entities": "SELECT count(*) FROM entities",
    "relations": "SELECT count(*) FROM relations",
    "values": "SELECT count(*) FROM texts",
    "aliases": "SELECT count(*) FROM aliases WHERE ended IS NULL",
    "synonyms": "SELECT count(*) FROM synonyms WHERE ended IS NULL",
    "sources": "SELECT count(*) FROM sources",
    "past": "SELECT count(*) FROM past",
    "transactions": "SELECT count(*) FROM transactions",
    "snapshots": "SELECT count(*) FROM snapshots",
    "forgotten": "SELECT count(*) FROM tombstones",
    "bytes": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}
"""What `stats` counts, in any store but for what `postgres_reading` says otherwise."""


def closed_hash(normalised: str) -> int:
    """The hash under which a normalised name is filed; gaps between words do not matter ("F.C." and "FC")."""
    return crc32(normalised.replace(" ", "").encode())


class RelationIds(dict[str, int]):
    """The numbers of the relations that were asked for, by name; 0, not kept, for one that is not there.

    There are few relations and every lookup names one. No number is ever given to another relation, so one that is
    kept for too long finds nothing, and never the wrong thing.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: str) -> int:
        named = one(self._connection, "relations", name)
        if named is None:
            return 0
        if len(self) >= _RELATIONS_KEPT:
            self.clear()
        self[name] = named.id
        return named.id


def exact(
    connection: sqlite3.Connection, relations: RelationIds, entity: str, relation: str, limit: int, at: int | None
) -> list[Fact]:
    """The facts of exactly these two names, in declared order."""
    if at is not None:
        named = one(connection, "entities", entity)
        return [] if named is None else of_entity(connection, named.id, relations[relation], limit, at)
    rows = connection.execute(_EXACT, (entity, relations[relation])).fetchall()
    if len(rows) > 1:
        rows.sort(key=_declared_order)
        rows = rows[:limit]
    return [_now(connection, relations, entity, relation, row) for row in rows]


def exact_many(
    connection: sqlite3.Connection, relations: RelationIds, queries: Sequence[tuple[str, str]], at: int | None
) -> list[Fact | None]:
    """The first fact of each pair of names."""
    if at is not None:
        return [next(iter(exact(connection, relations, *query, 1, at)), None) for query in queries]
    found: list[Fact | None] = [None] * len(queries)
    for start in range(0, len(queries), _WIDTHS[-1]):
        some = queries[start : start + _WIDTHS[-1]]
        width = next(width for width in _WIDTHS if width >= len(some))
        parameters: list[Any] = []
        for number, (entity, relation) in enumerate(some, start):
            parameters += (number, entity, relations[relation])
        parameters += [None] * (3 * (width - len(some)))
        best: dict[int, Sequence[Any]] = {}
        for row in connection.execute(_EXACT_MANY[width], parameters).fetchall():
            first = best.setdefault(row[6], row)
            if first is not row and _declared_order(row) < _declared_order(first):
                best[row[6]] = row
        for number, row in best.items():
            found[number] = _now(connection, relations, *queries[number], row)
    return found


def _now(
    connection: sqlite3.Connection, relations: RelationIds, entity: str, relation: str, row: Sequence[Any]
) -> Fact:
    """The fact of a row of `_EXACT`; most say nothing beyond the fact itself."""
    if row[1] == row[2]:
        return Fact(entity, relation, row[3], rank=row[0])
    rank, support, bare, text, entity_id, value_id = row[:6]
    whole = (entity_id, relations[relation], value_id, rank, support, bare, text, entity, relation)
    return _fact(connection, whole, None)


def of_entity(
    connection: sqlite3.Connection, entity: int, relation: int | None, limit: int, at: int | None
) -> list[Fact]:
    """The facts of an entity, or of one of its relations, by relation and in declared order."""
    between = _ANY if relation is None else (relation, relation)
    if at is None:
        rows = connection.execute(_OF_ENTITY_NOW, (entity, *between, limit))
    else:
        rows = connection.execute(_OF_ENTITY_THEN, (entity, *between, limit, at))
    return [_fact(connection, row, at) for row in rows.fetchall()]


def one(connection: sqlite3.Connection, table: str, name: str) -> Named | None:
    """The row of exactly this name among `entities` or `relations`."""
    row = connection.execute(_ONE[table], (name,)).fetchone()
    return None if row is None else Named(*row)


_ONE = {table: f"SELECT id, name FROM {table} WHERE name = ?" for table in ("entities", "relations")}  # noqa: S608


def normalised(connection: sqlite3.Connection, name: str) -> list[Named]:
    """The entities whose normalised name this is."""
    query = "SELECT id, name FROM normalised JOIN entities ON id = entity WHERE hash = ? ORDER BY name"
    return [Named(*row) for row in connection.execute(query, (closed_hash(name),)) if normalise(row[1]) == name]


def relations_of(connection: sqlite3.Connection, entity: int, past: bool, at: int | None) -> list[Named]:
    """The relations that an entity has facts for, or with `past` ever had."""
    if past:
        own = "SELECT relation FROM facts WHERE entity = ?1 UNION SELECT relation FROM past WHERE entity = ?1"
        parameters = [entity]
    elif at is None:
        own, parameters = "SELECT relation FROM facts WHERE entity = ?1", [entity]
    else:
        own, parameters = f"SELECT relation FROM ({_THEN}) WHERE ?4", [entity, *_ANY, 1, at]  # noqa: S608
    query = f"SELECT id, name FROM relations WHERE id IN ({own}) ORDER BY name"  # noqa: S608
    return [Named(*row) for row in connection.execute(query, parameters)]


def names(connection: sqlite3.Connection, after: int) -> list[Named]:
    """The next entities by id."""
    query = "SELECT id, name FROM entities WHERE id > ? ORDER BY id LIMIT ?"
    return [Named(*row) for row in connection.execute(query, (after, 100 * _PAGE))]


def names_in_order(connection: sqlite3.Connection, after: str) -> list[Named]:
    """The next entities by name."""
    query = "SELECT id, name FROM entities WHERE name > ? ORDER BY name LIMIT ?"
    return [Named(*row) for row in connection.execute(query, (after, _PAGE))]


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many there are of everything."""
    return {what: connection.execute(query).fetchone()[0] for what, query in COUNTS.items()}


def _declared_order(row: Sequence[Any]) -> tuple[int, int, str]:
    return row[0], -row[1], row[3]


def _fact(connection: sqlite3.Connection, row: Sequence[Any], at: int | None) -> Fact:
    entity, relation, value, rank, support, bare, text, entity_name, relation_name = row
    if support == bare:
        return Fact(entity_name, relation_name, text, rank=rank)
    moment = _NOW_AT if at is None else at
    source, start, end, author, confidence, valid_from, valid_to = connection.execute(
        _EVIDENCE, (entity, relation, value, moment)
    ).fetchone()
    span = None if start < 0 else (start, end)
    valid = valid_from or None, valid_to or None
    return Fact(entity_name, relation_name, text, source, span, author, confidence, rank, *valid)
