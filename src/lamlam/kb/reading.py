"""What the SQLite store reads: facts now and at a past transaction, and the names they go by."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from lamlam.kb.fact import Fact
from lamlam.kb.names import normalise
from lamlam.kb.store import Named

_ANY = (0, 2**63 - 1)  # from and to which relation, for all of them

# The sorting of what this gives is left to Python: there is mostly one row, and SQLite would set up a sorter for it.
_EXACT = """
    SELECT f.rank, -f.support, t.text, f.entity, (f.support <> f.bare) * f.value
    FROM facts f JOIN texts t ON t.id = f.value
    WHERE f.entity = (SELECT id FROM entities WHERE name = ?) AND f.relation = ?"""
# For many at once: one statement walks all of them in a third of the time that a statement each takes. Its places that
# are left over cost little, those of a much wider one more; so does every column of its rows.
_WIDTHS = (16, 64, 256)
_EXACT_MANY = {
    width: f"""
    WITH asked (number, entity, relation) AS (VALUES {", ".join(f"({number}, ?, ?)" for number in range(width))})
    SELECT a.number, f.rank, t.text, f.entity, (f.support <> f.bare) * f.value
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
        rows.sort()
        rows = rows[:limit]
    found = []
    for rank, _, text, entity_id, value in rows:
        if not value:
            found.append(Fact(entity, relation, text, None, None, None, None, rank))
            continue
        told = _evidence(connection, entity_id, relations[relation], value, None)
        if told is None:  # somebody has changed the fact in between
            return of_entity(connection, entity_id, relations[relation], limit, None)
        found.append(_told(entity, relation, text, rank, told))
    return found


def exact_many(
    connection: sqlite3.Connection, relations: RelationIds, queries: Sequence[tuple[str, str]], at: int | None
) -> list[Fact | None]:
    """The first fact of each pair of names."""
    if at is not None:
        return [next(iter(exact(connection, relations, *query, 1, at)), None) for query in queries]
    found: list[Fact | None] = []
    for start in range(0, len(queries), _WIDTHS[-1]):
        found += _exact_some(connection, relations, queries[start : start + _WIDTHS[-1]])
    return found


def _exact_some(
    connection: sqlite3.Connection, relations: RelationIds, queries: Sequence[tuple[str, str]]
) -> list[Fact | None]:
    width = next(width for width in _WIDTHS if width >= len(queries))
    parameters: list[Any] = []
    for entity, relation in queries:
        parameters += (entity, relations[relation])
    parameters += [None] * (2 * (width - len(queries)))
    found: list[Fact | None] = [None] * len(queries)
    evident, again = set(), set()
    for number, rank, text, entity_id, value in connection.execute(_EXACT_MANY[width], parameters).fetchall():
        first = found[number]
        entity, relation = queries[number]
        if first is not None and (value or number in evident):
            again.add(number)  # how many assert each decides, which is not read here
        elif value:
            evident.add(number)
            if (told := _evidence(connection, entity_id, relations[relation], value, None)) is not None:
                found[number] = _told(entity, relation, text, rank, told)
            else:  # somebody has changed the fact in between
                again.add(number)
        elif first is None or (rank, text) < (first.rank, first.value):
            # What the class does itself, in half the time: of many at once this is a tenth.
            found[number] = tuple.__new__(Fact, (entity, relation, text, None, None, None, None, rank, None, None))
    for number in again:
        entity, relation = queries[number]
        found[number] = next(iter(exact(connection, relations, entity, relation, 1, None)), None)
    return found


def of_entity(
    connection: sqlite3.Connection, entity: int, relation: int | None, limit: int, at: int | None
) -> list[Fact]:
    """The facts of an entity, or of one of its relations, by relation and in declared order."""
    between = _ANY if relation is None else (relation, relation)
    with _one_state(connection):
        if at is None:
            rows = connection.execute(_OF_ENTITY_NOW, (entity, *between, limit))
        else:
            rows = connection.execute(_OF_ENTITY_THEN, (entity, *between, limit, at))
        return [_fact(connection, row, at) for row in rows.fetchall()]


@contextmanager
def _one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Whatever is read inside is of one state of the base, though somebody changes it meanwhile."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


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


def _fact(connection: sqlite3.Connection, row: Sequence[Any], at: int | None) -> Fact:
    entity, relation, value, rank, support, bare, text, entity_name, relation_name = row
    told = None if support == bare else _evidence(connection, entity, relation, value, at)
    if told is None:
        return Fact(entity_name, relation_name, text, None, None, None, None, rank)
    return _told(entity_name, relation_name, text, rank, told)


def _evidence(
    connection: sqlite3.Connection, entity: int, relation: int, value: int, at: int | None
) -> Sequence[Any] | None:
    """The first of what asserts a fact, now or at a past transaction."""
    told: Sequence[Any] | None = connection.execute(
        _EVIDENCE, (entity, relation, value, _NOW_AT if at is None else at)
    ).fetchone()
    return told


def _told(entity: str, relation: str, text: str, rank: int, told: Sequence[Any]) -> Fact:
    """A fact with the first of its evidence."""
    source, start, end, author, confidence, valid_from, valid_to = told
    span = None if start < 0 else (start, end)
    return Fact(entity, relation, text, source, span, author, confidence, rank, valid_from or None, valid_to or None)
