"""What a prefix index is made from: the names that lookups answer, read from the tables of a base.

Names are entities and their aliases as they were written; one that means several entities has the relations of all.
Both stores answer the same statements.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from lamlam.kb.names import normalise
from lamlam.kb.store import Selection

MOST_TOUCHED = 50_000
"""So many names may have changed before making the index anew is the faster way."""
_PAGE = 20_000
_PAIRS = """
    SELECT DISTINCT f.entity, e.name, f.relation FROM facts f JOIN entities e ON e.id = f.entity
    WHERE f.entity > ?1 AND f.entity <= ?2 ORDER BY f.entity"""
_RELATIONS = """
    SELECT DISTINCT r.name FROM facts f JOIN relations r ON r.id = f.relation WHERE f.entity IN (
        SELECT id FROM entities WHERE name = ?1
        UNION SELECT entity FROM aliases WHERE normalised = ?2 AND alias = ?1 AND ended IS NULL)"""
_TOUCHED = """
    SELECT entity FROM facts WHERE made > 1 AND made > ?1 UNION SELECT entity FROM past WHERE made > ?1
    UNION SELECT entity FROM past WHERE ended > ?1 UNION SELECT entity FROM aliases WHERE made > ?1"""
_UNALIASED = " UNION SELECT entity FROM aliases WHERE ended > ?1"

Stamp = tuple[int, float]


def identity(connection: sqlite3.Connection) -> str:
    """What tells the base from all others, and from one that was there before it."""
    salt = connection.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()[0]
    return hashlib.sha256(b"prefix index" + bytes(salt)).hexdigest()[:16]


def moment(connection: sqlite3.Connection) -> Stamp:
    """The last transaction and its time; zeros where there was none."""
    row = connection.execute("SELECT id, time FROM transactions ORDER BY id DESC LIMIT 1").fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)


def relation_names(connection: sqlite3.Connection) -> dict[int, str]:
    """The relations that have facts, by id."""
    return dict(connection.execute("SELECT id, name FROM relations WHERE facts > 0").fetchall())


def page(
    connection: sqlite3.Connection, after: int, relations: dict[int, str]
) -> tuple[int, list[tuple[str, list[str]]]]:
    """Some entities with their relations, those with ids above `after`, and the last id looked at; 0 for no more."""
    last = connection.execute("SELECT max(id) FROM entities WHERE id > ?1 AND id <= ?2", (after, after + _PAGE))
    until = last.fetchone()[0]
    if until is None:  # a gap
        row = connection.execute("SELECT min(id) FROM entities WHERE id > ?", (after,)).fetchone()
        return (0, []) if row[0] is None else (row[0] - 1, [])
    rows = connection.execute(_PAIRS, (after, until)).fetchall()
    found = []
    for (_, name), pairs in groupby(rows, itemgetter(0, 1)):
        # A relation that came since its names were read is brought by the next `touched`.
        found.append((name, [relations[pair[2]] for pair in pairs if pair[2] in relations]))
    return until, found


def aliases(connection: sqlite3.Connection) -> list[str]:
    """All aliases as they were written."""
    rows = connection.execute("SELECT DISTINCT alias FROM aliases WHERE ended IS NULL ORDER BY alias")
    return [row[0] for row in rows.fetchall()]


def with_relations(connection: sqlite3.Connection, names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Names as they are written, each with the relations that can be asked of it now."""
    for name in names:
        yield name, [row[0] for row in connection.execute(_RELATIONS, (name, normalise(name))).fetchall()]


def names_of(connection: sqlite3.Connection, entity: int) -> list[str]:
    """The name of an entity and its aliases, former ones included."""
    rows = connection.execute(
        "SELECT name FROM entities WHERE id = ?1 UNION SELECT alias FROM aliases WHERE entity = ?1", (entity,)
    )
    return [row[0] for row in rows.fetchall()]


def forgetting(connection: sqlite3.Connection, what: Selection) -> tuple[list[str], list[str]]:
    """The names, and the relations, that may be gone when what is selected is forgotten."""
    names = {name for entity in what.entities for name in names_of(connection, entity.id)}
    for spelled in sorted(what.spelled):
        rows = connection.execute("SELECT alias FROM aliases WHERE normalised = ?", (spelled,)).fetchall()
        names |= {row[0] for row in rows}
    ever = """
        SELECT name FROM relations WHERE id IN (
            SELECT relation FROM facts WHERE entity = ?1 UNION SELECT relation FROM past WHERE entity = ?1)"""
    relations = {row[0] for entity in what.entities for row in connection.execute(ever, (entity.id,)).fetchall()}
    return sorted(names), sorted(relations)


def untold(connection: sqlite3.Connection, since: Stamp, forgotten: int = 0) -> bool:
    """Whether it cannot be told what has changed since a moment.

    It cannot where more was forgotten than the caller knows of, since forgetting leaves no trace, and where the base
    was filled, or another state of it put in its place.
    """
    number, time = since
    if moment(connection)[0] < number:
        return True
    if not number:
        return connection.execute("SELECT 1 FROM transactions WHERE id = 1").fetchone() is not None
    known = connection.execute("SELECT time FROM transactions WHERE id = ?", (number,)).fetchone()
    forgets = "SELECT count(*) FROM transactions WHERE id > ? AND kind = 'forget'"
    if int(connection.execute(forgets, (number,)).fetchone()[0]) > forgotten:
        return True
    # A transaction of which all was forgotten is not there any more.
    return known[0] != time if known is not None else not forgotten


def touched(connection: sqlite3.Connection, since: Stamp) -> list[str] | None:
    """The names whose relations may have changed since a moment; None where they are too many."""
    number = since[0]
    unaliased = "SELECT 1 FROM transactions WHERE id > ? AND kind = 'rollback'"
    query = _TOUCHED + (_UNALIASED if connection.execute(unaliased, (number,)).fetchone() else "")
    entities = connection.execute(f"{query} LIMIT ?2", (number, MOST_TOUCHED + 1)).fetchall()
    if len(entities) > MOST_TOUCHED:
        return None
    return sorted({name for (entity,) in entities for name in names_of(connection, entity)})
