"""The versions of a fact: the one that holds now, those that held before, and the evidence for each.

Whatever changes about a fact (its rank, its evidence, whether it holds) makes a new version under the transaction that
changes it, and keeps the one before in `past`; within one transaction only what is left in the end is kept.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from lamlam.kb.dictionaries import Dictionaries

Key = tuple[int, int, int]
"""The ids of an entity, a relation and a value."""

_OF_KEY = "entity = ? AND relation = ? AND value = ?"
_SAME = _OF_KEY + ' AND source = ? AND start = ? AND "end" = ? AND author = ? AND valid_from = ? AND valid_to = ?'


class Version(NamedTuple):
    """What a row of facts says beside its key."""

    rank: int
    support: int
    bare: int
    made: int


class Evidence(NamedTuple):
    """Who says so, where, and for which time."""

    source: int
    start: int
    end: int
    author: int
    valid_from: str
    valid_to: str
    confidence: float | None


def current(connection: sqlite3.Connection, key: Key) -> Version | None:
    """The version that holds now."""
    row = connection.execute(f"SELECT rank, support, bare, made FROM facts WHERE {_OF_KEY}", key).fetchone()  # noqa: S608
    return None if row is None else Version(*row)


def insert(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, version: Version) -> None:
    """Have a fact hold that does not."""
    row = (*key, *version)
    connection.execute("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    dictionaries.count_fact(key, 1)


def replace(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, old: Version, new: Version) -> None:
    """Have another version of a fact hold from `new.made` on."""
    _keep(connection, dictionaries, key, old, new.made)
    update = f"UPDATE facts SET rank = ?, support = ?, bare = ?, made = ? WHERE {_OF_KEY}"  # noqa: S608
    connection.execute(update, (*new, *key))


def end(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, made: int) -> None:
    """Have a fact hold no longer, from transaction `made` on."""
    version = current(connection, key)
    if version is None:
        return
    _keep(connection, dictionaries, key, version, made)
    connection.execute(f"DELETE FROM facts WHERE {_OF_KEY}", key)  # noqa: S608
    dictionaries.count_fact(key, -1)
    end_evidence(connection, dictionaries, key, made, 0)


def insert_evidence(
    connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, evidence: Evidence, made: int
) -> None:
    """File evidence that is not there."""
    row = (*key, *evidence[:6], made, None, evidence.confidence)
    connection.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    dictionaries.count_evidence(evidence.source, evidence.author, 1)


def add_evidence(
    connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, evidence: Evidence, made: int
) -> tuple[bool, bool]:
    """File evidence: whether that changed anything, and whether it is new.

    Of the same evidence with two confidences the higher one stays.
    """
    same = (*key, *evidence[:6])
    query = f"SELECT made, confidence FROM evidence WHERE {_SAME} AND ended IS NULL"  # noqa: S608
    there = connection.execute(query, same).fetchone()
    if there is None:
        insert_evidence(connection, dictionaries, key, evidence, made)
        return True, True
    since, confidence = there
    if evidence.confidence is None or (confidence is not None and confidence >= evidence.confidence):
        return False, False
    if since == made:
        update = f"UPDATE evidence SET confidence = ? WHERE {_SAME} AND made = ?"  # noqa: S608
        connection.execute(update, (evidence.confidence, *same, made))
    else:
        update = f"UPDATE evidence SET ended = ? WHERE {_SAME} AND made = ?"  # noqa: S608
        connection.execute(update, (made, *same, since))
        insert_evidence(connection, dictionaries, key, evidence, made)
    return True, False


def end_evidence(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, made: int, after: int) -> None:
    """End what evidence for a fact was filed after transaction `after` and has not ended."""
    young = f"SELECT source, author FROM evidence WHERE {_OF_KEY} AND made = ?"  # noqa: S608
    for source, author in connection.execute(young, (*key, made)).fetchall():
        dictionaries.count_evidence(source, author, -1)
    connection.execute(f"DELETE FROM evidence WHERE {_OF_KEY} AND made = ?", (*key, made))  # noqa: S608
    update = f"UPDATE evidence SET ended = ? WHERE {_OF_KEY} AND made > ? AND ended IS NULL"  # noqa: S608
    connection.execute(update, (made, *key, after))


def _keep(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, version: Version, ended: int) -> None:
    """Keep a version that ends, unless it began in the same transaction."""
    if version.made < ended:
        row = (*key, version.made, ended, version.rank, version.support, version.bare)
        connection.execute("INSERT INTO past VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        dictionaries.count_past(key, 1)
