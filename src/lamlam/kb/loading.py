"""Filling an empty base from Arrow batches: dictionaries in numbers, facts sorted in memory, tables written in order.

Nothing is looked up in the file: what a string's number is and which facts are the same is found out in memory, at 12
bytes a row, and every table is written from its first page to its last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError
from lamlam.kb.encoding import Column, encode
from lamlam.kb.fact import Added
from lamlam.kb.filing import closed_hashes
from lamlam.kb.name_index import MOST_RECENT, NameIndex
from lamlam.kb.names import normalise

if TYPE_CHECKING:
    import pyarrow

_ROWS = 100_000  # handed to SQLite at a time
_LOAD = 1  # the transaction's number

_Ints = npt.NDArray[np.int64]


class _Facts(NamedTuple):
    """Facts without repetitions, sorted by entity, relation and value."""

    entity: _Ints
    relation: _Ints
    value: _Ints
    rank: _Ints
    support: _Ints
    bare: _Ints


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
        connection.execute("PRAGMA cache_size = -262144")
        connection.execute("BEGIN EXCLUSIVE")
        try:
            added = _write(connection, names, columns, evidence, author, reason)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.execute("PRAGMA cache_size = -16384")
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
    keys = _Keys(columns)
    facts = _plain(keys) if evidence is None else _with_evidence(connection, keys, evidence)
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


class _Keys:
    """Rows as single numbers, entity, relation and value beside each other in 64 bits, made to be sorted."""

    def __init__(self, columns: dict[str, Column]) -> None:
        self._relation_bits, self._value_bits = (
            len(columns[what].texts).bit_length() for what in ("relation", "value")
        )
        bits = len(columns["entity"].texts).bit_length() + self._relation_bits + self._value_bits
        if bits > 63:
            raise LamlamError("more different names and values than one load can hold; load a part and add the rest")
        self.rows = columns["entity"].codes.astype(np.int64)
        for what, shift in (("relation", self._relation_bits), ("value", self._value_bits)):
            self.rows <<= shift
            self.rows |= columns[what].codes
        for what in ("entity", "relation", "value"):
            columns[what].codes = columns[what].codes[:0]

    def split(self, keys: _Ints) -> tuple[_Ints, _Ints, _Ints]:
        """The numbers of entity, relation and value, which start at 1."""
        value = (keys & ((1 << self._value_bits) - 1)) + 1
        relation = ((keys >> self._value_bits) & ((1 << self._relation_bits) - 1)) + 1
        return (keys >> (self._value_bits + self._relation_bits)) + 1, relation, value


def _plain(keys: _Keys) -> _Facts:
    """Rows that say nothing but the facts."""
    rows = keys.rows
    rows.sort()
    new = np.empty(len(rows), bool)
    new[0] = True
    np.not_equal(rows[1:], rows[:-1], out=new[1:])
    unique = rows[new]
    del rows, new
    keys.rows = unique[:0]
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    shape = unique.shape
    same = (np.broadcast_to(zero, shape), np.broadcast_to(one, shape), np.broadcast_to(one, shape))
    return _Facts(*keys.split(unique), *same)


def _with_evidence(connection: sqlite3.Connection, keys: _Keys, evidence: dict[str, Any]) -> _Facts:
    """Rows of which some have a rank, a source or anything else; their evidence is written here."""
    unique, fact = np.unique(keys.rows, return_inverse=True)
    rank = np.full(len(unique), 2**31, np.int64)
    np.minimum.at(rank, fact, evidence["rank"])
    bare = np.zeros(len(unique), np.int64)
    bare[fact[evidence["bare"]]] = 1
    said = np.flatnonzero(~evidence["bare"])
    parts = ("source", "start", "end", "author", "valid_from", "valid_to")
    coded = [evidence[part].codes if part not in ("start", "end") else evidence[part] for part in parts]
    confidence = evidence["confidence"]
    # Of equal evidence the one with the highest confidence comes first, and only that one stays.
    by = [-np.where(np.isnan(confidence), -1, confidence)[said], *(code[said] for code in reversed(coded)), fact[said]]
    said = said[np.lexsort(by)]
    table = np.stack([fact[said], *(code[said] for code in coded)], axis=1)
    if len(said):
        said = said[np.concatenate(([True], (table[1:] != table[:-1]).any(axis=1)))]
    support = bare + np.bincount(fact[said], minlength=len(unique))
    facts = _Facts(*keys.split(unique), rank, support, bare)
    for table_name in ("source", "author"):
        column: Column = evidence[table_name]
        uses = np.bincount(column.codes[said], minlength=len(column.texts) + 1)[1:].tolist()
        rows = ((n, name, used) for n, (name, used) in enumerate(zip(column.texts.to_pylist(), uses, strict=True), 1))
        connection.executemany(f"INSERT INTO {table_name}s VALUES (?, ?, ?)", rows)  # noqa: S608
    for chunk in _chunks(len(said)):
        of = said[chunk]
        numbers = [array[fact[of]].tolist() for array in (facts.entity, facts.relation, facts.value)]
        coded_rows = [evidence[part][of].tolist() for part in ("start", "end")]
        dates = [
            [evidence[part].text(code) for code in evidence[part].codes[of]] for part in ("valid_from", "valid_to")
        ]
        sure = [None if number != number else number for number in confidence[of].tolist()]
        connection.executemany(
            f"INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {_LOAD}, NULL, ?)",  # noqa: S608
            zip(
                *numbers,
                evidence["source"].codes[of].tolist(),
                *coded_rows,
                evidence["author"].codes[of].tolist(),
                *dates,
                sure,
                strict=True,
            ),
        )
    return facts


def _write_facts(connection: sqlite3.Connection, facts: _Facts) -> None:
    """Write all facts; those that say nothing more, which is most, with fewer numbers to hand over."""
    for chunk in _chunks(len(facts.entity)):
        part = _Facts(*(array[chunk] for array in facts))
        if (part.rank == 0).all() and (part.support == 1).all() and (part.bare == 1).all():
            rows = zip(part.entity.tolist(), part.relation.tolist(), part.value.tolist(), strict=True)
            connection.executemany(f"INSERT INTO facts VALUES (?, ?, ?, 0, 1, 1, {_LOAD})", rows)  # noqa: S608
        else:
            every = zip(*(array.tolist() for array in part), strict=True)
            connection.executemany(f"INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, {_LOAD})", every)  # noqa: S608


def _write_texts(connection: sqlite3.Connection, texts: pyarrow.Array, uses: _Ints) -> None:
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
