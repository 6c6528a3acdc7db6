"""A copy of a base that is in use."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lamlam.atomic import write_beside
from lamlam.errors import LamlamError
from lamlam.kb import schema


def copy(base: Path, writable: bool, path: Path) -> None:
    """Copy a base to a new file, which is there whole or not at all; the base may be read and written meanwhile."""
    check_free(path)
    source = schema.reader(base, writable)
    try:
        with write_beside(path) as partial:
            partial.touch()  # where that is not allowed, the system says it of the copy and not of the base
            target = sqlite3.connect(partial, isolation_level=None)
            try:
                # In one step: a reader of the write-ahead log holds up no writer, and a copy in steps would begin
                # again after each change.
                source.backup(target)
                # A copy of a base in WAL mode is in WAL mode: its log must not stay behind under the partial name.
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                target.close()
    except sqlite3.Error as error:
        raise schema.explained(error, base) from error
    finally:
        source.close()


def check_free(path: Path) -> None:
    """Raise `LamlamError` where no backup can be made, or one would replace something."""
    if path.exists():
        raise LamlamError(f"there is a file {path} already; back up to another name or remove it first")
    if not path.absolute().parent.is_dir():
        raise LamlamError(f"cannot back up to {path}: there is no folder {path.parent}; make it first")
