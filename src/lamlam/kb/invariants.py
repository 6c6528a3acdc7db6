"""What must hold in every base, for `lamlam kb check`.

What concerns every fact is counted in one pass over the table, in arrays: a subquery a fact takes a quarter of an hour
at the size of the paper's base.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt

from lamlam.kb.names import normalise

_Ints = npt.NDArray[np.int64]
_ROWS = 500_000

# What the evidence for a fact says has to be what the fact says; where neither says anything there is nothing to ask.
_PRESENT = (
    "SELECT entity, relation, value, count(*) AS n FROM evidence WHERE ended IS NULL GROUP BY entity, relation, value"
)
_RULES = {
    "former facts that end before they begin": "SELECT count(*) FROM past WHERE ended <= made",
    "former facts without the transactions that made and ended them": (
        "SELECT count(*) FROM past WHERE made NOT IN (SELECT id FROM transactions)"
        " OR ended NOT IN (SELECT id FROM transactions)"
    ),
    "sources counted wrongly": (
        "SELECT count(*) FROM sources s LEFT JOIN (SELECT source, count(*) AS n FROM evidence GROUP BY source) v"
        " ON v.source = s.id WHERE uses <> coalesce(v.n, 0)"
    ),
    "authors counted wrongly": (
        "SELECT count(*) FROM authors a LEFT JOIN (SELECT author, count(*) AS n FROM evidence GROUP BY author) v"
        " ON v.author = a.id WHERE uses <> coalesce(v.n, 0)"
    ),
    "facts whose support is not their number of sources": (
        f"SELECT (SELECT count(*) FROM ({_PRESENT}) v JOIN facts f ON f.entity = v.entity"  # noqa: S608
        "  AND f.relation = v.relation AND f.value = v.value WHERE support <> bare + n)"
        " + (SELECT count(*) FROM facts f WHERE support <> bare AND NOT EXISTS (SELECT 1 FROM evidence v"
        "  WHERE v.entity = f.entity AND v.relation = f.relation AND v.value = f.value AND ended IS NULL))"
    ),
    "evidence without its fact": (
        "SELECT count(*) FROM evidence v WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE"
        " f.entity = v.entity AND f.relation = v.relation AND f.value = v.value)"
        " AND NOT EXISTS (SELECT 1 FROM past p WHERE"
        " p.entity = v.entity AND p.relation = v.relation AND p.value = v.value)"
    ),
    "aliases of no entity": "SELECT count(*) FROM aliases WHERE entity NOT IN (SELECT id FROM entities)",
    "synonyms of no relation": "SELECT count(*) FROM synonyms WHERE relation NOT IN (SELECT id FROM relations)",
    "words filed for no entity": "SELECT count(*) FROM postings WHERE entity NOT IN (SELECT id FROM entities)",
    "words counted wrongly": (
        "SELECT count(*) FROM words w WHERE entities <> (SELECT count(*) FROM postings p WHERE p.word = w.id)"
    ),
}


def problems(connection: sqlite3.Connection) -> list[str]:
    """One line for each rule that is broken, with how often; SQLite's own findings first."""
    found: list[str] = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if found:  # counting in a damaged file says nothing more
        return found
    counts = _in_facts(connection)
    for what, query in _RULES.items():
        counts[what] = connection.execute(query).fetchone()[0]
    found = [f"{count} {what}" for what, count in counts.items() if count]
    if stale := _filed_wrongly(connection):
        found.append(f"{stale} names filed under another normal form than this version's; build the base again")
    if connection.execute("SELECT 1 FROM meta WHERE key = 'purge'").fetchone():
        found.append("forgotten bytes are still in the file; they go when it is next opened for writing by nobody else")
    return found


class _Numbers:
    """The numbers of a dictionary's rows, and how often facts point at each."""

    def __init__(self, numbers: _Ints) -> None:
        self._sorted = np.sort(numbers)
        self._gapless = len(numbers) > 0 and self._sorted[-1] - self._sorted[0] == len(numbers) - 1
        self.uses = np.zeros(len(numbers), np.int64)

    def count(self, pointed_at: _Ints) -> int:
        """Count what is pointed at; how much of it is not there."""
        places = self._places(pointed_at)
        there = (places >= 0) & (places < len(self._sorted))
        if not self._gapless:
            there[there] = self._sorted[places[there]] == pointed_at[there]
        np.add.at(self.uses, places[there], 1)
        return len(there) - int(there.sum())

    def differing(self, numbers: _Ints, counts: _Ints) -> int:
        """How many of the rows with these numbers are pointed at another number of times."""
        return int((self.uses[self._places(numbers)] != counts).sum())

    def _places(self, numbers: _Ints) -> _Ints:
        """Where the numbers are in order, or would be."""
        return numbers - self._sorted[0] if self._gapless else np.searchsorted(self._sorted, numbers)


def _in_facts(connection: sqlite3.Connection) -> Counter[str]:
    """What is wrong with what facts, and former facts, point at."""
    found: Counter[str] = Counter()
    entities = _Numbers(_columns(connection, "SELECT id FROM entities")[0])
    values, uses = _columns(connection, "SELECT id, uses FROM texts")
    relations, now, past = _columns(connection, "SELECT id, facts, past FROM relations")
    texts, transactions = _Numbers(values), _Numbers(_columns(connection, "SELECT id FROM transactions")[0])
    for table, counted in (("facts", now), ("past", past)):
        of = _Numbers(relations)
        kind = "facts" if table == "facts" else "former facts"
        for entity, relation, value, made in _chunks(connection, f"SELECT entity, relation, value, made FROM {table}"):  # noqa: S608
            found[f"{kind} whose entity is missing"] += entities.count(entity)
            found[f"{kind} whose relation is missing"] += of.count(relation)
            found[f"{kind} whose value is missing"] += texts.count(value)
            if table == "facts":
                found["facts without the transaction that made them"] += transactions.count(made)
        found["relations counted wrongly"] += of.differing(relations, counted)
    found["values counted wrongly"] = texts.differing(values, uses)
    found["entities without a fact, present or past"] = int((entities.uses == 0).sum())
    return found


def _filed_wrongly(connection: sqlite3.Connection) -> int:
    """Entities and relations that are not filed under their normalised names, and rows that file no entity."""
    import pyarrow

    from lamlam.kb.filing import closed_hashes

    hashes, filed = _columns(connection, "SELECT hash, entity FROM normalised ORDER BY entity, hash")
    entities, expected = [], []
    cursor = connection.execute("SELECT id, name FROM entities")
    while rows := cursor.fetchmany(_ROWS):
        entities.append(np.array([row[0] for row in rows], np.int64))
        expected.append(closed_hashes(pyarrow.array([row[1] for row in rows], pyarrow.string())))
    wanted = np.stack([np.concatenate([np.zeros(0, np.int64), *part]) for part in (entities, expected)], axis=1)
    there = np.stack([filed, hashes], axis=1)
    same = len(there) == len(wanted) and bool((there == wanted).all())
    wrong = 0 if same else len({*map(tuple, there.tolist())} ^ {*map(tuple, wanted.tolist())})
    for name, normalised in connection.execute("SELECT name, normalised FROM relations"):
        wrong += normalise(name) != normalised
    return wrong


def _columns(connection: sqlite3.Connection, query: str) -> list[_Ints]:
    """The columns of a query for numbers."""
    chunks = list(_chunks(connection, query))
    width = len(connection.execute(f"{query} LIMIT 0").description)
    return [np.concatenate([np.zeros(0, np.int64), *(chunk[place] for chunk in chunks)]) for place in range(width)]


def _chunks(connection: sqlite3.Connection, query: str) -> Iterator[_Ints]:
    """The same, some rows at a time."""
    cursor = connection.execute(query)
    width = len(cursor.description)
    while rows := cursor.fetchmany(_ROWS):
        yield np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * width).reshape(-1, width).T
