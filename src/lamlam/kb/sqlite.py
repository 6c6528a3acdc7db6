"""The embedded store: one SQLite file, a connection that writes and one a thread that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lamlam.errors import LamlamError
from lamlam.kb import backup, invariants, moments, naming, reading, schema, writing
from lamlam.kb.commits import Commits
from lamlam.kb.connections import Connections
from lamlam.kb.fact import Added, Change, Fact, Forgotten, OtherName, OtherNames, Snapshot
from lamlam.kb.forgetting import forget
from lamlam.kb.history import changes, difference
from lamlam.kb.name_index import NameIndex
from lamlam.kb.purge import purge
from lamlam.kb.rollback import roll_back
from lamlam.kb.store import Named, Selection
from lamlam.kb.tombstones import Tombstones

if TYPE_CHECKING:
    import pyarrow


class SqliteStore:
    """A base in one SQLite file.

    Values of one (entity, relation) are ordered by `Fact.rank`, then by the number of sources that assert them, then
    by their text; a fact that several sources assert shows the first of them by name. Neither depends on the order
    in which facts were added.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self._path = path
        self._connections = Connections(path, create)
        self._connection = self._connections.writer
        self._commits = Commits(self._connections)
        try:
            with self._connections.explaining():
                self._names = NameIndex(self._connection, path)
                self._tombstones = Tombstones(self._connection)
        except BaseException:
            self._connections.close()
            raise

    def exact(self, entity: str, relation: str, limit: int, at: int | None = None) -> list[Fact]:
        """The facts of exactly these two names, in declared order."""
        # By hand what `_reading` does: entering it costs a fifth of a lookup.
        reader = self._connections.reader()
        with reader.lock:
            try:
                return reading.exact(reader.connection, reader.relations, entity, relation, limit, at)
            except sqlite3.Error as error:
                raise schema.explained(error, self._path) from error

    def exact_many(self, queries: Sequence[tuple[str, str]], at: int | None = None) -> list[Fact | None]:
        """The first fact of each (entity, relation), exactly so written."""
        reader = self._connections.reader()
        with reader.lock, self._connections.explaining():
            return reading.exact_many(reader.connection, reader.relations, queries, at)

    def facts(
        self, entity: int | None = None, relation: int | None = None, limit: int = -1, at: int | None = None
    ) -> Iterator[Fact]:
        """All facts by entity and relation, those of one entity, or of one of its relations, in declared order."""
        if entity is not None:
            with self._reading() as connection:
                found = reading.of_entity(connection, entity, relation, limit, at)
            yield from found
            return
        last = ""
        while True:
            with self._reading() as connection:
                page = reading.names_in_order(connection, last)
            if not page:
                return
            for named in page:
                yield from self.facts(named.id, at=at)
            last = page[-1].name

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""
        with self._reading() as connection:
            return reading.one(connection, "entities", name)

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""
        with self._reading() as connection:
            return reading.normalised(connection, normalised)

    def entities_aliased(self, normalised: str, at: int | None = None) -> list[Named]:
        """The entities with an alias of this normalised form."""
        with self._reading() as connection:
            return naming.called(connection, "aliases", normalised, at)

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share words with a name, misspelt ones included."""
        with self._writing():
            self.index_names()
            return self._names.near(normalised)

    def frequency(self, word: str) -> int:
        """How many names of entities have a word."""
        with self._writing():
            return self._names.frequency(word)

    def names(self, after: int = 0) -> Iterator[Named]:
        """All entities by id, from the first one above `after`."""
        while True:
            with self._reading() as connection:
                page = reading.names(connection, after)
            if not page:
                return
            yield from page
            after = page[-1].id

    def aliases_of(self, entity: int, at: int | None = None) -> list[str]:
        """The aliases of an entity, in order."""
        with self._reading() as connection:
            return naming.names_of(connection, "aliases", entity, at)

    def relations_named(self, name: str) -> list[Named]:
        """The relation of exactly this name, or else those of the same normalised name, the most frequent first."""
        with self._reading() as connection:
            return naming.relations_named(connection, name)

    def relations_called(self, normalised: str, at: int | None = None) -> list[Named]:
        """The relations with a synonym of this normalised form."""
        with self._reading() as connection:
            return naming.called(connection, "synonyms", normalised, at)

    def synonyms_of(self, relation: int, at: int | None = None) -> list[str]:
        """The synonyms of a relation in this base, in order."""
        with self._reading() as connection:
            return naming.names_of(connection, "synonyms", relation, at)

    def other_names(self, kind: OtherNames, past: bool = False, at: int | None = None) -> list[OtherName]:
        """All aliases or synonyms with their provenance, or with `past` those too that were taken back."""
        with self._reading() as connection:
            return naming.listed(connection, kind, past, at)

    def relations_of(self, entity: int, past: bool = False, at: int | None = None) -> list[Named]:
        """The relations that an entity has facts for, or with `past` ever had."""
        with self._reading() as connection:
            return reading.relations_of(connection, entity, past, at)

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, oldest first."""
        with self._reading() as connection:
            return changes(connection, entity, relation)

    def diff(self, since: int, until: int) -> list[Change]:
        """What differs between two transactions, by entity and relation."""
        with self._reading() as connection:
            return difference(connection, since, until)

    def transaction_at(self, time: datetime | None = None) -> int:
        """The last transaction that was done at `time`, or now; 0 where there was none."""
        with self._reading() as connection:
            return moments.transaction_at(connection, time)

    def snapshots(self) -> list[Snapshot]:
        """The named moments, oldest first."""
        with self._reading() as connection:
            return moments.snapshots(connection)

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query for a normalised key may mean one that was forgotten, and not the one that was found."""
        with self._writing():
            forgotten = self._tombstones.sliding(*query)
            return bool(forgotten - {self._tombstones.digest(*found)})

    def stats(self) -> dict[str, int]:
        """How many there are of everything."""
        with self._reading() as connection:
            return reading.counts(connection)

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations with the most facts."""
        query = "SELECT name, facts FROM relations WHERE facts > 0 ORDER BY facts DESC, name LIMIT ?"
        with self._reading() as connection:
            return connection.execute(query, (limit,)).fetchall()

    def check(self) -> list[str]:
        """What is wrong with the stored data; empty where nothing is."""
        with self._reading() as connection:
            return invariants.problems(connection)

    def __len__(self) -> int:
        with self._reading() as connection:
            count: int = connection.execute("SELECT coalesce(sum(facts), 0) FROM relations").fetchone()[0]
            return count

    def load(self, batches: Iterable[pyarrow.RecordBatch], author: str | None, reason: str | None) -> Added:
        """Put the rows of Arrow batches into a base that is still empty, as its first transaction."""
        # Here, because only a load needs pyarrow.
        from lamlam.kb.loading import load

        if not self._connections.writable:
            raise self._read_only()
        with self._writing():
            self._connections.close_readers()
            return load(self._path, self._connection, self._names, batches, author, reason)

    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Put facts in: all of them, or none if one cannot be stored."""

        def write(made: int) -> Added:
            return writing.add(self._connection, self._names, self._tombstones, facts, made, force)

        return self._commits.commit("add", author, reason, write)

    def add_batch(self, batch: pyarrow.RecordBatch, author: str | None, reason: str | None, force: bool) -> Added:
        """Put the rows of an Arrow batch in: all of them, or none if one cannot be stored."""
        from lamlam.kb.adding import add_batch

        def write(made: int) -> Added:
            return add_batch(self._connection, self._names, self._tombstones, batch, made, force)

        with self._connections.lock, schema.large_cache(self._connection):
            return self._commits.commit("add", author, reason, write)

    def set(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> int:
        """Make each fact the only one of its key; how many were not yet."""

        def write(made: int) -> int:
            return sum(
                writing.set_only(self._connection, self._names, self._tombstones, fact, made, force) for fact in facts
            )

        return self._commits.commit("set", author, reason, write)

    def give_names(
        self, kind: OtherNames, given: Iterable[naming.Given], author: str | None, reason: str | None, force: bool
    ) -> int:
        """Give entities or relations other names; how many they did not have."""

        def write(made: int) -> int:
            return naming.give(self._connection, self._names, self._tombstones, kind, given, made, force)

        return self._commits.commit(naming.transaction(kind), author, reason, write)

    def take_name_back(self, kind: OtherNames, name: str, of: Named, author: str | None, reason: str | None) -> bool:
        """Have another name hold no longer; False where it does not."""

        def write(made: int) -> bool:
            return naming.take_back(self._connection, self._names, kind, name, of, made)

        return self._commits.commit(naming.transaction(kind), author, reason, write)

    def index_names(self) -> None:
        """Make the index of names anew where many have come."""
        with self._writing():
            if self._connections.writable and self._names.outgrown():
                self._rebuild_names()

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Remove facts and every trace of them: from the tables at once, then from the file's pages and its log."""

        def write(made: int | None) -> Forgotten:
            return forget(self._connection, self._names, self._tombstones, what, made, reason)

        if dry_run:
            with self._writing():
                return write(None)
        forgotten = self._commits.commit("forget", author, reason, write)
        self._purge()
        return forgotten

    def finish_forgetting(self) -> None:
        """Purge the file if a `forget` was stopped between its commit and its purge."""
        with self._writing() as connection:
            unfinished = connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone()
        if unfinished and self._connections.writable:
            self._purge()

    def rollback(self, to: int, author: str | None, reason: str | None) -> int:
        """Make what held at a transaction hold again; how many facts and other names changed."""

        def write(made: int) -> int:
            return roll_back(self._connection, self._names, to, made)

        return self._commits.commit("rollback", author, reason, write)

    def snapshot(self, name: str) -> Snapshot:
        """Give this moment a name."""
        if not self._connections.writable:
            raise self._read_only()
        with self._writing() as connection:
            return moments.take(connection, name)

    def backup(self, path: Path) -> None:
        """Write a copy of the base to a file, while it is in use."""
        backup.copy(self._path, self._connections.writable, path)

    @property
    def file(self) -> Path:
        """The file of the base."""
        return self._path

    def tables(self) -> AbstractContextManager[sqlite3.Connection]:
        """What derived indexes read the tables through."""
        return self._reading()

    def close(self) -> None:
        """Let go of the file."""
        self._names.close()
        self._connections.close()

    def _purge(self) -> None:
        with self._writing() as connection:
            self._names.scrub()
            purge(self._path, self._connections.file, connection)

    def _rebuild_names(self) -> None:
        """Make the index of names anew, because many have come."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._names.rebuild()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._names.tidy()

    def _read_only(self) -> LamlamError:
        return LamlamError(f"the base {self._path} is read-only; copy it where you may write, or mend its permissions")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's own connection."""
        reader = self._connections.reader()
        with reader.lock, self._connections.explaining():
            yield reader.connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, and that derived tables are read through."""
        with self._connections.lock, self._connections.explaining():
            yield self._connection
