"""Loading an empty base in PostgreSQL: rows as numbers by COPY, grouped by the server, strings after them.

The client gives every string its number, so that what it sends of a fact is four integers; the server sorts and groups
the facts, which puts those of an entity side by side, and makes the indexes when all is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psycopg

from lamlam.errors import LamlamError
from lamlam.kb.fact import Added, Fact
from lamlam.kb.names import checked, normalise
from lamlam.kb.postgres_names import padded
from lamlam.kb.postgres_schema import INDEXES, TRIGRAMS
from lamlam.kb.reading import closed_hash
from lamlam.kb.writing import check_fact

if TYPE_CHECKING:
    import pyarrow

_KEY = ("entity", "relation", "value")
_EVIDENCE = ("source", "start", "end", "author", "confidence", "valid_from", "valid_to")
_ROW = np.dtype([("fields", ">i2"), *((f"{part}{n}", ">i4") for n in range(4) for part in ("length", "number"))])
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"

_STAGE = """
    CREATE TEMPORARY TABLE loading (entity INTEGER, relation INTEGER, value INTEGER, rank INTEGER) ON COMMIT DROP;
    CREATE TEMPORARY TABLE loading_said (entity INTEGER, relation INTEGER, value INTEGER, rank INTEGER,
        source INTEGER, start BIGINT, "end" BIGINT, author INTEGER, confidence DOUBLE PRECISION,
        valid_from TEXT, valid_to TEXT) ON COMMIT DROP;
    CREATE TEMPORARY TABLE loading_texts (id INTEGER, text TEXT) ON COMMIT DROP"""
_BARE_FACTS = """
    INSERT INTO facts SELECT entity, relation, value, min(rank), 1, 1, 1 FROM loading
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
_SAID = """
    INSERT INTO evidence SELECT entity, relation, value, source, start, "end", author, valid_from, valid_to, 1, NULL,
        max(confidence) FROM loading_said GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3"""
_FACTS = """
    INSERT INTO facts SELECT entity, relation, value, min(rank), sum(support), max(bare), 1 FROM (
        SELECT entity, relation, value, min(rank) AS rank, 1 AS support, 1 AS bare FROM loading GROUP BY 1, 2, 3
        UNION ALL SELECT entity, relation, value, min(rank), 0, 0 FROM loading_said GROUP BY 1, 2, 3
        UNION ALL SELECT entity, relation, value, 2147483647, count(*), 0 FROM evidence GROUP BY 1, 2, 3) f
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
_TEXTS = """
    INSERT INTO texts SELECT id, text, coalesce(uses, 0) FROM loading_texts
    LEFT JOIN (SELECT value AS id, count(*) AS uses FROM facts GROUP BY 1) f USING (id) ORDER BY id"""
_COUNTS = (
    "UPDATE relations SET facts = n FROM (SELECT relation, count(*) n FROM facts GROUP BY 1) f WHERE id = relation",
    "UPDATE sources SET uses = n FROM (SELECT source, count(*) AS n FROM evidence GROUP BY 1) e WHERE id = source",
    "UPDATE authors SET uses = n FROM (SELECT author, count(*) AS n FROM evidence GROUP BY 1) e WHERE id = author",
)


class _Numbers:
    """Strings by number, from 1 on in the order in which they come."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.ids: dict[str, int] = {}

    def of(self, column: pyarrow.Array) -> npt.NDArray[np.int32]:
        """The numbers of a column without gaps."""
        encoded = column.dictionary_encode()
        found = [self.one(text) for text in encoded.dictionary.to_pylist()]
        if encoded.indices.null_count:
            raise LamlamError(f"the {self.what} of a fact is missing; leave the fact out or give it a {self.what}")
        numbers: npt.NDArray[np.int32] = np.array(found, np.int32)[encoded.indices.to_numpy()]
        return numbers

    def one(self, text: str) -> int:
        """The number of one string."""
        number = self.ids.get(text)
        if number is None:
            number = self.ids[checked(text, self.what)] = len(self.ids) + 1
        return number


def load(
    connection: psycopg.Connection,
    batches: Iterable[pyarrow.RecordBatch],
    author: str | None,
    reason: str | None,
    trigrams: bool,
) -> Added:
    """Load inside a transaction that has begun and holds the writer's lock; `LamlamError` for a base with a past."""
    if connection.execute("SELECT 1 FROM transactions LIMIT 1").fetchone() is not None:
        raise LamlamError("only a base that is still empty can be loaded; use add for one that has facts")
    connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
    connection.execute("SET LOCAL work_mem = '256MB'")
    for statement in [*_STAGE.split(";"), *(f"DROP INDEX {name}" for name in INDEXES)]:
        connection.execute(statement.encode())
    if trigrams:
        connection.execute("DROP INDEX spoken_trigrams")
    numbers = {what: _Numbers(what) for what in (*_KEY, "source", "author")}
    rows = said = 0
    for batch in batches:
        rows += batch.num_rows
        said += _stage(connection, batch, numbers)
    made = 1, time(), "load", author, reason
    connection.execute("INSERT INTO transactions VALUES (%s, %s, %s, %s, %s)", made)
    if said:
        connection.execute(_SAID)
    added = connection.execute(_FACTS if said else _BARE_FACTS).rowcount
    _dictionaries(connection, numbers)
    for statement in [*INDEXES.values(), *([TRIGRAMS] if trigrams else []), *_COUNTS]:
        connection.execute(statement.encode())
    return Added(added, rows - added)


def _stage(connection: psycopg.Connection, batch: pyarrow.RecordBatch, numbers: dict[str, _Numbers]) -> int:
    """Send the rows of a batch; how many say more than the fact."""
    there = set(batch.schema.names)
    staged = np.zeros(batch.num_rows, _ROW)
    staged["fields"] = 4
    for place, what in enumerate(_KEY):
        staged[f"length{place}"] = 4
        staged[f"number{place}"] = numbers[what].of(batch.column(what))
    staged["length3"] = 4
    if "rank" in there:
        staged["number3"] = batch.column("rank").fill_null(0).to_numpy(zero_copy_only=False)
    telling = np.zeros(batch.num_rows, bool)
    columns = [what for what in _EVIDENCE if what in there and batch.column(what).null_count < batch.num_rows]
    for what in columns:
        telling |= batch.column(what).is_valid().to_numpy(zero_copy_only=False)
    with connection.cursor() as cursor:
        with cursor.copy("COPY loading FROM STDIN (FORMAT binary)") as copy:
            copy.write(_HEADER + staged[~telling].tobytes() + _END)
        which = np.flatnonzero(telling)
        if len(which):
            with cursor.copy("COPY loading_said FROM STDIN") as copy:
                for row, cells in zip(which.tolist(), batch.take(which).to_pylist(), strict=True):
                    copy.write_row(_told(cells, [int(staged[f"number{n}"][row]) for n in range(4)], numbers))
    return len(which)


def _told(cells: dict[str, Any], key: Sequence[int], numbers: dict[str, _Numbers]) -> tuple[Any, ...]:
    """A row of loading_said."""
    start, end = cells.get("start"), cells.get("end")
    said = {what: cells.get(what) for what in ("source", "author", "confidence", "valid_from", "valid_to")}
    span = None if start is None or end is None else (start, end)
    fact = Fact(cells["entity"], cells["relation"], cells["value"], span=span, rank=key[3], **said)
    check_fact(fact)
    source, author = (
        0 if name is None else numbers[what].one(name)
        for what, name in (("source", fact.source), ("author", fact.author))
    )
    dates = fact.valid_from or "", fact.valid_to or ""
    return (*key, source, *(span or (-1, -1)), author, fact.confidence, *dates)


def _dictionaries(connection: psycopg.Connection, numbers: dict[str, _Numbers]) -> None:
    """Send the strings."""
    entities = {name: normalise(name) for name in numbers["entity"].ids}
    _copy(connection, "entities", ((number, name) for name, number in numbers["entity"].ids.items()))
    filed = zip(entities.values(), numbers["entity"].ids.values(), strict=True)
    _copy(connection, "normalised", ((closed_hash(normalised), number) for normalised, number in filed))
    filed = zip(entities.values(), numbers["entity"].ids.values(), strict=True)
    _copy(connection, "spoken", ((number, text) for name, number in filed if (text := padded(name)) is not None))
    relations = ((number, name, normalise(name), 0, 0) for name, number in numbers["relation"].ids.items())
    _copy(connection, "relations", relations)
    _copy(connection, "loading_texts", ((number, text) for text, number in numbers["value"].ids.items()))
    connection.execute(_TEXTS)
    for what in ("source", "author"):
        _copy(connection, f"{what}s", ((number, name, 0) for name, number in numbers[what].ids.items()))
    for table in ("entities", "relations", "texts", "sources", "authors"):
        restart = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
        connection.execute(restart.encode())


def _copy(connection: psycopg.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
