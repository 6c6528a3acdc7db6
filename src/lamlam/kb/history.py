"""History, read off the transactions under which facts were made and ended."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from lamlam.kb.fact import Change

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


def changes(connection: sqlite3.Connection, entity: int, relation: int | None) -> list[Change]:
    """All changes to an entity's facts, oldest first. A `set` shows which value gave way to which."""
    grouped: dict[tuple[int, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in connection.execute(_EVENTS, (entity, relation)):
        grouped[row[0], row[6]].append(row)
    found: list[Change] = []
    for rows in grouped.values():
        _, when, kind, author, reason, entity_name, relation_name, _, _ = rows[0]
        old = [row[7] for row in rows if row[8]]
        new = [row[7] for row in rows if not row[8]]
        pairs = zip_longest(old, new) if kind == "set" else [(None, value) for value in new]
        for before, after in pairs:
            found.append(
                Change(
                    datetime.fromtimestamp(when, UTC),
                    author,
                    reason,
                    "set" if kind == "set" and after is not None else "removed" if after is None else "added",
                    entity_name,
                    relation_name,
                    before,
                    after,
                )
            )
    return found
