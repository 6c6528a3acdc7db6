"""History, read off the transactions under which versions of facts began and ended."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from lamlam.kb.fact import Change, What

_EVENTS = """
    WITH events AS (
        SELECT relation, value, made AS at, 0 AS ends FROM facts WHERE entity = ?1
        UNION ALL SELECT relation, value, made, 0 FROM past WHERE entity = ?1
        UNION ALL SELECT relation, value, ended, 1 FROM past WHERE entity = ?1)
    SELECT x.id, x.time, x.kind, x.author, x.reason, e.name, r.name, t.text, v.ends
    FROM events v JOIN transactions x ON x.id = v.at JOIN relations r ON r.id = v.relation
    JOIN texts t ON t.id = v.value
    JOIN entities e ON e.id = ?1
    WHERE ?2 IS NULL OR v.relation = ?2
    ORDER BY x.id, r.name, t.text"""

# The facts with versions that began or ended after a transaction. The first term has an index.
_LATER = "SELECT entity, relation, value FROM facts WHERE made > 1 AND made > ?1"
_LOADED = "SELECT entity, relation, value FROM facts WHERE made = 1"
_GONE = "SELECT entity, relation, value FROM past WHERE ended > ?1"

_SAME = "v.entity = k.entity AND v.relation = k.relation AND v.value = k.value"
_HELD = f"""
    (EXISTS (SELECT 1 FROM facts v WHERE {_SAME} AND v.made <= {{at}})
    OR EXISTS (SELECT 1 FROM past v WHERE {_SAME} AND v.made <= {{at}} AND v.ended > {{at}}))"""  # noqa: S608
_LAST = f"""
    (SELECT max(n) FROM (
        SELECT made AS n FROM facts v WHERE {_SAME} AND made > ?1 AND made <= ?2
        UNION ALL SELECT made AS n FROM past v WHERE {_SAME} AND made > ?1 AND made <= ?2
        UNION ALL SELECT ended AS n FROM past v WHERE {_SAME} AND ended > ?1 AND ended <= ?2) m)"""  # noqa: S608
_DIFF = f"""
    SELECT x.id, x.time, x.kind, x.author, x.reason, e.name, r.name, t.text, k.ends FROM (
        SELECT k.*, {_LAST} AS last, {_HELD.format(at="?1")} AS ends, {_HELD.format(at="?2")} AS holds
        FROM ({{keys}}) k) k
    JOIN entities e ON e.id = k.entity JOIN relations r ON r.id = k.relation JOIN texts t ON t.id = k.value
    JOIN transactions x ON x.id = k.last
    WHERE k.ends <> k.holds
    ORDER BY e.name, r.name, t.text"""  # noqa: S608


def changes(connection: sqlite3.Connection, entity: int, relation: int | None) -> list[Change]:
    """All changes to an entity's facts, oldest first. A `set` shows which value gave way to which."""
    grouped: dict[tuple[int, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in connection.execute(_EVENTS, (entity, relation)):
        grouped[row[0], row[6]].append(row)
    return [change for rows in grouped.values() for change in _told(rows)]


def difference(connection: sqlite3.Connection, since: int, until: int) -> list[Change]:
    """What differs between two transactions, by entity and relation; backwards where `until` comes first."""
    if until < since:
        return [_reversed(change) for change in difference(connection, until, since)]
    query = _DIFF.format(keys=touched_since(since))
    grouped: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in connection.execute(query, (since, until)):
        grouped[row[5], row[6]].append(row)
    return [change for rows in grouped.values() for change in _told(rows)]


def touched_since(transaction: int) -> str:
    """A query with one parameter, the transaction, for the (entity, relation, value) touched after it."""
    return " UNION ".join([_LATER, _GONE] + ([_LOADED] if transaction < 1 else []))


def _told(rows: list[tuple[Any, ...]]) -> Iterator[Change]:
    """The changes of one (entity, relation): `ends` marks values that were there before."""
    ended = [row for row in rows if row[8]]
    began = [row for row in rows if not row[8]]
    # A value that ended and began at once has only got another version: another source, say.
    both = {row[7] for row in ended} & {row[7] for row in began}
    old = [row for row in ended if row[7] not in both]
    new = [row for row in began if row[7] not in both]
    for before, after in zip_longest(old, new):
        last = max((row for row in (before, after) if row is not None), key=lambda row: row[0])
        _, when, kind, author, reason, entity, relation, _, _ = last
        what: What = "removed" if after is None else "set" if before is not None or kind == "set" else "added"
        old_value, new_value = (None if row is None else row[7] for row in (before, after))
        yield Change(datetime.fromtimestamp(when, UTC), author, reason, what, entity, relation, old_value, new_value)


def _reversed(change: Change) -> Change:
    what: What = "removed" if change.old is None else "added" if change.new is None else "set"
    return Change(
        change.time, change.author, change.reason, what, change.entity, change.relation, change.new, change.old
    )
