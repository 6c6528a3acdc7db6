"""What things are called whose file names them by identifiers: the first of two passes, kept in a file of its own.

A statement of Wikidata or an N-Triple names its value by an identifier, and what that is called may stand a hundred
gigabytes further on. So names are learned first, into an SQLite file, which a pass that was cut short goes on with.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from lamlam.kb.exchange.rows import START, Place

_TABLES = """
    CREATE TABLE IF NOT EXISTS names (id TEXT PRIMARY KEY, name TEXT NOT NULL, own INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS aliases (id TEXT, alias TEXT, PRIMARY KEY (id, alias)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS place (offset INTEGER, number INTEGER, done INTEGER);
"""
_LINES = 20_000  # learned in one transaction
_KEPT = 200_000


class Called(NamedTuple):
    """What a line says a thing is called. `own`: no other thing has this name, as with the title of an article."""

    id: str
    name: str | None
    own: bool = False
    aliases: tuple[str, ...] = ()


class Labels:
    """The names of things by their identifiers; made with `learn`, then asked."""

    def __init__(self, path: Path | None = None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._connection.create_function("last_part", 1, last_part, deterministic=True)
        for statement in _TABLES.split(";")[:-1]:
            self._connection.execute(statement)
        self._kept: dict[str, str | None] = {}

    def learn(self, lines: Iterable[tuple[Place, list[Called]]]) -> None:
        """Take in what lines say, from `place` on; may be stopped at any moment and gone on with."""
        execute = self._connection.execute
        execute("BEGIN")
        place = self.place
        for number, (place, called) in enumerate(lines, 1):
            for id, name, own, aliases in called:
                if name is not None:
                    # Of several names one that is its own comes first, then the first by spelling: in any order.
                    execute(
                        "INSERT INTO names VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET name = ?2, own = ?3"
                        " WHERE (?3, name) > (own, ?2)",
                        (id, name, own),
                    )
                self._connection.executemany(
                    "INSERT OR IGNORE INTO aliases VALUES (?, ?)", [(id, alias) for alias in aliases]
                )
            if number % _LINES == 0:
                self._keep(place, done=False)
                execute("BEGIN")
        self._tell_apart()
        self._keep(place, done=True)

    @property
    def place(self) -> Place:
        """Up to where lines have been taken in."""
        row = self._connection.execute("SELECT offset, number FROM place").fetchone()
        return row or START

    @property
    def learned(self) -> bool:
        """Whether all lines have been taken in."""
        return self._connection.execute("SELECT 1 FROM place WHERE done").fetchone() is not None

    def name(self, id: str) -> str | None:
        """What a thing is called; None where nothing says so."""
        if id not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            row = self._connection.execute("SELECT name FROM names WHERE id = ?", (id,)).fetchone()
            self._kept[id] = row and row[0]
        return self._kept[id]

    def aliases(self) -> Iterator[tuple[str, str]]:
        """(alias, name) of all things that have a name."""
        return self._connection.execute("SELECT alias, name FROM aliases JOIN names USING (id) WHERE alias <> name")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _keep(self, place: Place, done: bool) -> None:
        self._connection.execute("DELETE FROM place")
        self._connection.execute("INSERT INTO place VALUES (?, ?, ?)", (*place, done))
        self._connection.execute("COMMIT")

    def _tell_apart(self) -> None:
        """Two things of one name would be one entity: where neither has a name of its own, the identifier tells."""
        shared = (
            "own = 0 AND name IN (SELECT name FROM names GROUP BY name HAVING count(*) > 1)"
            " AND id NOT GLOB 'P[0-9]*'"  # properties are relations, and not mixed with entities
        )
        self._connection.execute(f"INSERT OR IGNORE INTO aliases SELECT id, name FROM names WHERE {shared}")  # noqa: S608
        self._connection.execute(f"UPDATE names SET name = name || ' (' || last_part(id) || ')' WHERE {shared}")  # noqa: S608


def last_part(iri: str) -> str:
    """The last part of an IRI that says something."""
    return unquote(re.split(r"[/#]", iri.rstrip("/#"))[-1])
