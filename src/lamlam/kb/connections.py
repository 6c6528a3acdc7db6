"""The connections of one store: one that writes, and one for every thread that reads.

Readers do not wait for the writer, nor for each other: the write-ahead log shows each of them the last whole state.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamlam.errors import LamlamError
from lamlam.kb import rawfile, schema
from lamlam.kb.reading import RelationIds


class Reader:
    """A connection for reading, and the lock under which it is used, so that `close` can wait for it."""

    def __init__(self, path: Path, writable: bool) -> None:
        self.lock = threading.Lock()
        self.connection = schema.reader(path, writable)
        self.relations = RelationIds(self.connection)
        # A thread that ends lets go of its reader.
        weakref.finalize(self, self.connection.close)


class Connections:
    """`writer`, for whoever holds `lock`; `reading()` for everybody."""

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.writer, self.writable = schema.connect(path, create)
        self.file = rawfile.hold(path)
        self._local = threading.local()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._round = 0
        self._closed = False

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn SQLite's errors into a line for the user."""
        try:
            yield
        except sqlite3.Error as error:
            raise schema.explained(error, self.path) from error

    def reader(self) -> Reader:
        """This thread's connection for reading."""
        mine: tuple[int, Reader] | None = getattr(self._local, "mine", None)
        if mine is not None and mine[0] == self._round:
            return mine[1]
        with self.lock:
            if self._closed:
                raise LamlamError(f"the base {self.path} is closed; open it again with KnowledgeBase.open")
            reader = Reader(self.path, self.writable)
            self._readers.add(reader)
            self._local.mine = self._round, reader
            return reader

    def close_readers(self) -> None:
        """Let go of all connections that read; the next question opens them again."""
        with self.lock:
            self._round += 1
            for reader in list(self._readers):
                with reader.lock:
                    reader.connection.close()
            self._readers.clear()

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self.close_readers()
            self.writer.close()
            rawfile.release(self.file)
