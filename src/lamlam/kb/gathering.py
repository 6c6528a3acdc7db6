"""Rows of facts as different facts: which rows are the same, their rank and support, and the evidence for each.

It is what `lamlam.kb.writing` does one by one, for all rows of a load or of a part of an import at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamlam.errors import LamlamError
from lamlam.kb.encoding import Column

Ints = npt.NDArray[np.int64]


class Said(NamedTuple):
    """Evidence without repetitions: row by row the fact it is for, from 0, and who says it where and for which time.

    `source`, `author`, `valid_from` and `valid_to` are codes of their `Column`s, 0 for none; start and end are -1 and
    confidence is NaN for none.
    """

    fact: Ints
    source: Ints
    start: Ints
    end: Ints
    author: Ints
    valid_from: Ints
    valid_to: Ints
    confidence: npt.NDArray[np.float64]


class Gathered(NamedTuple):
    """Different facts; entity, relation and value are the numbers of their strings in their `Column`, from 1."""

    entity: Ints
    relation: Ints
    value: Ints
    rank: Ints
    support: Ints
    bare: Ints


def gather(columns: dict[str, Column], evidence: dict[str, Any] | None) -> tuple[Gathered, Said | None]:
    """The facts of encoded rows (see `lamlam.kb.encoding`), and the evidence for them where there is any.

    The codes of entity, relation and value are let go of, as they are large.
    """
    keys = _Keys(columns)
    return (_plain(keys), None) if evidence is None else _with_evidence(keys, evidence)


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

    def split(self, keys: Ints) -> tuple[Ints, Ints, Ints]:
        """The numbers of entity, relation and value, which start at 1."""
        value = (keys & ((1 << self._value_bits) - 1)) + 1
        relation = ((keys >> self._value_bits) & ((1 << self._relation_bits) - 1)) + 1
        return (keys >> (self._value_bits + self._relation_bits)) + 1, relation, value


def _plain(keys: _Keys) -> Gathered:
    """Rows that say nothing but the facts."""
    rows = keys.rows
    rows.sort()
    new = np.empty(len(rows), bool)
    new[:1] = True
    np.not_equal(rows[1:], rows[:-1], out=new[1:])
    unique = rows[new]
    del rows, new
    keys.rows = unique[:0]
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    shape = unique.shape
    same = (np.broadcast_to(zero, shape), np.broadcast_to(one, shape), np.broadcast_to(one, shape))
    return Gathered(*keys.split(unique), *same)


def _with_evidence(keys: _Keys, evidence: dict[str, Any]) -> tuple[Gathered, Said]:
    """Rows of which some have a rank, a source or anything else."""
    unique, fact = np.unique(keys.rows, return_inverse=True)
    rank = np.full(len(unique), 2**31, np.int64)
    np.minimum.at(rank, fact, evidence["rank"])
    bare = np.zeros(len(unique), np.int64)
    bare[fact[evidence["bare"]]] = 1
    rows = np.flatnonzero(~evidence["bare"])
    parts = ("source", "start", "end", "author", "valid_from", "valid_to")
    coded = [evidence[part] if part in ("start", "end") else evidence[part].codes for part in parts]
    confidence = evidence["confidence"]
    # Of equal evidence the one with the highest confidence comes first, and only that one stays.
    by = [-np.where(np.isnan(confidence), -1, confidence)[rows], *(code[rows] for code in reversed(coded)), fact[rows]]
    rows = rows[np.lexsort(by)]
    table = np.stack([fact[rows], *(code[rows] for code in coded)], axis=1)
    if len(rows):
        rows = rows[np.concatenate(([True], (table[1:] != table[:-1]).any(axis=1)))]
    support = bare + np.bincount(fact[rows], minlength=len(unique))
    source, start, end, author, valid_from, valid_to = (code[rows] for code in coded)
    said = Said(fact[rows], source, start, end, author, valid_from, valid_to, confidence[rows])
    return Gathered(*keys.split(unique), rank, support, bare), said
