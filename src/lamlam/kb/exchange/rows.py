"""Rows of facts on their way in: their columns, in batches of Arrow, and which of them cannot be facts and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from lamlam.errors import LamlamError
from lamlam.kb.encoding import NO_DATE, odd
from lamlam.kb.exchange.columns import COLUMNS, schema
from lamlam.kb.fact import Fact
from lamlam.kb.names import unusable

ROWS = 200_000
"""Rows of a part, which an import into a base that has facts writes as one transaction."""
_CHARACTERS = 100_000_000  # of a part, where names are long

Row = tuple[Any, ...]
"""The cells of COLUMNS in their order, or the first three only."""
Place = tuple[int, int]
"""Where in a file: (byte offset or 0, number of the line or row), after which reading can go on."""
START: Place = (0, 0)


class Part(NamedTuple):
    """Some rows of a file that can be facts, and the place where it goes on after them."""

    batch: pyarrow.RecordBatch
    after: Place


@dataclass
class Skipped:
    """The rows or lines of a file that were left out: how many for each reason, and where the first of them is."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count what is left out."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.first.setdefault(reason, where)

    @property
    def total(self) -> int:
        """How many were left out in all."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """A line for each reason, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [f"{count:,} left out: {reason} (first: {self.first[reason]})" for reason, count in ordered]


def in_parts(rows: Iterable[tuple[Place, Row]], skipped: Skipped, unit: str) -> Iterator[Part]:
    """Rows, each with the place after it, in parts; `unit` says what the number of a place counts."""
    places: list[Place] = []
    cells: list[Row] = []
    characters = 0
    for place, row in rows:
        places.append(place)
        cells.append(row)
        characters += len(row[0]) + len(row[2])
        if len(cells) == ROWS or characters > _CHARACTERS:
            yield _part(cells, places, skipped, unit)
            places, cells, characters = [], [], 0
    if cells:
        yield _part(cells, places, skipped, unit)


def _part(cells: list[Row], places: list[Place], skipped: Skipped, unit: str) -> Part:
    def where(row: int) -> str:
        return f"{unit} {places[row][1]:,}"

    after = places[-1]
    try:
        batch = _batch(cells)
    except UnicodeEncodeError:
        whole = [row for row, cell in enumerate(cells) if not _has_surrogate(cell)]
        lost = sorted(set(range(len(cells))) - set(whole))
        skipped.add("bytes that are not UTF-8, or half a character", where(lost[0]), len(lost))
        places = [places[row] for row in whole]
        batch = _batch([cells[row] for row in whole])
    return Part(usable(batch, skipped, where), after)


def _batch(cells: list[Row]) -> pyarrow.RecordBatch:
    if not cells:
        return pyarrow.RecordBatch.from_pylist([], schema(3))
    types = schema(len(cells[0]))
    arrays = [pyarrow.array(column, kind.type) for column, kind in zip(zip(*cells, strict=True), types, strict=True)]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=types)


def _has_surrogate(cells: Row) -> bool:
    return any(isinstance(cell, str) and not cell.isascii() and unusable(f"x{cell}") for cell in cells)


def usable(batch: pyarrow.RecordBatch, skipped: Skipped, where: Callable[[int], str]) -> pyarrow.RecordBatch:
    """The rows that can be facts, columns of text as dictionaries; the others are counted, and `where` tells places."""
    kept = np.ones(batch.num_rows, bool)

    def leave_out(wrong: npt.NDArray[np.bool_], reason: str) -> None:
        rows = np.flatnonzero(wrong & kept)
        if len(rows):
            skipped.add(reason, where(int(rows[0])), len(rows))
            kept[rows] = False

    columns: dict[str, Any] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        if name in ("start", "end", "rank", "confidence"):
            columns[name] = column
            continue
        columns[name] = column = column.dictionary_encode()
        codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)
        if name in COLUMNS[:3]:
            leave_out(codes < 0, f"no {name}")
        wrong: dict[str, list[int]] = {}
        for code in np.flatnonzero(odd(column.dictionary, name).to_numpy(zero_copy_only=False)).tolist():
            if reason := NO_DATE if name.startswith("valid") else unusable(column.dictionary[code].as_py()):
                wrong.setdefault(reason, []).append(code)
        for reason, of in wrong.items():
            leave_out(np.isin(codes, of), f"{name}: {reason}")
    numbers = {
        name: pc.fill_null(columns[name], none).to_numpy(zero_copy_only=False)
        for name, none in (("start", -1), ("end", -1), ("rank", 0), ("confidence", 0.0))
        if name in columns
    }
    if "start" in numbers and "end" in numbers:
        start, end = numbers["start"], numbers["end"]
        leave_out((start < -1) | ((end < start) & (end >= 0)), "a span that does not have 0 <= start <= end")
    if "confidence" in numbers:
        sure = numbers["confidence"]
        leave_out((sure < 0) | (sure > 1), "a confidence that is not between 0 and 1")
    if "rank" in numbers:
        leave_out(np.abs(numbers["rank"]) >= 2**31, "a rank that is out of range")
    if not kept.all():  # from the text again: what is left out is not to be in the dictionaries either
        good = batch.filter(pyarrow.array(kept))
        for name, column in columns.items():
            text = pyarrow.types.is_dictionary(column.type)
            columns[name] = good.column(name).dictionary_encode() if text else good.column(name)
    return pyarrow.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def facts_of(batch: pyarrow.RecordBatch) -> Iterator[Fact]:
    """The rows of a batch as facts."""
    there = [batch.column(name).to_pylist() if name in batch.schema.names else None for name in COLUMNS]
    columns = [[None] * batch.num_rows if column is None else column for column in there]
    for entity, relation, value, source, start, end, author, confidence, rank, *valid in zip(*columns, strict=True):
        span = None if start is None or end is None else (start, end)
        sure = None if confidence is None or confidence != confidence else confidence
        yield Fact(entity, relation, value, source, span, author, sure, rank or 0, *valid)


def nothing_read(path: object, skipped: Skipped) -> LamlamError:
    """What to raise where not one row of a file could be read."""
    return LamlamError(f"{path}: not one fact could be read; {'; '.join(skipped.lines())}")
