"""Arrow batches of facts as numbers: each column's different strings once, and for each row the number of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from lamlam.errors import LamlamError
from lamlam.kb.fact import Fact
from lamlam.kb.writing import check_fact

NO_DATE = "not an ISO date such as 1815, 1815-12 or 1815-12-10"
_REQUIRED = ("entity", "relation", "value")
_NAMED = ("source", "author", "valid_from", "valid_to")
_NUMBERS = ("start", "end", "rank")


@dataclass
class Column:
    """Strings without repetitions, and for each row which of them: from 0; in optional columns from 1, 0 for none."""

    texts: pyarrow.Array
    codes: npt.NDArray[Any]

    def text(self, code: int) -> str:
        """The string of a code of an optional column, empty for none."""
        return str(self.texts[int(code) - 1].as_py()) if code else ""


def encode(batches: Iterable[pyarrow.RecordBatch]) -> tuple[dict[str, Column], dict[str, Any] | None]:
    """The columns entity, relation and value, and the others where there are any.

    The others: `Column`s for source, author and dates, numbers for start and end (-1 for none), rank (0) and confidence
    (NaN), and `bare`, true for the rows that have none of them but a rank.
    """
    chunks: dict[str, list[Any]] = {}
    names: list[str] | None = None
    for batch in batches:
        if names is None:
            names = batch.schema.names
            if missing := [name for name in _REQUIRED if name not in names]:
                raise LamlamError(f"the facts have no column {' or '.join(missing)}; name the columns so")
        for name in names:
            array = batch.column(name)
            chunks.setdefault(name, []).append(array.dictionary_encode() if name in (*_REQUIRED, *_NAMED) else array)
    if names is None:
        empty = pyarrow.array([], pyarrow.string())
        return {name: Column(empty, np.zeros(0, np.int64)) for name in _REQUIRED}, None
    columns = {name: _column(chunks.pop(name), name) for name in _REQUIRED}
    for name in _REQUIRED:
        _check(columns[name].texts, name)
    if not set(chunks) & {*_NAMED, *_NUMBERS, "confidence"}:
        return columns, None
    return columns, _others(chunks, len(columns["entity"].codes))


def _others(chunks: dict[str, list[Any]], rows: int) -> dict[str, Any]:
    others: dict[str, Any] = {}
    for name in _NAMED:
        if name in chunks:
            others[name] = _column(chunks[name], name, optional=True)
            _check(others[name].texts, name)
        else:
            others[name] = Column(pyarrow.array([], pyarrow.string()), np.zeros(rows, np.int64))
    for name in _NUMBERS:
        none = 0 if name == "rank" else -1
        others[name] = (
            pc.fill_null(pyarrow.chunked_array(chunks[name]).cast(pyarrow.int64()), none).to_numpy()
            if name in chunks
            else np.full(rows, none, np.int64)
        )
    others["confidence"] = (
        pc.fill_null(pyarrow.chunked_array(chunks["confidence"]).cast(pyarrow.float64()), float("nan")).to_numpy()
        if "confidence" in chunks
        else np.full(rows, np.nan)
    )
    half = (others["start"] < 0) | (others["end"] < 0)
    others["start"], others["end"] = (np.where(half, -1, others[name]) for name in ("start", "end"))
    _check_numbers(others)
    others["bare"] = (others["start"] < 0) & np.isnan(others["confidence"])
    for name in _NAMED:
        others["bare"] &= others[name].codes == 0
    return others


def _column(chunks: list[Any], name: str, optional: bool = False) -> Column:
    """One dictionary for all batches."""
    whole = pyarrow.chunked_array(chunks).unify_dictionaries()
    if whole.null_count and not optional:
        raise LamlamError(f"a fact without text in {name}; leave it out or give it a {name}")
    texts = whole.chunk(0).dictionary.cast(pyarrow.large_string()) if whole.num_chunks else pyarrow.array([], "string")
    codes = [
        (pc.fill_null(pc.add(chunk.indices, 1), 0) if optional else chunk.indices).to_numpy(zero_copy_only=False)
        for chunk in whole.chunks
    ]
    return Column(texts, np.concatenate(codes) if optional is False else np.concatenate(codes).astype(np.int64))


def odd(texts: pyarrow.Array, name: str) -> pyarrow.Array:
    """Which strings of a column, all different, may not be such as can be stored: few, to be judged one by one."""
    if name in ("valid_from", "valid_to"):
        return pc.invert(pc.match_substring_regex(texts, r"^-?[0-9]{4,9}(-[0-9][0-9](-[0-9][0-9])?)?$"))
    return pc.or_(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), pc.match_substring(texts, "\0"))


def _check(texts: pyarrow.Array, name: str) -> None:
    """Have every string one that can be stored."""
    for text in texts.filter(odd(texts, name)).to_pylist():
        check_fact(Fact(**{"entity": "?", "relation": "?", "value": "?", name: text}))


def _check_numbers(others: dict[str, Any]) -> None:
    confidence = others["confidence"]
    wrong = (others["end"] < others["start"]) | (confidence < 0) | (confidence > 1)
    wrong |= (others["rank"] < -(2**31)) | (others["rank"] >= 2**31)
    for row in np.flatnonzero(wrong)[:1].tolist():
        span = (int(others["start"][row]), int(others["end"][row]))
        sure = None if np.isnan(confidence[row]) else float(confidence[row])
        check_fact(
            Fact(
                "row", str(row), "?", span=None if span[0] < 0 else span, confidence=sure, rank=int(others["rank"][row])
            )
        )
