"""The SQLite file of a base: its tables, and how it is opened and told from every other file."""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path

from lamlam.errors import LamlamError

APPLICATION_ID = 0x4C4D6C62  # "LMlb"
VERSION = 1
BUSY_SECONDS = 5.0
"""How long a writer waits for another one before it gives up."""

TABLES = """
-- Dictionaries: every string once, facts are rows of integers. Id 0 stands for "none" in columns that need a value.
CREATE TABLE entities  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normalised TEXT NOT NULL);
CREATE INDEX entities_normalised ON entities (normalised);
CREATE INDEX entities_close ON entities (replace(normalised, ' ', ''));
CREATE TABLE relations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normalised TEXT NOT NULL);
CREATE TABLE texts     (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE sources   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE authors   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Every change belongs to a transaction. kind: add, set, forget, alias.
CREATE TABLE transactions (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, author TEXT, reason TEXT);

-- What holds now. made: the transaction that put it in. support: by how many pieces of evidence it is asserted.
-- bare: 1 where one of them names neither source nor author, so that asserting it again adds no support.
CREATE TABLE facts (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL,
    rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL, made INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value)) WITHOUT ROWID;

-- What held from transaction `made` until transaction `ended`.
CREATE TABLE past (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL, made INTEGER NOT NULL,
    ended INTEGER NOT NULL, rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value, made)) WITHOUT ROWID;

-- Who says so and where; start and end are -1 where there is no span.
CREATE TABLE evidence (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL, made INTEGER NOT NULL,
    source INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, author INTEGER NOT NULL, confidence REAL,
    PRIMARY KEY (entity, relation, value, made, source, start, "end", author)) WITHOUT ROWID;

CREATE TABLE aliases (
    normalised TEXT NOT NULL, entity INTEGER NOT NULL, alias TEXT NOT NULL, made INTEGER NOT NULL,
    PRIMARY KEY (normalised, entity)) WITHOUT ROWID;
CREATE INDEX aliases_entity ON aliases (entity);

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


def connect(path: Path, create: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection to the base at `path`, and whether it can be written to.

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
    connection = _sqlite(path, writable)
    try:
        if create and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            _create(connection)
        _check_identity(connection, path)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = NORMAL" if not writable else "PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection, writable


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
    with path.open("rb") as file:
        header = file.read(100)
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


def _sqlite(path: Path, writable: bool) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    if not writable:
        # Without a log beside it nobody is writing, and SQLite need not create its shared-memory file in the folder.
        quiet = not path.with_name(path.name + "-wal").exists()
        uri += "?mode=ro" + ("&immutable=1" if quiet else "")
    try:
        # isolation_level=None: transactions are begun and ended by hand. The store's lock keeps threads apart.
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("ROLLBACK")  # somebody else created it in between
        return
    for statement in "\n".join(line.partition("--")[0] for line in TABLES.splitlines()).split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('salt', ?)", (secrets.token_bytes(16),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LamlamError(f"{path} is another program's SQLite file, not a base; build one with `lamlam kb build`")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        mend = "install a newer lamlam" if version > VERSION else "build the base again with `lamlam kb build`"
        raise LamlamError(f"the base {path} has version {version}, this lamlam reads version {VERSION}; {mend}")
