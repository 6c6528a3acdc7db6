"""The index for misspelt names of one base: flat arrays beside the file, and tables in it for what came since.

The tables are written in the transaction that brings or forgets a name, so they are never behind. The arrays are made
from the table of entities when many names have come, and carry a stamp that the base holds too: arrays with another
stamp are of another state, or of another base, and are never asked. Whatever the arrays give is checked against the
tables before it is believed, and what is forgotten is overwritten in them.
"""

from __future__ import annotations

import heapq
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from lamlam.errors import LamlamError
from lamlam.kb import name_search
from lamlam.kb.name_arrays import NameArrays, build
from lamlam.kb.name_tables import NameTables
from lamlam.kb.names import LONGEST_FUZZY, normalise
from lamlam.kb.store import Named

MOST_RECENT = 5000
"""So many names may come, and a fiftieth of those that are there, before new arrays are made."""
NEAREST = 8
"""Candidates that the arrays give for a name."""


class NameIndex:
    """The names of the base at `path` through one connection; without a path there are tables only."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self._connection = connection
        self._path = path
        self._tables = NameTables(connection)
        self._arrays: NameArrays | None = None
        self._inserted = 0

    def insert(self, entity: int, name: str) -> None:
        """File an entity under its normalised name or a normalised alias, in the transaction under way.

        Of a flood of names only the first go to the tables; then the base is marked to need new arrays.
        """
        self._inserted += 1
        if self._path is None or self._inserted <= MOST_RECENT:
            self._tables.insert(entity, name)
        else:
            self._connection.execute("INSERT OR IGNORE INTO meta VALUES ('names_behind', 1)")

    def remove(self, entity: int, names: list[str]) -> None:
        """Take an entity's normalised names out, in the transaction under way; `scrub` finishes it after that."""
        self._tables.remove(entity, names)
        if self._stamp() is not None:
            gone = self._gone() | {(entity, crc32(name.encode())) for name in names}
            self._connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('names_gone', ?)", (json.dumps(sorted(gone)),)
            )

    def near(self, normalised: str) -> list[Named]:
        """The entities that a misspelt name may mean; raises `LamlamError` where the arrays are lost."""
        if len(normalised) > LONGEST_FUZZY:
            return []
        found: dict[int, Named] = {}
        if (arrays := self._current()) is not None:
            for entity, name in name_search.near(arrays, normalised, NEAREST):
                if entity not in found and (named := self._still(entity, name)) is not None:
                    found[entity] = named
        if self._tables.any():
            for named in self._tables.near(normalised):
                found.setdefault(named.id, named)
        return list(found.values())

    def frequency(self, word: str) -> int:
        """How many names have a word."""
        arrays = self._current()
        return self._tables.frequency(word) + (name_search.frequency(arrays, word) if arrays is not None else 0)

    def outgrown(self) -> bool:
        """Whether so many names have come, or the arrays are lost, that `rebuild` is due."""
        if self._path is None:
            return False
        try:
            arrays = self._current()
        except LamlamError:
            return True
        last = self._connection.execute("SELECT max(id) FROM entities").fetchone()[0] or 0
        there = int(arrays.entities[-1]) if arrays is not None and len(arrays) else 0
        return bool(last - there > max(MOST_RECENT, there // 50))

    def rebuild(self) -> None:
        """Make the arrays from the tables, in the write transaction under way; `tidy` removes the old ones after it.

        Until then others go on with the old ones, which lie in another file.
        """
        if self._path is None:
            return
        stamp = secrets.token_hex(8)
        build(self._file(stamp), self._rows(), stamp)
        self._tables.clear()
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('names', ?)", (stamp,))
        self._connection.execute("DELETE FROM meta WHERE key IN ('names_gone', 'names_behind')")
        self._inserted = 0

    def scrub(self) -> None:
        """Overwrite in the arrays what was removed; to be called after the transaction that removed it."""
        gone = self._gone()
        if not gone:
            return
        with suppress(LamlamError):  # arrays that are lost need no scrubbing
            if (arrays := self._opened()) is not None:
                for entity in {entity for entity, _ in gone}:
                    arrays.scrub(entity, {key for of, key in gone if of == entity})
        self.tidy()
        self._connection.execute("DELETE FROM meta WHERE key = 'names_gone'")

    def tidy(self) -> None:
        """Remove the arrays of former states."""
        if self._path is not None:
            stamp = self._stamp()
            for file in self._path.parent.iterdir():
                if file.name.startswith(f"{self._path.name}.names-") and not file.name.endswith(f"-{stamp}"):
                    file.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the arrays."""
        if self._arrays is not None:
            self._arrays.close()
            self._arrays = None

    def _stamp(self) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'names'").fetchone()
        return row[0] if row and self._path is not None else None

    def _file(self, stamp: str) -> Path:
        assert self._path is not None  # noqa: S101 - callers have asked
        return self._path.with_name(f"{self._path.name}.names-{stamp}")

    def _current(self) -> NameArrays | None:
        """The arrays that, with the tables, know all names; None where the tables do alone."""
        if self._connection.execute("SELECT 1 FROM meta WHERE key = 'names_behind'").fetchone():
            raise LamlamError(
                f"the index of names of {self._path} is behind, so misspelt names cannot be looked up; open the base "
                "once where you may write, and it is made anew"
            )
        return self._opened()

    def _opened(self) -> NameArrays | None:
        """The arrays with the base's stamp; None where it has none yet."""
        stamp = self._stamp()
        if stamp is None:
            return None
        if self._arrays is None or self._arrays.stamp != stamp:
            self.close()
            try:
                arrays = NameArrays(self._file(stamp))
                if arrays.stamp != stamp:
                    raise ValueError("of another state")
            except (OSError, ValueError) as error:
                raise LamlamError(
                    f"the index of names {self._file(stamp)} is lost or damaged ({error}), so misspelt names cannot "
                    f"be looked up; open {self._path} once where you may write, and it is made again"
                ) from error
            self._arrays = arrays
        return self._arrays

    def _gone(self) -> set[tuple[int, int]]:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'names_gone'").fetchone()
        return {(entity, key) for entity, key in json.loads(row[0])} if row else set()

    def _still(self, entity: int, name: str) -> Named | None:
        """The entity, if the name that the arrays have for it is still one of its names."""
        row = self._connection.execute("SELECT name FROM entities WHERE id = ?", (entity,)).fetchone()
        if row is None:
            return None
        if normalise(row[0]) != name:
            alias = "SELECT 1 FROM aliases WHERE entity = ? AND normalised = ?"
            if self._connection.execute(alias, (entity, name)).fetchone() is None:
                return None
        return Named(entity, row[0])

    def _rows(self) -> Iterator[tuple[int, str]]:
        """All entities with their normalised names and aliases, by id."""
        entities = self._connection.execute("SELECT id, name FROM entities ORDER BY id")
        aliases = self._connection.execute("SELECT DISTINCT entity, normalised FROM aliases ORDER BY entity")
        return heapq.merge(((entity, normalise(name)) for entity, name in entities), aliases)
