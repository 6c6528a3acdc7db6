"""The shared store: a base in a PostgreSQL database, which many processes on many machines may use at once.

One writer at a time; readers never wait for it, but for `forget`, which writes the tables with readable text anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import unquote

import psycopg

from lamlam.errors import LamlamError
from lamlam.kb import moments, naming, writing
from lamlam.kb import postgres_reading as reading
from lamlam.kb import postgres_schema as schema
from lamlam.kb.fact import Added, Change, Fact, Forgotten, OtherName, OtherNames, Snapshot
from lamlam.kb.forgetting import forget
from lamlam.kb.history import changes, difference
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import normalise, unusable
from lamlam.kb.postgres_names import TrigramNames
from lamlam.kb.postgres_purge import purge
from lamlam.kb.postgres_replica import NameReplica
from lamlam.kb.postgres_session import Session
from lamlam.kb.reading import closed_hash
from lamlam.kb.rollback import roll_back
from lamlam.kb.store import Named, Selection
from lamlam.kb.tombstones import Tombstones

if TYPE_CHECKING:
    import pyarrow

Result = TypeVar("Result")
_PAGE = 5000


class PostgresStore:
    """A base in the database that a `postgresql://` URL names: the store's protocol, as SQLite's has it.

    With `replica=FOLDER` among the URL's parameters, misspelt names are found in a copy of all names in that folder,
    which follows the server (`lamlam.kb.postgres_replica`). What was forgotten leaves every table and index; the
    server's write-ahead log, its backups and its standbys are its owner's to clear.
    """

    def __init__(self, url: str, create: bool = False) -> None:
        self._url, folder = _without_replica(url)
        self._create = create
        self._lock, self._reading_lock = threading.RLock(), threading.RLock()
        self._trigrams = False
        self._session = Session(self._opened)
        try:
            self._reader = Session(partial(schema.connect, self._url))
        except BaseException:
            self._session.close()
            raise
        # What writes facts is SQLite's own code, which asks of a connection no more than a Session has.
        self._shared = cast(sqlite3.Connection, self._session)
        self._names = cast(NameIndex, TrigramNames(self._session, self._trigrams))
        self._near: TrigramNames | NameReplica = TrigramNames(self._reader, self._trigrams)
        self._tombstones = Tombstones(self._shared)
        self._buried = Tombstones(cast(sqlite3.Connection, self._reader))
        try:
            self._finish()
            if folder is not None:
                with self._reading() as session:
                    self._near = NameReplica(session, folder)
        except BaseException:
            self.close()
            raise

    def exact(self, entity: str, relation: str, limit: int, at: int | None = None) -> list[Fact]:
        """The facts of exactly these two names, in declared order."""
        if "\0" in entity or "\0" in relation:
            return []
        if at is not None:
            with self._reading() as session:
                ids = [
                    session.execute(f"SELECT id FROM {table} WHERE name = ?", (name,)).fetchone()  # noqa: S608
                    for table, name in (("entities", entity), ("relations", relation))
                ]
                return [] if None in ids else self._of(ids[0][0], ids[1][0], limit, at)
        # By hand what `_reading` does: entering it costs as much as all the rest does here.
        with self._reading_lock:
            try:
                rows = self._reader.execute(reading.EXACT, (entity, relation)).fetchall()
                if len(rows) == 1 and not rows[0][2]:
                    return [Fact(entity, relation, rows[0][0], None, None, None, None, rows[0][1])][:limit]
                return self._of(rows[0][3], rows[0][4], limit, None) if rows else []
            except psycopg.Error as error:
                raise schema.explained(error) from error

    def exact_many(self, queries: Sequence[tuple[str, str]], at: int | None = None) -> list[Fact | None]:
        """The first fact of each (entity, relation), exactly so written."""
        if at is not None:
            return [next(iter(self.exact(*query, 1, at)), None) for query in queries]
        found: list[Fact | None] = [None] * len(queries)
        usable = [place for place, query in enumerate(queries) if all(unusable(part) is None for part in query)]
        entities, relations = [queries[place][0] for place in usable], [queries[place][1] for place in usable]
        with self._reading() as session:
            for place, *row in session.execute(reading.EXACT_MANY, (entities, relations)):
                entity, relation = queries[usable[place - 1]]
                found[usable[place - 1]] = reading.fact(entity, relation, row)
        return found

    def facts(
        self, entity: int | None = None, relation: int | None = None, limit: int = -1, at: int | None = None
    ) -> Iterator[Fact]:
        """All facts, those of an entity, or those of one of its relations, by names and in declared order."""
        if entity is None:
            yield from self._all(limit, at)
            return
        with self._reading():
            found = self._of(entity, relation, limit, at)
        yield from found

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""
        with self._reading() as session:
            return next(iter(reading.named(session, "SELECT id, name FROM entities WHERE name = ?", name)), None)

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""
        with self._reading() as session:
            found = reading.named(session, reading.NORMALISED, closed_hash(normalised))
        return [named for named in found if normalise(named.name) == normalised]

    def entities_aliased(self, normalised: str, at: int | None = None) -> list[Named]:
        """The entities with an alias of this normalised form."""
        with self._reading() as session:
            return naming.called(cast(sqlite3.Connection, session), "aliases", normalised, at)

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share trigrams with a name; none but those spaced otherwise where `pg_trgm` is missing."""
        with self._reading():
            return self._near.near(normalised)

    def frequency(self, word: str) -> int:
        """How many names of entities have a word."""
        with self._reading():
            return self._near.frequency(word)

    def names(self, after: int = 0) -> Iterator[Named]:
        """All entities by id, from the first one above `after`."""
        while True:
            with self._reading() as session:
                page = reading.named(session, reading.NAMES, after)
            if not page:
                return
            yield from page
            after = page[-1].id

    def aliases_of(self, entity: int, at: int | None = None) -> list[str]:
        """The aliases of an entity, in order."""
        with self._reading() as session:
            return naming.names_of(cast(sqlite3.Connection, session), "aliases", entity, at)

    def relations_named(self, name: str) -> list[Named]:
        """The relation of exactly this name, or else those of the same normalised name, the most frequent first."""
        with self._reading() as session:
            return naming.relations_named(cast(sqlite3.Connection, session), name)

    def relations_called(self, normalised: str, at: int | None = None) -> list[Named]:
        """The relations with a synonym of this normalised form."""
        with self._reading() as session:
            return naming.called(cast(sqlite3.Connection, session), "synonyms", normalised, at)

    def synonyms_of(self, relation: int, at: int | None = None) -> list[str]:
        """The synonyms of a relation in this base, in order."""
        with self._reading() as session:
            return naming.names_of(cast(sqlite3.Connection, session), "synonyms", relation, at)

    def other_names(self, kind: OtherNames, past: bool = False, at: int | None = None) -> list[OtherName]:
        """All aliases or synonyms with their provenance, or with `past` those too that were taken back."""
        with self._reading() as session:
            return naming.listed(cast(sqlite3.Connection, session), kind, past, at)

    def relations_of(self, entity: int, past: bool = False, at: int | None = None) -> list[Named]:
        """The relations that an entity has facts for, or with `past` ever had."""
        with self._reading() as session:
            if past:
                return reading.named(session, reading.RELATIONS_EVER, entity)
            return reading.named(session, reading.RELATIONS_AT, entity, reading.NOW if at is None else at)

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, oldest first."""
        with self._reading() as session:
            return changes(cast(sqlite3.Connection, session), entity, relation)

    def diff(self, since: int, until: int) -> list[Change]:
        """What differs between two transactions, by entity and relation."""
        with self._reading() as session:
            return difference(cast(sqlite3.Connection, session), since, until)

    def transaction_at(self, time: datetime | None = None) -> int:
        """The last transaction that was done at `time`, or now; 0 where there was none."""
        with self._reading() as session:
            return moments.transaction_at(cast(sqlite3.Connection, session), time)

    def snapshots(self) -> list[Snapshot]:
        """The named moments, oldest first."""
        with self._reading() as session:
            return moments.snapshots(cast(sqlite3.Connection, session))

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query for a normalised key may mean one that was forgotten, and not the one that was found."""
        with self._reading():
            forgotten = self._buried.sliding(*query)
            return bool(forgotten - {self._buried.digest(*found)})

    def stats(self) -> dict[str, int]:
        """How many there are of everything."""
        with self._reading() as session:
            return {what: session.execute(query).fetchone()[0] or 0 for what, query in reading.COUNTS.items()}

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations with the most facts."""
        query = "SELECT name, facts FROM relations WHERE facts > 0 ORDER BY facts DESC, name LIMIT ?"
        with self._reading() as session:
            return session.execute(query, (limit,)).fetchall()

    def check(self) -> list[str]:
        """What is wrong with the stored data; empty where nothing is."""
        with self._reading() as session:
            counted = {what: session.execute(query).fetchone()[0] for what, query in reading.RULES.items()}
            unfinished = session.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone()
        found = [f"{count} {what}" for what, count in counted.items() if count]
        if unfinished:
            found.append("forgotten bytes are still in the tables; they go when the base is next opened for writing")
        return found

    def __len__(self) -> int:
        with self._reading() as session:
            return int(session.execute(reading.COUNTS["facts"]).fetchone()[0])

    def load(self, batches: Iterable[pyarrow.RecordBatch], author: str | None, reason: str | None) -> Added:
        """Put the rows of Arrow batches into a base that is still empty, as its first transaction."""
        # Here, because only a load needs Arrow.
        from lamlam.kb.postgres_load import load

        with self._lock, self._explaining():
            connect = partial(schema.connect, self._url)
            connection = self._ready()
            added = load(connection, connect, self._take_turn, batches, author, reason, self._trigrams)
            connection.execute("ANALYZE")
            return added

    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Put facts in: all of them, or none if one cannot be stored."""

        def write(made: int) -> Added:
            return writing.add(self._shared, self._names, self._tombstones, facts, made, force)

        return self._commit("add", author, reason, write)

    def add_batch(self, batch: pyarrow.RecordBatch, author: str | None, reason: str | None, force: bool) -> Added:
        """Put the rows of an Arrow batch in."""
        from lamlam.kb.exchange.rows import facts_of

        return self.add(facts_of(batch), author, reason, force)

    def set(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> int:
        """Make each fact the only one of its key; how many were not yet."""

        def write(made: int) -> int:
            return sum(
                writing.set_only(self._shared, self._names, self._tombstones, fact, made, force) for fact in facts
            )

        return self._commit("set", author, reason, write)

    def give_names(
        self, kind: OtherNames, given: Iterable[naming.Given], author: str | None, reason: str | None, force: bool
    ) -> int:
        """Give entities or relations other names; how many they did not have."""

        def write(made: int) -> int:
            return naming.give(self._shared, self._names, self._tombstones, kind, given, made, force)

        return self._commit(naming.transaction(kind), author, reason, write)

    def take_name_back(self, kind: OtherNames, name: str, of: Named, author: str | None, reason: str | None) -> bool:
        """Have another name hold no longer; False where it does not."""

        def write(made: int) -> bool:
            return naming.take_back(self._shared, self._names, kind, name, of, made)

        return self._commit(naming.transaction(kind), author, reason, write)

    def index_names(self) -> None:
        """Nothing: the server keeps its index of names itself."""

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Remove facts and every trace of them: from the tables at once, then from their pages and indexes."""

        def write(made: int | None) -> Forgotten:
            return forget(self._shared, self._names, self._tombstones, what, made, reason)

        if dry_run:
            with self._lock, self._explaining():
                return write(None)
        forgotten = self._commit("forget", author, reason, write)
        self._purge()
        return forgotten

    def rollback(self, to: int, author: str | None, reason: str | None) -> int:
        """Make what held at a transaction hold again; how many facts and other names changed."""

        def write(made: int) -> int:
            return roll_back(self._shared, self._names, to, made)

        return self._commit("rollback", author, reason, write)

    def snapshot(self, name: str) -> Snapshot:
        """Give this moment a name."""
        with self._lock, self._explaining(), self._ready().transaction():
            self._take_turn()
            return moments.take(self._shared, name)

    def backup(self, path: Path) -> None:
        """Write the base as it is at one moment to a new SQLite file, with its history and what it has forgotten."""
        # Here, because nothing else needs both stores.
        from lamlam.kb.postgres_backup import copy

        with self._explaining():
            copy(self._url, path)

    @property
    def file(self) -> None:
        """None: the base is on a server."""

    @contextmanager
    def tables(self) -> Iterator[sqlite3.Connection]:
        """What derived indexes read the tables through."""
        with self._reading() as session:
            yield cast(sqlite3.Connection, session)

    def close(self) -> None:
        """Let go of the server. Closing twice does nothing."""
        with self._lock, self._reading_lock:
            self._session.close()
            self._reader.close()
            self._near.close()

    def _of(self, entity: int, relation: int | None, limit: int, at: int | None) -> list[Fact]:
        # A limit of NULL is no limit.
        parameters = entity, relation or 0, None if limit < 0 else limit, reading.NOW if at is None else at
        rows = self._reader.execute(reading.OF_ENTITY, parameters)
        return [reading.fact(row[0], row[1], row[2:]) for row in rows]

    def _all(self, limit: int, at: int | None) -> Iterator[Fact]:
        """All facts, a page at a time, from one moment's state and a connection of their own."""
        with (
            self._explaining(),
            schema.connect(self._url) as connection,
            connection.transaction(),
            connection.cursor(name="facts") as cursor,
        ):
            cursor.itersize = _PAGE
            cursor.execute(reading.all_facts(limit, at).encode())
            for row in cursor:
                yield reading.fact(row[0], row[1], row[2:])

    def _commit(self, kind: str, author: str | None, reason: str | None, write: Callable[[int], Result]) -> Result:
        """Write inside a transaction with a number of its own, which goes if nothing was changed under it."""
        with self._lock, self._explaining(), self._ready().transaction() as transaction:
            self._take_turn()
            before = self._session.total_changes
            result = write(moments.begin(self._shared, kind, author, reason))
            if self._session.total_changes == before + 1:  # the transaction's own row
                transaction.force_rollback = True
        return result

    def _opened(self) -> psycopg.Connection:
        """A connection to a database that holds a base."""
        connection = schema.connect(self._url)
        try:
            with self._explaining():
                self._trigrams = schema.prepare(connection, self._create)
        except BaseException:
            connection.close()
            raise
        return connection

    def _ready(self) -> psycopg.Connection:
        """The connection that writes, a new one where the server has ended it since the last change."""
        self._session.execute("SELECT 1")
        return self._session.connection

    def _take_turn(self) -> None:
        """Wait until no other writer is in a transaction; readers are not kept waiting."""
        try:
            self._session.connection.execute("LOCK TABLE transactions IN EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable as error:
            raise LamlamError(
                f"another process is writing to the base and did not finish within {schema.LOCK_SECONDS:g} seconds; "
                "try again when it is done"
            ) from error

    def _finish(self) -> None:
        """Finish what was stopped halfway: a `forget` before its purge, a load before its index of names."""
        with self._reading() as session:
            unfinished = session.execute("SELECT key FROM meta WHERE key IN ('purge', 'names_behind')").fetchall()
            owned = "SELECT relowner FROM pg_class WHERE oid = 'transactions'::regclass"
            mine = f"SELECT pg_has_role(({owned}), 'USAGE') AND NOT pg_is_in_recovery()"
            if not unfinished or not session.execute(mine).fetchone()[0]:
                return
        if ("purge",) in unfinished:
            self._purge()
        if ("names_behind",) in unfinished:
            # Here, because only a load needs Arrow.
            from lamlam.kb.postgres_load import finish

            with self._lock, self._explaining():
                finish(self._ready(), self._trigrams)

    def _purge(self) -> None:
        with self._lock, self._explaining():
            purge(self._ready())

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._reading_lock, self._explaining():
            yield self._reader

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn PostgreSQL's errors into a line for the user."""
        try:
            yield
        except psycopg.Error as error:
            raise schema.explained(error) from error


def _without_replica(url: str) -> tuple[str, Path | None]:
    """The URL as the driver takes it, and the folder of the replica that it names."""
    address, _, query = url.partition("?")
    parameters = [part for part in query.split("&") if part]
    folders = [unquote(part.partition("=")[2]) for part in parameters if part.startswith("replica=")]
    if len(folders) > 1 or "" in folders:
        raise LamlamError("the URL of the base is to name one folder for its replica, as in ?replica=/var/cache/names")
    others = "&".join(part for part in parameters if not part.startswith("replica="))
    return address + (f"?{others}" if others else ""), Path(folders[0]) if folders else None
