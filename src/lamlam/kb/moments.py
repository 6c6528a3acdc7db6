"""Moments in the life of a base: transactions by time, snapshots by name."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from time import time

from lamlam.errors import LamlamError
from lamlam.kb.fact import Snapshot
from lamlam.kb.names import unusable

FIRST_FREE = 2
"""The first number for transactions other than the load that a base may begin with."""


def begin(connection: sqlite3.Connection, kind: str, author: str | None, reason: str | None) -> int:
    """A new transaction's number. Its time is never before the last one's, even where the clock was set back."""
    last = connection.execute("SELECT id, time FROM transactions ORDER BY id DESC LIMIT 1").fetchone()
    number, when = (max(last[0] + 1, FIRST_FREE), max(time(), last[1])) if last else (FIRST_FREE, time())
    connection.execute("INSERT INTO transactions VALUES (?, ?, ?, ?, ?)", (number, when, kind, author, reason))
    return number


def transaction_at(connection: sqlite3.Connection, moment: datetime | None) -> int:
    """The last transaction at a time, or at all; 0 for none."""
    # Backwards from the newest, which is where most questions are about; there is no index on time.
    query = "SELECT id FROM transactions WHERE time <= ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (float("inf") if moment is None else moment.timestamp(),)).fetchone()
    return 0 if row is None else int(row[0])


def snapshots(connection: sqlite3.Connection) -> list[Snapshot]:
    """The named moments, oldest first."""
    rows = connection.execute("SELECT name, made, time FROM snapshots ORDER BY made, time, name")
    return [Snapshot(name, made, datetime.fromtimestamp(when, UTC)) for name, made, when in rows]


def take(connection: sqlite3.Connection, name: str) -> Snapshot:
    """Give the present moment a name."""
    if reason := unusable(name):
        raise LamlamError(f"the name of a snapshot holds {reason}; choose another name")
    if connection.execute("SELECT 1 FROM snapshots WHERE name = ?", (name,)).fetchone():
        raise LamlamError(f"there is a snapshot {name!r} already; choose another name")
    made, when = transaction_at(connection, None), time()
    connection.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (name, made, when))
    return Snapshot(name, made, datetime.fromtimestamp(when, UTC))
