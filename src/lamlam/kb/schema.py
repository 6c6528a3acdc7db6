"""The SQLite file of a base: its tables, and how it is opened and told from every other file."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamlam.errors import LamlamError
from lamlam.kb import rawfile

APPLICATION_ID = 0x4C4D6C62  # "LMlb"
VERSION = 3
BUSY_SECONDS = 5.0
"""How long a writer waits for another one before it gives up."""
MAPPED_BYTES = 2**31 - 2**16
"""How much of the file is read through a mapping of it, which all processes share: the most that SQLite allows."""

_CACHE = -16384  # KB, a connection

TABLES = """
-- Dictionaries: every string once, facts are rows of integers. Id 0 stands for "none" in columns that need a value.
-- Counts tell, without a pass over all facts, which strings nothing points at any more.
CREATE TABLE entities  (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE UNIQUE INDEX entities_name ON entities (name);
CREATE TABLE relations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normalised TEXT NOT NULL,
    facts INTEGER NOT NULL, past INTEGER NOT NULL);
CREATE TABLE texts     (id INTEGER PRIMARY KEY, text TEXT NOT NULL, uses INTEGER NOT NULL);
CREATE UNIQUE INDEX texts_text ON texts (text);
CREATE TABLE sources   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uses INTEGER NOT NULL);
CREATE TABLE authors   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uses INTEGER NOT NULL);

-- Entities by their normalised names without spaces, of which only a 32-bit hash is kept.
CREATE TABLE normalised (hash INTEGER NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (hash, entity)) WITHOUT ROWID;

-- Every change belongs to a transaction. kind: load, add, set, forget, alias, synonym, rollback. Number 1 is kept for
-- `load`.
CREATE TABLE transactions (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, author TEXT, reason TEXT);
CREATE TABLE snapshots (name TEXT PRIMARY KEY, made INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID;

-- What holds now. made: the transaction since which it has held just so. support: by how many pieces of evidence it
-- is asserted. bare: 1 where one of them says nothing but the fact, so that asserting it again adds no support.
CREATE TABLE facts (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL,
    rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL, made INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value)) WITHOUT ROWID;
-- Partial: all the facts of a load have been there from the start, and no index is needed to say so.
CREATE INDEX facts_made ON facts (made) WHERE made > 1;

-- What held, just so, from transaction `made` until transaction `ended`.
CREATE TABLE past (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL, made INTEGER NOT NULL,
    ended INTEGER NOT NULL, rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value, made)) WITHOUT ROWID;
CREATE INDEX past_made ON past (made);
CREATE INDEX past_ended ON past (ended);

-- Who says so, where, and for which time; start and end are -1 where there is no span, dates and ended empty where
-- there is none.
CREATE TABLE evidence (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL,
    source INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, author INTEGER NOT NULL,
    valid_from TEXT NOT NULL, valid_to TEXT NOT NULL, made INTEGER NOT NULL, ended INTEGER, confidence REAL,
    PRIMARY KEY (entity, relation, value, source, start, "end", author, valid_from, valid_to, made)) WITHOUT ROWID;

CREATE TABLE aliases (
    normalised TEXT NOT NULL, entity INTEGER NOT NULL, alias TEXT NOT NULL, made INTEGER NOT NULL, ended INTEGER,
    PRIMARY KEY (normalised, entity, made)) WITHOUT ROWID;
CREATE INDEX aliases_entity ON aliases (entity);
CREATE INDEX aliases_made ON aliases (made);

-- What else the relations are called in this base.
CREATE TABLE synonyms (
    normalised TEXT NOT NULL, relation INTEGER NOT NULL, synonym TEXT NOT NULL, made INTEGER NOT NULL, ended INTEGER,
    PRIMARY KEY (normalised, relation, made)) WITHOUT ROWID;
CREATE INDEX synonyms_relation ON synonyms (relation);

-- The index for misspelt names: words, words by what is left when a character is left out, entities by word.
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE, entities INTEGER NOT NULL);
CREATE TABLE word_spellings (key INTEGER NOT NULL, word INTEGER NOT NULL, PRIMARY KEY (key, word)) WITHOUT ROWID;
CREATE TABLE postings (word INTEGER NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (word, entity)) WITHOUT ROWID;

-- What was forgotten, as digests keyed with this base's salt.
CREATE TABLE tombstones (digest BLOB PRIMARY KEY, made INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstone_spellings (
    spelling BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (spelling, digest)) WITHOUT ROWID;

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


def statements(script: str) -> list[str]:
    """The statements of a script without its comments, one by one: `executescript` would commit in between."""
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]


def connect(path: Path, create: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection to the base at `path`, and whether it can be written to; an older base is brought up to date.

    Every way in which the file can be something else has its own `LamlamError`.
    """
    if path.is_dir():
        raise LamlamError(f"{path} is a folder, not a base; name a file in it, such as {path / 'facts.db'}")
    if not path.exists():
        if not create:
            raise LamlamError(f"there is no base at {path}; build one with `lamlam kb build`, or open with create=True")
        if not path.parent.is_dir():
            raise LamlamError(f"cannot create the base {path}: there is no folder {path.parent}; make it first")
    elif path.stat().st_size or not create:
        _check_header(path)
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    connection = open_file(path, writable)
    try:
        if create and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            _create(connection)
        _check_identity(connection, path, writable)
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection, writable


def reader(path: Path, writable: bool) -> sqlite3.Connection:
    """A further connection to a base that is open already, for reading only."""
    connection = open_file(path, writable)
    try:
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    return connection


def open_file(path: Path, writable: bool) -> sqlite3.Connection:
    """A connection with the settings that every connection to a base has, whatever is in the file."""
    uri = path.absolute().as_uri()
    if not writable:
        # Without a log beside it nobody is writing, and SQLite need not create its shared-memory file in the folder.
        quiet = not path.with_name(path.name + "-wal").exists()
        uri += "?mode=ro" + ("&immutable=1" if quiet else "")
    try:
        # isolation_level=None: transactions are begun and ended by hand. Locks of the store keep threads apart.
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        connection.execute("PRAGMA secure_delete = ON")
        # A commit is on the disk when it returns.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = {_CACHE}")
        # Edits are scattered over the file: the longer the log, the fewer syncs of scattered pages.
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
        connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    return connection


@contextmanager
def large_cache(connection: sqlite3.Connection) -> Iterator[None]:
    """Room for the pages that many rows at once change, so that each is written once."""
    connection.execute("PRAGMA cache_size = -262144")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA cache_size = {_CACHE}")


def explained(error: sqlite3.Error, path: Path) -> LamlamError:
    """The one line for what SQLite says."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return LamlamError(
            f"another process is writing to the base {path} and did not finish within {BUSY_SECONDS:g} seconds; "
            "try again when it is done"
        )
    if "readonly" in text or "read-only" in text:
        return LamlamError(
            f"the base {path} cannot be written to; copy it where you may write, or mend its permissions"
        )
    if "closed" in text:
        return LamlamError(f"the base {path} is closed; open it again with KnowledgeBase.open")
    if "full" in text:
        return LamlamError(f"the disk of {path} is full; nothing was changed; make room and try again")
    if "malformed" in text or "not a database" in text:
        return LamlamError(f"the base {path} is damaged ({text}); restore it from a backup or build it again")
    return LamlamError(f"the base {path} cannot be used: {text}; `lamlam kb check` says more")


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    file = rawfile.hold(path)
    try:
        header = file.read(100, 0)
    finally:
        rawfile.release(file)
    if size == 0:
        raise LamlamError(f"{path} is an empty file, not a base; build one with `lamlam kb build`")
    if not header.startswith(b"SQLite format 3\0"):
        raise LamlamError(f"{path} is not a base (not an SQLite file); build one from it with `lamlam kb build`")
    page_size = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)
    journal = path.with_name(path.name + "-wal")
    # A log beside the file may hold the pages that the file does not have yet.
    if len(header) < 100 or (size < expected and not (journal.exists() and journal.stat().st_size)):
        raise LamlamError(
            f"the base {path} is cut off: {size:,} of {expected:,} bytes; copy it again or restore it from a backup"
        )


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("ROLLBACK")  # somebody else created it in between
        return
    for statement in statements(TABLES):
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('salt', ?)", (secrets.token_bytes(16),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _check_identity(connection: sqlite3.Connection, path: Path, writable: bool) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LamlamError(f"{path} is another program's SQLite file, not a base; build one with `lamlam kb build`")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise LamlamError(
            f"the base {path} has version {version}, this lamlam reads version {VERSION}; install a newer lamlam"
        )
    if version < VERSION:
        # Here, because a migration is a rare thing to load code for.
        from lamlam.kb.migrations import migrate

        if not writable:
            raise LamlamError(
                f"the base {path} has the older version {version} and cannot be written to; "
                "copy it where you may write and open it there once"
            )
        migrate(connection, path, version)
