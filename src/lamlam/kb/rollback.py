"""Going back: what held at a past transaction is made to hold again, by a new transaction. History stays as it was."""

from __future__ import annotations

import sqlite3

from lamlam.kb import naming, versions
from lamlam.kb.dictionaries import Dictionaries
from lamlam.kb.history import touched_since
from lamlam.kb.name_index import NameIndex
from lamlam.kb.versions import Evidence, Key, Version

_THEN = """
    SELECT rank, support, bare, made FROM facts
    WHERE entity = ?1 AND relation = ?2 AND value = ?3 AND made <= ?4
    UNION ALL SELECT rank, support, bare, made FROM past
    WHERE entity = ?1 AND relation = ?2 AND value = ?3 AND made <= ?4 AND ended > ?4"""
_EVIDENCE = """
    SELECT source, start, "end", author, valid_from, valid_to, confidence FROM evidence
    WHERE entity = ?1 AND relation = ?2 AND value = ?3 AND made <= ?4 AND (ended IS NULL OR ended > ?4)"""


def roll_back(connection: sqlite3.Connection, names: NameIndex, to: int, made: int) -> int:
    """Bring back what held at transaction `to`; how many facts and other names changed. What was forgotten stays so."""
    dictionaries = Dictionaries(connection, names)
    keys = connection.execute(touched_since(to), (to,)).fetchall()
    changed = sum(_bring_back(connection, dictionaries, key, to, made) for key in keys)
    dictionaries.write_counts()
    return changed + naming.roll_back(connection, names, to, made)


def _bring_back(connection: sqlite3.Connection, dictionaries: Dictionaries, key: Key, to: int, made: int) -> bool:
    now = versions.current(connection, key)
    row = connection.execute(_THEN, (*key, to)).fetchone()
    if row is None:
        if now is None:
            return False  # it came and went in between
        versions.end(connection, dictionaries, key, made)
        return True
    then = Version(*row)._replace(made=made)
    then_said, now_said = _said(connection, key, to), _said(connection, key, made)
    if now is None:
        versions.insert(connection, dictionaries, key, then)
    elif now._replace(made=made) == then and now_said == then_said:
        return False
    else:
        versions.replace(connection, dictionaries, key, now, then)
        versions.end_evidence(connection, dictionaries, key, made, to)
    for evidence in sorted(then_said - _said(connection, key, made), key=lambda one: one[:6]):
        versions.insert_evidence(connection, dictionaries, key, evidence, made)
    return True


def _said(connection: sqlite3.Connection, key: Key, at: int) -> set[Evidence]:
    return {Evidence(*row) for row in connection.execute(_EVIDENCE, (*key, at))}
