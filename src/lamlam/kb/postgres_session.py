"""A connection to PostgreSQL with the face of one of `sqlite3`, so that both stores share what writes facts.

Versions, evidence, history, tombstones and forgetting are the same for both, statement by statement. What differs in
the dialect is put right here: numbered parameters, `INSERT OR …`, the id of a new row, truth as a number, and that
names and values are found by their hash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from lamlam.errors import LamlamError
from lamlam.kb.dictionaries import KEEP_LAST_RELATION, NEW_RELATION

_PARAMETER = re.compile(r"\?(\d*)")
_MAYBE_NULL = re.compile(r"(\?\d*) IS NULL")
_OTHERWISE = {
    "INSERT OR REPLACE INTO meta VALUES ('purge', 1)": "INSERT INTO meta VALUES ('purge', '1') ON CONFLICT DO NOTHING",
    # Numbers of the server's sequences are given out once only.
    NEW_RELATION: "INSERT INTO relations (name, normalised, facts, past) VALUES (?, ?, 0, 0)",
    KEEP_LAST_RELATION: "UPDATE meta SET value = value WHERE false",
}
_BY_TEXT = re.compile(r"(FROM (?:entities|texts) WHERE )(name|text) = (\$\d+|q\.entity)")
_DICTIONARY = re.compile(r"\s*INSERT INTO (entities|relations|texts|sources|authors) \(")


class Rows:
    """What a statement gave, all of it."""

    def __init__(self, rows: list[Any], rowcount: int, lastrowid: int | None) -> None:
        self._rows = iter(rows)
        self.rowcount, self.lastrowid = rowcount, lastrowid

    def fetchone(self) -> Any:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class Session:
    """Statements as SQLite takes them, carried out by PostgreSQL.

    `total_changes` counts the rows that statements have put in, changed or deleted. Where the server has ended the
    connection (it was restarted, say), a statement outside a transaction is carried out over a new one.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect
        self._closed = False
        self.total_changes = 0
        self._renew()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Carry out one statement."""
        text, gives_id = _translated(statement)
        values = [int(value) if isinstance(value, bool) else value for value in parameters]
        alone = self.connection.pgconn.transaction_status != TransactionStatus.INTRANS
        try:
            self._cursor.execute(text, values)
        except psycopg.OperationalError:
            if self._closed:
                raise LamlamError("the base is closed; open it again with KnowledgeBase.open") from None
            if not alone or not self.connection.closed:
                raise
            self._renew()
            self._cursor.execute(text, values)
        result = self._cursor.pgresult
        gives_rows = result is not None and result.nfields > 0
        rows = self._cursor.fetchall() if gives_rows else []
        if gives_id or not gives_rows:
            self.total_changes += max(0, self._cursor.rowcount)
        return Rows([] if gives_id else rows, self._cursor.rowcount, rows[0][0] if gives_id and rows else None)

    def close(self) -> None:
        """Let go of the server. Closing twice does nothing."""
        self._closed = True
        self.connection.close()

    def _renew(self) -> None:
        self.connection = self._connect()
        self._cursor = psycopg.RawCursor(self.connection)
        # All integers as one type: else a statement is planned once for small numbers and again for large ones.
        self._cursor.adapters.register_dumper(int, Int8Dumper)

    def executemany(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        """Carry out one statement with many sets of parameters, sent together."""
        many = [list(parameters) for parameters in many]
        if many:
            self._cursor.executemany(_translated(statement)[0], many)
            self.total_changes += max(0, self._cursor.rowcount)


@cache
def _translated(statement: str) -> tuple[bytes, bool]:
    """The statement in PostgreSQL's dialect, and whether it gives the id of a new row."""
    statement = _OTHERWISE.get(statement, statement)
    ignore = "INSERT OR IGNORE" in statement
    # An alias that would be replaced cannot be there: it would be of the transaction that puts it in.
    text = statement.replace("INSERT OR IGNORE", "INSERT").replace("INSERT OR REPLACE", "INSERT")
    text = _MAYBE_NULL.sub(r"\1::BIGINT IS NULL", text)
    if "?" in text and not _PARAMETER.search(text)[1]:  # type: ignore[index]
        numbers = iter(range(1, text.count("?") + 1))
        text = _PARAMETER.sub(lambda _: f"${next(numbers)}", text)
    else:
        text = _PARAMETER.sub(r"$\1", text)
    text = _BY_TEXT.sub(r"\1hashtextextended(\2, 0) = hashtextextended(\3, 0) AND \2 = \3", text)
    gives_id = _DICTIONARY.match(text) is not None
    return (
        text + (" ON CONFLICT DO NOTHING" if ignore else "") + (" RETURNING id" if gives_id else "")
    ).encode(), gives_id
