"""Group commit: changes that wait for the file at the same time share one transaction of SQLite, and one sync.

A sync of the disk takes milliseconds, a change takes a tenth of one. Whoever finds the file free writes for all who
wait; each change is a transaction of the base's own, that succeeds or fails alone, and is acknowledged when the sync
is done.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from lamlam.errors import LamlamError
from lamlam.kb import moments
from lamlam.kb.connections import Connections

T = TypeVar("T")


class _Change(NamedTuple):
    kind: str
    author: str | None
    reason: str | None
    write: Callable[[int], Any]
    done: Future[Any]


class Commits:
    """The way of all changes into a base."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._waiting: deque[_Change] = deque()

    def commit(self, kind: str, author: str | None, reason: str | None, write: Callable[[int], T]) -> T:
        """Run `write` with the number of a new transaction; that number is not used if nothing is changed under it."""
        connections = self._connections
        if not connections.writable:
            raise LamlamError(
                f"the base {connections.path} is read-only; copy it where you may write, or mend its permissions"
            )
        change = _Change(kind, author, reason, write, Future())
        self._waiting.append(change)
        with connections.lock:
            if not change.done.done():
                self._commit_all()
        result: T = change.done.result()
        return result

    def _commit_all(self) -> None:
        changes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            with self._connections.explaining():
                outcomes = self._write(changes)
        except BaseException as error:
            for change in changes:
                change.done.set_exception(error)
            return
        for change, (result, failure) in zip(changes, outcomes, strict=True):
            if failure is None:
                change.done.set_result(result)
            else:
                change.done.set_exception(failure)

    def _write(self, changes: list[_Change]) -> list[tuple[Any, Exception | None]]:
        connection = self._connections.writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._write_one(connection, change) for change in changes]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _write_one(self, connection: sqlite3.Connection, change: _Change) -> tuple[Any, Exception | None]:
        result, failed = None, None
        connection.execute("SAVEPOINT change")
        number = moments.begin(connection, change.kind, change.author, change.reason)
        before = connection.total_changes
        try:
            with self._connections.explaining():
                result = change.write(number)
        except Exception as error:
            if not connection.in_transaction:
                raise  # a full disk, say, has ended it for all
            failed = error
        if failed is not None or connection.total_changes == before:
            connection.execute("ROLLBACK TO change")
        connection.execute("RELEASE change")
        return result, failed
