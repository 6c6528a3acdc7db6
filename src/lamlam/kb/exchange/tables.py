"""Facts in tables: Parquet and CSV.

A table has the columns `entity` (or `subject`), `relation`, `value` (or `object`) and, where there are any, `source`,
`start`, `end`, `author`, `confidence`, `rank`, `valid_from` and `valid_to`. Further columns are left.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from lamlam.errors import LamlamError
from lamlam.kb.exchange.columns import COLUMNS, schema
from lamlam.kb.exchange.opening import opened
from lamlam.kb.exchange.rows import ROWS, Part, Place, Row, Skipped, in_parts, usable

_OTHER_NAMES = {"subject": "entity", "object": "value"}
_LONGEST_CELL = 8_000_000


def read_parquet(path: Path, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The rows of a table in Parquet after a row."""
    with readable(path), pyarrow.parquet.ParquetFile(path) as file:
        columns = columns_of(file.schema_arrow.names, path)
        types = schema()
        row = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row + rows <= after[1]:
                row += rows
                continue
            for batch in file.iter_batches(batch_size=ROWS, row_groups=[group], columns=list(columns)):
                start, row = row, row + batch.num_rows
                if row <= after[1]:
                    continue
                batch = batch.slice(max(0, after[1] - start))
                first = row - batch.num_rows + 1
                names = [columns[name] for name in batch.schema.names]
                arrays = [
                    _as_type(batch.column(place), types.field(name).type, path) for place, name in enumerate(names)
                ]
                whole = pyarrow.RecordBatch.from_arrays(arrays, names=names)
                yield Part(usable(whole, skipped, partial(_place, first)), (0, row))


def _place(first: int, row: int) -> str:
    return f"row {first + row:,}"


def _as_type(column: pyarrow.Array, kind: pyarrow.DataType, path: Path) -> pyarrow.Array:
    try:
        return column.cast(kind)
    except pyarrow.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path}: start, end, rank and confidence are numbers: {reason}") from error
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError) as error:
        raise LamlamError(f"{path}: a column of {column.type} where {kind} has to be; convert it") from error


def read_csv(path: Path, skipped: Skipped, after: Place) -> Iterator[Part]:
    """The rows of a table in CSV after a line."""
    return in_parts(_csv_rows(path, skipped, after), skipped, "line")


def _csv_rows(path: Path, skipped: Skipped, after: Place) -> Iterator[tuple[Place, Row]]:
    csv.field_size_limit(_LONGEST_CELL)
    with opened(path) as file:
        # A byte that is not UTF-8 spoils its own row only.
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        names = _next(reader, skipped) or []
        columns = columns_of(names, path)
        at = {column: place for place, name in enumerate(names) if (column := columns.get(name))}
        plain = len(at) == 3
        entity, relation, value = (at[name] for name in COLUMNS[:3])
        while (cells := _next(reader, skipped)) is not None:
            if not cells or reader.line_num <= after[1]:
                continue
            if len(cells) != len(names):
                skipped.add("not as many cells as the header has; quote cells that hold commas", _line(reader))
            elif plain:
                yield (0, reader.line_num), (cells[entity], cells[relation], cells[value])
            elif row := _row({name: cells[place] or None for name, place in at.items()}):
                yield (0, reader.line_num), row
            else:
                skipped.add("start, end, rank and confidence are numbers", _line(reader))


def _next(reader: Any, skipped: Skipped) -> list[str] | None:
    """The next row that can be read; None at the end."""
    while True:
        try:
            return next(reader, None)
        except csv.Error as error:
            skipped.add(f"not CSV: {error}", _line(reader))


def _line(reader: Any) -> str:
    return f"line {reader.line_num:,}"


def _row(cells: dict[str, str | None]) -> Row | None:
    """The cells of a row in the order of COLUMNS; None where one that is a number is none."""
    try:
        numbers = {
            name: None if cells.get(name) is None else kind(str(cells[name]))
            for name, kind in (("start", int), ("end", int), ("rank", int), ("confidence", float))
        }
    except ValueError:
        return None
    if any(abs(number) >= 2**63 for number in numbers.values() if number is not None):
        return None
    required = {name: cells[name] or "" for name in COLUMNS[:3]}
    return tuple({**cells, **required, **numbers}.get(name) for name in COLUMNS)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what Arrow says of a file that is no Parquet into a line for the user."""
    try:
        yield
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise LamlamError(f"{path} cannot be read as Parquet: {reason}; write or copy it again") from error


def columns_of(names: Iterable[str], path: Path) -> dict[str, str]:
    """The file's columns that are read, with the names under which they are."""
    columns = {name: _OTHER_NAMES.get(name, name) for name in names}
    columns = {name: column for name, column in columns.items() if column in COLUMNS}
    if missing := set(COLUMNS[:3]) - set(columns.values()):
        raise LamlamError(
            f"{path} has no column {' or '.join(sorted(missing))}; name the columns {', '.join(COLUMNS[:3])}"
        )
    if len(set(columns.values())) < len(columns):
        raise LamlamError(f"{path} has two columns for one thing among {', '.join(columns)}; leave one out")
    return columns
