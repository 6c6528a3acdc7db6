"""Other names as data, each with the transactions that gave it and took it back: aliases of entities, and synonyms.

A synonym is another name of a relation, in one base ("university" for Educated At); those that come with the package
are the next to be asked. Both stores run these statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from lamlam.errors import LamlamError
from lamlam.kb.fact import OtherName, OtherNames
from lamlam.kb.forgetting import refile
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import checked, normalise
from lamlam.kb.store import Named
from lamlam.kb.tombstones import Tombstones

NOW = 2**63 - 1
"""A transaction after all others."""

Given = tuple[str, Named]
"""Another name, and the entity or relation that it is given."""


class _Kind(NamedTuple):
    """How the statements about one kind of names read."""

    one: str
    called: str
    names_of: str
    there: str
    insert: str
    end: str
    newer: str
    older: str
    listed: str


def _kind(one: str, of: str, table: str, others: str) -> _Kind:
    held = "made <= {at} AND (ended IS NULL OR ended > {at})"
    same = f"normalised = ? AND {of} = ? AND ended IS NULL"
    return _Kind(
        one,
        f"SELECT DISTINCT o.id, o.name FROM {table} n JOIN {others} o ON o.id = n.{of} "  # noqa: S608
        f"WHERE n.normalised = ?1 AND n.{held.format(at='?2')} ORDER BY o.name",
        f"SELECT {one} FROM {table} WHERE {of} = ?1 AND {held.format(at='?2')} ORDER BY {one}",  # noqa: S608
        f"SELECT 1 FROM {table} WHERE {same}",  # noqa: S608
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, NULL)",  # noqa: S608
        f"UPDATE {table} SET ended = ? WHERE {same}",  # noqa: S608
        f"SELECT normalised, {of} FROM {table} WHERE made > ? AND ended IS NULL",  # noqa: S608
        f"SELECT normalised, {of}, {one} FROM {table} a WHERE made <= ?1 AND ended > ?1 AND NOT EXISTS ("  # noqa: S608
        f"SELECT 1 FROM {table} b WHERE b.normalised = a.normalised AND b.{of} = a.{of} AND b.ended IS NULL)",
        f"SELECT n.{one}, o.name, x.time, x.author, x.reason, y.time FROM {table} n "  # noqa: S608
        f"JOIN {others} o ON o.id = n.{of} JOIN transactions x ON x.id = n.made "
        f"LEFT JOIN transactions y ON y.id = n.ended AND n.ended <= ?1 "
        f"WHERE n.made <= ?1 AND (?2 = 1 OR n.ended IS NULL OR n.ended > ?1) ORDER BY o.name, n.{one}, n.made",
    )


_KINDS: dict[OtherNames, _Kind] = {
    "aliases": _kind("alias", "entity", "aliases", "entities"),
    "synonyms": _kind("synonym", "relation", "synonyms", "relations"),
}


def transaction(kind: OtherNames) -> str:
    """What a transaction is called that changes other names of this kind."""
    return _KINDS[kind].one


def called(connection: sqlite3.Connection, kind: OtherNames, normalised: str, at: int | None) -> list[Named]:
    """The entities or relations that have another name of this normalised form."""
    return [Named(*row) for row in connection.execute(_KINDS[kind].called, (normalised, NOW if at is None else at))]


def names_of(connection: sqlite3.Connection, kind: OtherNames, of: int, at: int | None) -> list[str]:
    """The other names of an entity or a relation, in order."""
    return [row[0] for row in connection.execute(_KINDS[kind].names_of, (of, NOW if at is None else at))]


def listed(connection: sqlite3.Connection, kind: OtherNames, past: bool, at: int | None) -> list[OtherName]:
    """All other names with their provenance, or with `past` those too that were taken back."""
    rows = connection.execute(_KINDS[kind].listed, (NOW if at is None else at, int(past)))
    return [
        OtherName(name, of, _time(given), author, reason, None if ended is None else _time(ended))
        for name, of, given, author, reason, ended in rows
    ]


def relations_named(connection: sqlite3.Connection, name: str) -> list[Named]:
    """The relation of exactly this name, or else those of the same normalised name, the one with most facts first."""
    exact = connection.execute("SELECT id, name FROM relations WHERE name = ?", (name,)).fetchall()
    same = "SELECT id, name FROM relations WHERE normalised = ? ORDER BY facts DESC, name"
    return [Named(*row) for row in exact or connection.execute(same, (normalise(name),)).fetchall()]


def give(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    kind: OtherNames,
    given: Iterable[Given],
    made: int,
    force: bool,
) -> int:
    """Give other names; how many were not there. `LamlamError` for one that was forgotten as a name of an entity."""
    statements, added = _KINDS[kind], 0
    guarded = kind == "aliases" and tombstones.any()
    for name, of in given:
        checked(name, statements.one)
        normalised = normalise(name)
        if guarded and tombstones.has(digest := tombstones.digest(normalised)):
            if not force:
                raise LamlamError(f"an entity of the name {name!r} was forgotten; to use it as an alias, use force")
            tombstones.lift([digest])
        if connection.execute(statements.there, (normalised, of.id)).fetchone():
            continue
        connection.execute(statements.insert, (normalised, of.id, name, made))
        if kind == "aliases":
            names.insert(of.id, normalised)
        added += 1
    return added


def take_back(
    connection: sqlite3.Connection, names: NameIndex, kind: OtherNames, name: str, of: Named, made: int
) -> bool:
    """Have another name hold no longer; False where it does not."""
    normalised = normalise(name)
    if connection.execute(_KINDS[kind].there, (normalised, of.id)).fetchone() is None:
        return False
    _end(connection, names, kind, normalised, of.id, made)
    return True


def roll_back(connection: sqlite3.Connection, names: NameIndex, to: int, made: int) -> int:
    """Have the other names that held at a transaction hold again, and no others; how many changed."""
    changed = 0
    for kind, statements in _KINDS.items():
        newer = connection.execute(statements.newer, (to,)).fetchall()
        for normalised, of in newer:
            _end(connection, names, kind, normalised, of, made)
        older = connection.execute(statements.older, (to,)).fetchall()
        for normalised, of, name in older:
            connection.execute(statements.insert, (normalised, of, name, made))
            if kind == "aliases":
                names.insert(of, normalised)
        changed += len(newer) + len(older)
    return changed


def _end(
    connection: sqlite3.Connection, names: NameIndex, kind: OtherNames, normalised: str, of: int, made: int
) -> None:
    connection.execute(_KINDS[kind].end, (made, normalised, of))
    if kind == "aliases":
        names.remove(of, [normalised])
        refile(connection, names, of)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
