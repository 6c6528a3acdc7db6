"""Out of the file's bytes: what was deleted from the tables is wiped from its pages and its write-ahead log."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic, sleep

from lamlam.errors import LamlamError
from lamlam.kb import schema
from lamlam.kb.rawfile import RawFile
from lamlam.kb.scrub import scrub


def purge(path: Path, file: RawFile, writer: sqlite3.Connection) -> None:
    """Empty the log, then wipe the gaps between rows (see `lamlam.kb.scrub`), while nobody else writes.

    Raises `LamlamError` where another process reads the base and so keeps the log from being emptied.
    """
    _empty_log(path, writer)
    # A connection of its own: the pages it goes on to write have been read from the file after that was wiped. Its
    # commit makes every other connection drop the copies of pages that it keeps.
    connection = schema.open_file(path, writable=True)
    try:
        _begin_with_empty_log(path, connection)
        scrub(file)
        connection.execute("DELETE FROM meta WHERE key = 'purge'")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()


def _begin_with_empty_log(path: Path, connection: sqlite3.Connection) -> None:
    log = path.with_name(path.name + "-wal")
    until = monotonic() + schema.BUSY_SECONDS
    while True:
        connection.execute("BEGIN IMMEDIATE")
        if not log.exists() or not log.stat().st_size:
            return
        connection.execute("ROLLBACK")  # somebody wrote in between
        _empty_log(path, connection)
        if monotonic() > until:
            raise LamlamError(f"other processes keep writing to the base {path}; {_LATER}")
        sleep(0.01)


def _empty_log(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise LamlamError(
            f"no lookup finds it any more, but its bytes stay in {path}-wal while another process "
            f"reads the base; {_LATER}"
        )


_LATER = "they go when the base is opened for writing after that one has ended"
