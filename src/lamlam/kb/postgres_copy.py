"""Rows for PostgreSQL's binary COPY, put together a column at a time: no Python object is made for a row.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow
import pyarrow.compute as pc

ROWS = 50_000
"""Rows that are put together at a time."""
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NOTHING = pyarrow.scalar(b"", pyarrow.large_binary())

Values = Any  # numpy's, Arrow's, int or None; pyarrow has no types of its own
"""A column: numbers as wide as the table's, strings, the same 32-bit number in every row, or NULL in every row."""


def copy(connection: psycopg.Connection, table: str, columns: Sequence[Values]) -> None:
    """Send rows to a table that was emptied in this transaction, to which PostgreSQL then need never come back."""
    count = max(len(column) for column in columns if column is not None and not isinstance(column, int))
    statement = f"COPY {table} FROM STDIN (FORMAT binary, FREEZE)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as stream:
        stream.write(_HEADER)
        for start in range(0, count, ROWS):
            stream.write(rows(_part(columns, start)))
        stream.write(_END)


def rows(columns: Sequence[Values]) -> memoryview:
    """The bytes of some rows, without the header and the end of the stream."""
    count = max(len(column) for column in columns if column is not None and not isinstance(column, int))
    pieces: list[pyarrow.Array] = []
    fields: list[tuple[str, Any]] = [(">i2", len(columns))]
    for column in columns:
        if column is None:
            fields.append((">i4", -1))
        elif isinstance(column, pyarrow.Array):
            fields.append((">i4", pc.binary_length(column).to_numpy(zero_copy_only=False)))
            pieces += [_fixed(fields, count), column.cast(pyarrow.large_binary())]
            fields = []
        elif isinstance(column, int):
            fields += [(">i4", 4), (">i4", column)]
        else:
            fields += [(">i4", column.dtype.itemsize), (column.dtype.newbyteorder(">").str, column)]
    if fields:
        pieces.append(_fixed(fields, count))
    joined = pc.binary_join_element_wise(*pieces, _NOTHING) if len(pieces) > 1 else pieces[0]
    return _bytes(joined)


def _bytes(array: pyarrow.Array) -> memoryview:
    """What the strings of an array are, end to end."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)
    return memoryview(array.buffers()[2])[int(offsets[array.offset]) : int(offsets[array.offset + len(array)])]


def _fixed(fields: Iterable[tuple[str, Any]], count: int) -> pyarrow.Array:
    """The part of every row between two strings, which is as long in every row."""
    fields = list(fields)
    table = np.empty(count, [(f"field{n}", kind) for n, (kind, _) in enumerate(fields)])
    for n, (_, values) in enumerate(fields):
        table[f"field{n}"] = values
    offsets = np.arange(count + 1, dtype=np.int64) * table.dtype.itemsize
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(table)]
    return pyarrow.Array.from_buffers(pyarrow.large_binary(), count, buffers)


def _part(columns: Sequence[Values], start: int) -> list[Values]:
    return [
        column
        if column is None or isinstance(column, int)
        else column.slice(start, ROWS)
        if isinstance(column, pyarrow.Array)
        else column[start : start + ROWS]
        for column in columns
    ]
