"""Many facts into a base that has some, inside a transaction that the store has begun.

What `lamlam.kb.writing.add` does fact by fact, at ten times its speed: strings are looked up many in a statement, and
what is new goes in sorted. Only facts that are there already and may gain something are looked at one by one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
import pyarrow.compute as pc

from lamlam.kb.dictionaries import Dictionaries
from lamlam.kb.encoding import Column, encode
from lamlam.kb.fact import Added
from lamlam.kb.filing import closed_hashes
from lamlam.kb.gathering import Gathered, Ints, Said, gather
from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import normalise
from lamlam.kb.versions import Evidence, Version
from lamlam.kb.writing import gain

if TYPE_CHECKING:
    from lamlam.kb.tombstones import Tombstones

_STRINGS = 20_000  # looked up in one statement
_FACTS = 128
_COLUMN = {"entities": "name", "texts": "text", "sources": "name", "authors": "name"}
_FIND = {
    table: f"SELECT j.key, t.id FROM json_each(?) j CROSS JOIN {table} t ON t.{column} = j.value"  # noqa: S608
    for table, column in _COLUMN.items()
}
_THERE = f"""
    WITH asked (number, entity, relation, value) AS (VALUES {", ".join(["(?, ?, ?, ?)"] * _FACTS)})
    SELECT a.number, f.rank, f.support, f.bare, f.made FROM asked a CROSS JOIN facts f
    WHERE f.entity = a.entity AND f.relation = a.relation AND f.value = a.value"""  # noqa: S608


def add_batch(
    connection: sqlite3.Connection,
    names: NameIndex,
    tombstones: Tombstones,
    batch: pyarrow.RecordBatch,
    made: int,
    force: bool,
) -> Added:
    """Put the rows of a batch in; those already there gain evidence, forgotten ones are refused unless forced."""
    columns, evidence = encode([batch])
    refused = _refuse(tombstones, columns, evidence, force) if tombstones.any() else 0
    facts, said = gather(columns, evidence)
    dictionaries = Dictionaries(connection, names)
    facts = _numbered(connection, names, dictionaries, columns, facts)
    if evidence is not None and said is not None:
        said = _said_numbered(connection, evidence, said)
    there = _there(connection, facts)
    more = _insert(connection, dictionaries, facts, evidence, said, there, made)
    for number, old in there.items():
        entity, relation, value, rank, _, bare = (int(array[number]) for array in facts)
        if number in more or rank < old.rank or bare > old.bare:
            key = entity, relation, value
            gain(connection, dictionaries, key, old, rank, bool(bare), more.get(number, ()), made)
    dictionaries.write_counts()
    added = len(facts.entity) - len(there)
    return Added(added, batch.num_rows - refused - added, refused)


def _refuse(tombstones: Tombstones, columns: dict[str, Column], evidence: dict[str, Any] | None, force: bool) -> int:
    """Leave out the rows that were forgotten, and count them; with `force`, take their tombstones back."""
    codes = [columns[what].codes for what in ("entity", "relation", "value")]
    texts = [columns[what].texts.to_pylist() for what in ("entity", "relation", "value")]
    judged: dict[tuple[int, ...], bool] = {}
    kept = np.ones(len(codes[0]), bool)
    for row, key in enumerate(zip(*(code.tolist() for code in codes), strict=True)):
        if key not in judged:
            covering = tombstones.covering(*(text[code] for text, code in zip(texts, key, strict=True)))
            if force:
                tombstones.lift(covering)
            judged[key] = force or not covering
        kept[row] = judged[key]
    for what in columns.values():
        what.codes = what.codes[kept]
    if evidence is not None:
        for name, part in evidence.items():
            if isinstance(part, Column):
                part.codes = part.codes[kept]
            else:
                evidence[name] = part[kept]
    return int(len(kept) - kept.sum())


def _numbered(
    connection: sqlite3.Connection,
    names: NameIndex,
    dictionaries: Dictionaries,
    columns: dict[str, Column],
    facts: Gathered,
) -> Gathered:
    """The facts with the base's own numbers, given out here to strings that it does not have."""
    entities, new = _numbers(connection, "entities", columns["entity"].texts, facts.entity)
    if len(new):
        names_of = columns["entity"].texts.take(new - 1)
        rows = list(zip(entities[new].tolist(), names_of.to_pylist(), strict=True))
        connection.executemany("INSERT INTO entities VALUES (?, ?)", rows)
        filed = sorted(zip(closed_hashes(names_of).tolist(), entities[new].tolist(), strict=True))
        connection.executemany("INSERT INTO normalised VALUES (?, ?)", filed)
        for number, name in rows:
            names.insert(number, normalise(name))
    relations = np.zeros(len(columns["relation"].texts) + 1, np.int64)
    for code in np.unique(facts.relation).tolist():
        relations[code] = dictionaries.relation(columns["relation"].texts[code - 1].as_py())
    texts = _inserted(connection, "texts", columns["value"].texts, facts.value)
    return Gathered(entities[facts.entity], relations[facts.relation], texts[facts.value], *facts[3:])


def _said_numbered(connection: sqlite3.Connection, evidence: dict[str, Any], said: Said) -> Said:
    sources = _inserted(connection, "sources", evidence["source"].texts, said.source)
    authors = _inserted(connection, "authors", evidence["author"].texts, said.author)
    return said._replace(source=sources[said.source], author=authors[said.author])


def _inserted(connection: sqlite3.Connection, table: str, texts: pyarrow.Array, codes: Ints) -> Ints:
    """The number of each code of a dictionary that has counts of uses, those of new strings, not yet used, included."""
    numbers, new = _numbers(connection, table, texts, codes)
    rows = zip(numbers[new].tolist(), texts.take(new - 1).to_pylist(), strict=True)
    connection.executemany(f"INSERT INTO {table} VALUES (?, ?, 0)", rows)  # noqa: S608
    return numbers


def _numbers(connection: sqlite3.Connection, table: str, texts: pyarrow.Array, codes: Ints) -> tuple[Ints, Ints]:
    """The base's number for each code that is used, and the codes whose number is new, by their strings."""
    numbers = np.zeros(len(texts) + 1, np.int64)
    used = np.unique(codes)
    used = used[used > 0]
    for start in range(0, len(used), _STRINGS):
        some = used[start : start + _STRINGS]
        asked = json.dumps(texts.take(some - 1).to_pylist(), ensure_ascii=False)
        found = np.array(connection.execute(_FIND[table], (asked,)).fetchall(), np.int64).reshape(-1, 2)
        numbers[some[found[:, 0]]] = found[:, 1]
    new = used[numbers[used] == 0]
    new = new[pc.sort_indices(texts.take(new - 1)).to_numpy()]
    last = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608
    numbers[new] = np.arange(last + 1, last + 1 + len(new))
    return numbers, new


def _there(connection: sqlite3.Connection, facts: Gathered) -> dict[int, Version]:
    """The versions of the facts that hold already, by their place among those given."""
    # Of entities that are new in this batch there are none.
    last = connection.execute("SELECT coalesce(max(entity), 0) FROM facts").fetchone()[0]
    asked = np.flatnonzero(facts.entity <= last)
    found: dict[int, Version] = {}
    for start in range(0, len(asked), _FACTS):
        some = asked[start : start + _FACTS]
        parameters = np.stack([some, *(array[some] for array in facts[:3])], axis=1).ravel().tolist()
        parameters += [None] * (4 * _FACTS - len(parameters))
        for number, *version in connection.execute(_THERE, parameters):
            found[number] = Version(*version)
    return found


def _evidence(evidence: dict[str, Any] | None, said: Said | None) -> Iterator[tuple[int, Evidence]]:
    """Each piece of evidence with the place of its fact."""
    if evidence is None or said is None:
        return
    dates = [["", *evidence[what].texts.to_pylist()] for what in ("valid_from", "valid_to")]
    for fact, source, start, end, author, since, until, sure in zip(*(part.tolist() for part in said), strict=True):
        confidence = None if sure != sure else sure  # NaN stands for none
        yield fact, Evidence(source, start, end, author, dates[0][since], dates[1][until], confidence)


def _insert(
    connection: sqlite3.Connection,
    dictionaries: Dictionaries,
    facts: Gathered,
    evidence: dict[str, Any] | None,
    said: Said | None,
    there: dict[int, Version],
    made: int,
) -> dict[int, list[Evidence]]:
    """Write the facts that are not there, in the order of their table, and their evidence; gives that of the others."""
    new = np.ones(len(facts.entity), bool)
    new[list(there)] = False
    order = np.flatnonzero(new)
    order = order[np.lexsort((facts.value[order], facts.relation[order], facts.entity[order]))]
    rows = zip(*(array[order].tolist() for array in facts), strict=True)
    connection.executemany(f"INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, {int(made)})", rows)  # noqa: S608
    dictionaries.count_facts(_counted(facts.relation[order]), _counted(facts.value[order]))
    keys = list(zip(*(array.tolist() for array in facts[:3]), strict=True)) if said is not None else []
    more: dict[int, list[Evidence]] = {}
    filed = []
    for number, one in _evidence(evidence, said):
        if number in there:
            more.setdefault(number, []).append(one)
        else:
            filed.append((*keys[number], *one[:6], made, None, one.confidence))
            dictionaries.count_evidence(one.source, one.author, 1)
    filed.sort(key=lambda row: row[:9])
    connection.executemany(f"INSERT INTO evidence VALUES ({', '.join('?' * 12)})", filed)  # noqa: S608
    return more


def _counted(numbers: Ints) -> Iterator[tuple[int, int]]:
    """Each number with how often it comes."""
    different, counts = np.unique(numbers, return_counts=True)
    return zip(different.tolist(), counts.tolist(), strict=True)
