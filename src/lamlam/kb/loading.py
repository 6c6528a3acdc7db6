"""Filling an empty base from Arrow batches: dictionaries in numbers, facts sorted in memory, tables written in order.

Nothing is looked up in the file: what a string's number is and which facts are the same is found out in memory, at 12
bytes a row, and every table is written from its first page to its last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np

from lamlam.errors import LamlamError
from lamlam.kb import schema
from lamlam.kb.encoding import Column, encode
from lamlam.kb.fact import Added
from lamlam.kb.filing import closed_hashes
from lamlam.kb.gathering import Gathered, Ints, Said, gather
from lamlam.kb.name_index import MOST_RECENT, NameIndex
from lamlam.kb.names import normalise

if TYPE_CHECKING:
    import pyarrow

_ROWS = 100_000  # handed to SQLite at a time
_LOAD = 1  # the transaction's number


def load(
    path: Path,
    connection: sqlite3.Connection,
    names: NameIndex,
    batches: Iterable[pyarrow.RecordBatch],
    author: str | None,
    reason: str | None,
) -> Added:
    """Fill the base, as transaction 1. The one connection to it is `connection`."""
    if connection.execute("SELECT 1 FROM transactions UNION ALL SELECT 1 FROM tombstones LIMIT 1").fetchone():
        raise LamlamError(f"the base {path} is not new: facts are loaded into an empty one; add them, or make another")
    columns, evidence = encode(batches)
    # With a rollback journal instead of the write-ahead log, pages go to their places at once, and a load that is cut
    # short is undone by cutting the file.
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise LamlamError(f"another process has the base {path} open; a load needs it for itself") from error
    try:
        with schema.large_cache(connection):
            connection.execute("BEGIN EXCLUSIVE")
            try:
                added = _write(connection, names, columns, evidence, author, reason)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
    finally:
        connection.execute("PRAGMA journal_mode = WAL")
    return added


def _write(
    connection: sqlite3.Connection,
    names: NameIndex,
    columns: dict[str, Column],
    evidence: dict[str, Any] | None,
    author: str | None,
    reason: str | None,
) -> Added:
    rows = len(columns["entity"].codes)
    if not rows:
        return Added(0)
    connection.execute("INSERT INTO transactions VALUES (?, ?, 'load', ?, ?)", (_LOAD, time(), author, reason))
    # What lookups read comes first: of a file beyond two gigabytes, what comes last lies outside the mapping.
    _write_entities(connection, columns["entity"].texts)
    facts, said = gather(columns, evidence)
    if evidence is not None and said is not None:
        _write_said(connection, facts, said, evidence)
    _write_facts(connection, facts)
    relations, past = np.bincount(facts.relation, minlength=len(columns["relation"].texts) + 1)[1:], 0
    connection.executemany(
        "INSERT INTO relations VALUES (?, ?, ?, ?, ?)",
        (
            (number, name, normalise(name), count, past)
            for number, (name, count) in enumerate(
                zip(columns["relation"].texts.to_pylist(), relations.tolist(), strict=True), 1
            )
        ),
    )
    uses = np.bincount(facts.value, minlength=len(columns["value"].texts) + 1)[1:]
    added = len(facts.entity)
    del facts
    _write_texts(connection, columns["value"].texts, uses)
    if len(columns["entity"].texts) <= MOST_RECENT:  # the index of names is made anew only for more
        for number, name in enumerate(columns["entity"].texts.to_pylist(), 1):
            names.insert(number, normalise(name))
    return Added(added, rows - added)


def _write_said(connection: sqlite3.Connection, facts: Gathered, said: Said, evidence: dict[str, Any]) -> None:
    """Write the evidence for facts, and the dictionaries of who says so."""
    for table, codes in (("source", said.source), ("author", said.author)):
        column: Column = evidence[table]
        uses = np.bincount(codes, minlength=len(column.texts) + 1)[1:].tolist()
        rows = ((n, name, used) for n, (name, used) in enumerate(zip(column.texts.to_pylist(), uses, strict=True), 1))
        connection.executemany(f"INSERT INTO {table}s VALUES (?, ?, ?)", rows)  # noqa: S608
    for chunk in _chunks(len(said.fact)):
        of = Said._make(array[chunk] for array in said)
        dates = [
            [evidence[part].text(code) for code in codes]
            for part, codes in (("valid_from", of.valid_from), ("valid_to", of.valid_to))
        ]
        sure = [None if number != number else number for number in of.confidence.tolist()]
        connection.executemany(
            f"INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {_LOAD}, NULL, ?)",  # noqa: S608
            zip(
                *(array[of.fact].tolist() for array in (facts.entity, facts.relation, facts.value)),
                *(array.tolist() for array in (of.source, of.start, of.end, of.author)),
                *dates,
                sure,
                strict=True,
            ),
        )


def _write_facts(connection: sqlite3.Connection, facts: Gathered) -> None:
    """Write all facts; those that say nothing more, which is most, with fewer numbers to hand over."""
    for chunk in _chunks(len(facts.entity)):
        part = Gathered(*(array[chunk] for array in facts))
        if (part.rank == 0).all() and (part.support == 1).all() and (part.bare == 1).all():
            rows = zip(part.entity.tolist(), part.relation.tolist(), part.value.tolist(), strict=True)
            connection.executemany(f"INSERT INTO facts VALUES (?, ?, ?, 0, 1, 1, {_LOAD})", rows)  # noqa: S608
        else:
            every = zip(*(array.tolist() for array in part), strict=True)
            connection.executemany(f"INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, {_LOAD})", every)  # noqa: S608


def _write_texts(connection: sqlite3.Connection, texts: pyarrow.Array, uses: Ints) -> None:
    connection.execute("DROP INDEX texts_text")
    for chunk in _chunks(len(texts)):
        strings = texts.slice(chunk.start, _ROWS).to_pylist()
        numbers = range(chunk.start + 1, chunk.start + len(strings) + 1)
        rows = zip(numbers, strings, uses[chunk].tolist(), strict=True)
        connection.executemany("INSERT INTO texts VALUES (?, ?, ?)", rows)
    connection.execute("CREATE UNIQUE INDEX texts_text ON texts (text)")


def _write_entities(connection: sqlite3.Connection, names: pyarrow.Array) -> None:
    connection.execute("DROP INDEX entities_name")
    hashes = np.empty(len(names), np.int64)
    for chunk in _chunks(len(names)):
        part = names.slice(chunk.start, _ROWS)
        strings = part.to_pylist()
        hashes[chunk] = closed_hashes(part)
        rows = zip(range(chunk.start + 1, chunk.start + len(strings) + 1), strings, strict=True)
        connection.executemany("INSERT INTO entities VALUES (?, ?)", rows)
    connection.execute("CREATE UNIQUE INDEX entities_name ON entities (name)")
    order = np.argsort(hashes, kind="stable")
    for chunk in _chunks(len(names)):
        rows = zip(hashes[order[chunk]].tolist(), (order[chunk] + 1).tolist(), strict=True)
        connection.executemany("INSERT INTO normalised VALUES (?, ?)", rows)


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, length)) for start in range(0, length, _ROWS))
