"""Filling an empty base in PostgreSQL from Arrow batches: numbered and grouped here, sent by COPY, indexed at the end.

Tables are emptied in the transaction that fills them, which lets COPY write rows as they will stay (FREEZE), and filled
before they have an index. The index of misspelt names, which takes a third of the time, is made beside the rest over a
connection of its own. It is committed after the facts: a mark in `meta` has it made anew if the load was cut short
between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import time
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow
import pyarrow.compute as pc

from lamlam.errors import LamlamError
from lamlam.kb import filing
from lamlam.kb.encoding import Column, encode
from lamlam.kb.fact import Added
from lamlam.kb.gathering import Gathered, Ints, Said, gather
from lamlam.kb.names import LONGEST_FUZZY
from lamlam.kb.postgres_copy import copy
from lamlam.kb.postgres_schema import INDEXES, TRIGRAMS

_LOAD = 1  # the transaction's number
_KEYED = ("entities", "relations", "texts", "sources", "authors")
_DATES = ("valid_from", "valid_to")
_NAMING = 0x4C4D6C63  # the advisory lock of whoever makes the index of misspelt names


def load(
    connection: psycopg.Connection,
    connect: Callable[[], psycopg.Connection],
    take_turn: Callable[[], None],
    batches: Iterable[pyarrow.RecordBatch],
    author: str | None,
    reason: str | None,
    trigrams: bool,
) -> Added:
    """Load as the base's first transaction; `take_turn` has `connection` wait for other writers.

    Raises `LamlamError` for a base with a past, and where one row cannot be stored; then none is.
    """
    with connect() as other, other.transaction(), ThreadPoolExecutor(2) as beside:
        try:
            with connection.transaction():
                take_turn()
                past = "SELECT 1 FROM transactions UNION ALL SELECT 1 FROM tombstones LIMIT 1"
                if connection.execute(past).fetchone() is not None:
                    raise LamlamError("the base is not new: facts are loaded into an empty one; add them instead")
                columns, evidence = encode(batches)
                names = columns["entity"].texts
                if not len(names):
                    return Added(0)
                normalised = beside.submit(filing.normalised, names)
                naming = beside.submit(lambda: _fill_names(other, _numbers(names), normalised.result(), trigrams))
                made = _LOAD, time(), "load", author, reason
                connection.execute("INSERT INTO transactions VALUES (%s, %s, %s, %s, %s)", made)
                connection.execute("INSERT INTO meta VALUES ('names_behind', '1')")
                rows = len(columns["entity"].codes)
                with _without_indexes(connection, *_KEYED, "facts", "evidence", "normalised"):
                    copy(connection, "entities", [_numbers(names), names])
                    facts, said = gather(columns, evidence)
                    _send_facts(connection, columns, facts)
                    if evidence is not None and said is not None:
                        _send_evidence(connection, evidence, facts, said)
                    hashes = filing.hashes(normalised.result())
                    order = np.argsort(hashes, kind="stable")
                    copy(connection, "normalised", [hashes[order], _numbers(names)[order]])
                for table in _KEYED:
                    restart = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
                    connection.execute(restart.encode())
            naming.result()
        except BaseException:
            other.cancel()
            raise
        other.execute("DELETE FROM meta WHERE key = 'names_behind'")
    return Added(len(facts.entity), rows - len(facts.entity))


def finish(connection: psycopg.Connection, trigrams: bool) -> None:
    """Make the index of misspelt names anew if a load was cut short before it had, unless one is under way."""
    behind = "SELECT 1 FROM meta WHERE key = 'names_behind'"
    if connection.execute(behind).fetchone() is None:
        return
    with connection.transaction():
        free = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_NAMING,)).fetchone()
        if free == (True,) and connection.execute(behind).fetchone() is not None:
            named = connection.execute("SELECT id, name FROM entities ORDER BY id").fetchall()
            aliased = connection.execute("SELECT DISTINCT entity, normalised FROM aliases").fetchall()
            names = filing.normalised(pyarrow.array([name for _, name in named], pyarrow.large_string()))
            names = pyarrow.concat_arrays([names, pyarrow.array([name for _, name in aliased], names.type)])
            numbers = np.array([number for number, _ in (*named, *aliased)], np.int32)
            _fill_names(connection, numbers, names, trigrams)
            connection.execute("DELETE FROM meta WHERE key = 'names_behind'")


def _fill_names(
    connection: psycopg.Connection, entities: npt.NDArray[np.int32], normalised: pyarrow.Array, trigrams: bool
) -> None:
    """Fill the index of misspelt names, in a transaction that has begun."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_NAMING,))
    with _without_indexes(connection, "spoken", trigrams=trigrams):
        short = pc.less_equal(pc.utf8_length(normalised), LONGEST_FUZZY)
        gap, nothing = (pyarrow.scalar(text, normalised.type) for text in (" ", ""))
        padded = pc.binary_join_element_wise(gap, normalised.filter(short), gap, nothing)
        copy(connection, "spoken", [entities[short.to_numpy(zero_copy_only=False)], padded])


@contextmanager
def _without_indexes(connection: psycopg.Connection, *tables: str, trigrams: bool = False) -> Iterator[None]:
    """Have tables empty and new in this transaction, and without their indexes, which are made on the way out."""
    indexes = {**INDEXES, **({"spoken_trigrams": TRIGRAMS} if trigrams else {})}
    of = {name: make for name, make in indexes.items() if any(f" ON {table} " in make for table in tables)}
    connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
    connection.execute(f"TRUNCATE {', '.join(tables)}".encode())
    for name in of:
        connection.execute(f"DROP INDEX {name}".encode())
    keyed = [table for table in tables if table in _KEYED]
    for table in keyed:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
    yield
    for table in keyed:
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)".encode())
    for make in of.values():
        connection.execute(make.encode())


def _send_facts(connection: psycopg.Connection, columns: dict[str, Column], facts: Gathered) -> None:
    """The facts, their relations and their values, with how often each is used."""
    copy(connection, "facts", [*(array.astype(np.int32) for array in facts), _LOAD])
    relations, texts = columns["relation"].texts, columns["value"].texts
    counts = np.bincount(facts.relation, minlength=len(relations) + 1)[1:].astype(np.int32)
    copy(connection, "relations", [_numbers(relations), relations, filing.normalised(relations), counts, 0])
    uses = np.bincount(facts.value, minlength=len(texts) + 1)[1:].astype(np.int32)
    copy(connection, "texts", [_numbers(texts), texts, uses])


def _send_evidence(connection: psycopg.Connection, evidence: dict[str, Any], facts: Gathered, said: Said) -> None:
    """Who says so, where and for when."""
    for what, codes in (("source", said.source), ("author", said.author)):
        texts = evidence[what].texts
        uses = np.bincount(codes, minlength=len(texts) + 1)[1:].astype(np.int32)
        copy(connection, f"{what}s", [_numbers(texts), texts, uses])
    unsure = np.isnan(said.confidence)
    for which in (unsure, ~unsure):  # NULL takes no room in a row, so that these are rows of another make
        if which.any():
            of = Said._make(array[which] for array in said)
            key = [array[of.fact].astype(np.int32) for array in (facts.entity, facts.relation, facts.value)]
            who = of.source.astype(np.int32), of.start, of.end, of.author.astype(np.int32)
            dates = [_dates(evidence[part], codes) for part, codes in zip(_DATES, of[5:7], strict=True)]
            sure = None if which is unsure else of.confidence
            copy(connection, "evidence", [*key, *who, *dates, _LOAD, None, sure])


def _dates(column: Column, codes: Ints) -> pyarrow.Array:
    """The dates of codes, empty for none."""
    texts = column.texts.cast(pyarrow.large_string())
    return pc.fill_null(texts.take(pyarrow.array(codes - 1, mask=codes == 0)), "")


def _numbers(texts: pyarrow.Array) -> npt.NDArray[np.int32]:
    return np.arange(1, len(texts) + 1, dtype=np.int32)
