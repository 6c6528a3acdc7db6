"""The embedded store: one SQLite file, read and written through one connection that threads take turns on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

from lamlam.errors import LamlamError
from lamlam.kb import invariants, schema, writing
from lamlam.kb.fact import Added, Change, Fact, Forgotten
from lamlam.kb.forgetting import forget
from lamlam.kb.history import changes
from lamlam.kb.name_index import NameIndex
from lamlam.kb.store import Named, Selection
from lamlam.kb.tombstones import Tombstones

_EXACT = """
    SELECT f.entity, f.relation, f.value, f.made, f.rank, f.support > f.bare, t.text
    FROM facts f JOIN texts t ON t.id = f.value
    WHERE f.entity = (SELECT id FROM entities WHERE name = ?) AND f.relation = (SELECT id FROM relations WHERE name = ?)
    ORDER BY f.rank, f.support DESC, t.text LIMIT ?"""
_OF_ENTITY = """
    SELECT f.entity, f.relation, f.value, f.made, f.rank, f.support > f.bare, t.text, e.name, r.name
    FROM facts f JOIN texts t ON t.id = f.value JOIN entities e ON e.id = f.entity JOIN relations r ON r.id = f.relation
    WHERE f.entity = ?1 AND (?2 IS NULL OR f.relation = ?2)
    ORDER BY r.name, f.rank, f.support DESC, t.text LIMIT ?3"""
_EVIDENCE = """
    SELECT s.name, v.start, v."end", a.name, v.confidence
    FROM evidence v LEFT JOIN sources s ON s.id = v.source LEFT JOIN authors a ON a.id = v.author
    WHERE v.entity = ? AND v.relation = ? AND v.value = ? AND v.made = ?
    ORDER BY s.name IS NULL, s.name, v.start, v."end", a.name IS NULL, a.name LIMIT 1"""
_PAGE = 500  # entities at a time, so that no cursor stays open while others write


class SqliteStore:
    """A base in one SQLite file.

    Values of one (entity, relation) are ordered by `Fact.rank`, then by the number of sources that assert them, then
    by their text; a fact that several sources assert shows the first of them by name. Neither depends on the order
    in which facts were added.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection, self._writable = schema.connect(path, create)
        self._names = NameIndex(self._connection)
        self._tombstones = Tombstones(self._connection)

    def exact(self, entity: str, relation: str, limit: int) -> list[Fact]:
        """The facts of exactly these two names, in declared order."""
        return [self._fact((*row, entity, relation)) for row in self._rows(_EXACT, (entity, relation, limit))]

    def facts(self, entity: int | None = None, relation: int | None = None, limit: int = -1) -> Iterator[Fact]:
        """All facts by entity and relation, those of one entity, or of one of its relations, in declared order."""
        if entity is not None:
            yield from [self._fact(row) for row in self._rows(_OF_ENTITY, (entity, relation, limit))]
            return
        last = ""
        while page := self._rows("SELECT id, name FROM entities WHERE name > ? ORDER BY name LIMIT ?", (last, _PAGE)):
            for entity_id, last in page:  # noqa: B007 - the last name is where the next page starts
                yield from self.facts(entity_id)

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""
        rows = self._rows("SELECT id, name FROM entities WHERE name = ?", (name,))
        return Named(*rows[0]) if rows else None

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""
        query = "SELECT id, name FROM entities WHERE normalised = ? ORDER BY name"
        return [Named(*row) for row in self._rows(query, (normalised,))]

    def entities_aliased(self, normalised: str) -> list[Named]:
        """The entities with an alias of this normalised form."""
        query = "SELECT id, name FROM aliases a JOIN entities ON id = entity WHERE a.normalised = ? ORDER BY name"
        return [Named(*row) for row in self._rows(query, (normalised,))]

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share words with a name, misspelt ones included."""
        with self._reading():
            return self._names.near(normalised)

    def is_word(self, word: str) -> bool:
        """Whether a word occurs in the names of entities."""
        with self._reading():
            return self._names.is_word(word)

    def aliases_of(self, entity: int) -> list[str]:
        """The aliases of an entity, in order."""
        return [row[0] for row in self._rows("SELECT alias FROM aliases WHERE entity = ? ORDER BY alias", (entity,))]

    def relations_of(self, entity: int, past: bool = False) -> list[Named]:
        """The relations that an entity has facts for, or with `past` ever had."""
        query = (
            "SELECT id, name FROM relations WHERE id IN (SELECT relation FROM facts WHERE entity = ?1)"
            " OR (?2 AND id IN (SELECT relation FROM past WHERE entity = ?1)) ORDER BY name"
        )
        return [Named(*row) for row in self._rows(query, (entity, past))]

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, oldest first."""
        with self._reading():
            return changes(self._connection, entity, relation)

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query for a normalised key may mean one that was forgotten, and not the one that was found."""
        with self._reading():
            forgotten = self._tombstones.sliding(*query)
            return bool(forgotten) and self._tombstones.digest(*found) not in forgotten

    def stats(self) -> dict[str, int]:
        """How many there are of everything."""
        counts = {
            "facts": "SELECT count(*) FROM facts",
            "entities": "SELECT count(*) FROM entities",
            "relations": "SELECT count(*) FROM relations",
            "values": "SELECT count(DISTINCT value) FROM facts",
            "aliases": "SELECT count(*) FROM aliases",
            "sources": "SELECT count(*) FROM sources",
            "past": "SELECT count(*) FROM past",
            "transactions": "SELECT count(*) FROM transactions",
            "forgotten": "SELECT count(*) FROM tombstones",
            "bytes": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        }
        return {what: self._rows(query, ())[0][0] for what, query in counts.items()}

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations with the most facts."""
        query = (
            "SELECT name, count(*) FROM facts JOIN relations ON id = relation GROUP BY id ORDER BY 2 DESC, 1 LIMIT ?"
        )
        return self._rows(query, (limit,))

    def check(self) -> list[str]:
        """What is wrong with the stored data; empty where nothing is."""
        with self._reading():
            return invariants.problems(self._connection)

    def __len__(self) -> int:
        count: int = self._rows("SELECT count(*) FROM facts", ())[0][0]
        return count

    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Put facts in: all of them, or none if one cannot be stored."""
        with self._transaction("add", author, reason) as made:
            return writing.add(self._connection, self._names, self._tombstones, facts, made, force)

    def set(self, fact: Fact, author: str | None, reason: str | None, force: bool) -> bool:
        """Make a fact the only one of its key; False where it already was."""
        with self._transaction("set", author, reason) as made:
            return writing.set_only(self._connection, self._names, self._tombstones, fact, made, force)

    def add_alias(self, alias: str, entity: Named, author: str | None, reason: str | None, force: bool) -> bool:
        """Give an entity another name; False where it has it."""
        with self._transaction("alias", author, reason) as made:
            return writing.add_alias(self._connection, self._names, self._tombstones, alias, entity, made, force)

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Remove facts and every trace of them: from the tables at once, then from the file's pages and its log."""
        if dry_run:
            with self._reading():
                return forget(self._connection, self._names, self._tombstones, what, None, reason)
        with self._transaction("forget", author, reason) as made:
            forgotten = forget(self._connection, self._names, self._tombstones, what, made, reason)
        self._purge()
        return forgotten

    def finish_forgetting(self) -> None:
        """Purge the file if a `forget` was stopped between its commit and its purge."""
        if self._writable and self._rows("SELECT 1 FROM meta WHERE key = 'purge'", ()):
            self._purge()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _purge(self) -> None:
        """Write the file anew without what was deleted, and empty its log.

        secure_delete wipes deleted rows, but pages that were split or merged keep copies in their slack (measured: of
        one row in 700); VACUUM leaves none.
        """
        with self._reading():
            self._connection.execute("VACUUM")
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise LamlamError(
                    f"no lookup finds it any more, but its bytes stay in {self._path}-wal while another process "
                    "reads the base; they go when the base is opened for writing after that one has ended"
                )
            self._connection.execute("DELETE FROM meta WHERE key = 'purge'")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _fact(self, row: Sequence[Any]) -> Fact:
        entity, relation, value, made, rank, has_evidence, text, entity_name, relation_name = row
        if not has_evidence:
            return Fact(entity_name, relation_name, text, rank=rank)
        evidence = self._rows(_EVIDENCE, (entity, relation, value, made))
        source, start, end, author, confidence = evidence[0]
        span = None if start < 0 else (start, end)
        return Fact(entity_name, relation_name, text, source, span, author, confidence, rank)

    def _rows(self, query: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise schema.explained(error, self._path) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise schema.explained(error, self._path) from error

    @contextmanager
    def _transaction(self, kind: str, author: str | None, reason: str | None) -> Iterator[int]:
        """A transaction with a row of its own, whose id it gives; the row goes if nothing was changed under it."""
        if not self._writable:
            raise LamlamError(
                f"the base {self._path} is read-only; copy it where you may write, or mend its permissions"
            )
        with self._reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                before = self._connection.total_changes
                insert = "INSERT INTO transactions (time, kind, author, reason) VALUES (?, ?, ?, ?)"
                made = self._connection.execute(insert, (time(), kind, author, reason)).lastrowid
                assert made is not None  # noqa: S101 - sqlite3 gives one for every INSERT
                yield made
                # One change is the transaction's own row.
                self._connection.execute("ROLLBACK" if self._connection.total_changes == before + 1 else "COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
