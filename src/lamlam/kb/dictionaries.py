"""The dictionaries of a base: every string once, with a number, and how often it is pointed at."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from lamlam.kb.name_index import NameIndex
from lamlam.kb.names import normalise
from lamlam.kb.reading import closed_hash

_IDS_KEPT = 500_000
_SELECT = {
    "entities": "SELECT id FROM entities WHERE name = ?",
    "relations": "SELECT id FROM relations WHERE name = ?",
    "texts": "SELECT id FROM texts WHERE text = ?",
    "sources": "SELECT id FROM sources WHERE name = ?",
    "authors": "SELECT id FROM authors WHERE name = ?",
}
# Readers of a file keep the numbers of relations, so the number of one that was dropped is not given out again.
NEW_RELATION = """
    INSERT INTO relations SELECT 1 + max(
        coalesce((SELECT max(id) FROM relations), 0),
        coalesce((SELECT value FROM meta WHERE key = 'last_relation'), 0)), ?, ?, 0, 0"""
KEEP_LAST_RELATION = """
    INSERT OR REPLACE INTO meta SELECT 'last_relation', max(id) FROM (
        SELECT id FROM relations UNION ALL SELECT value FROM meta WHERE key = 'last_relation')"""
_INSERT = {
    "entities": "INSERT INTO entities (name) VALUES (?)",
    "relations": NEW_RELATION,
    "texts": "INSERT INTO texts (text, uses) VALUES (?, 0)",
    "sources": "INSERT INTO sources (name, uses) VALUES (?, 0)",
    "authors": "INSERT INTO authors (name, uses) VALUES (?, 0)",
}
_COUNT = {
    ("relations", "facts"): "UPDATE relations SET facts = facts + ?2 WHERE id = ?1",
    ("relations", "past"): "UPDATE relations SET past = past + ?2 WHERE id = ?1",
    ("texts", "uses"): "UPDATE texts SET uses = uses + ?2 WHERE id = ?1",
    ("sources", "uses"): "UPDATE sources SET uses = uses + ?2 WHERE id = ?1",
    ("authors", "uses"): "UPDATE authors SET uses = uses + ?2 WHERE id = ?1",
}


class Dictionaries:
    """The ids of strings, given out as strings come, and the counts of their uses, for the length of a transaction."""

    def __init__(self, connection: sqlite3.Connection, names: NameIndex) -> None:
        self._connection = connection
        self._names = names
        self._ids: dict[tuple[str, str], int] = {}
        self._counts: Counter[tuple[tuple[str, str], int]] = Counter()

    def entity(self, name: str) -> int:
        """The id of an entity, new ones filed by their normalised names and in the index of names."""
        found, new = self._id("entities", name)
        if new:
            normalised = normalise(name)
            self._connection.execute("INSERT INTO normalised VALUES (?, ?)", (closed_hash(normalised), found))
            self._names.insert(found, normalised)
        return found

    def relation(self, name: str) -> int:
        """The id of a relation."""
        return self._id("relations", name)[0]

    def value(self, text: str) -> int:
        """The id of a value."""
        return self._id("texts", text)[0]

    def source(self, name: str | None) -> int:
        """The id of a document, 0 for none."""
        return 0 if name is None else self._id("sources", name)[0]

    def author(self, name: str | None) -> int:
        """The id of whoever asserted something, 0 for nobody named."""
        return 0 if name is None else self._id("authors", name)[0]

    def count_fact(self, key: tuple[int, int, int], more: int) -> None:
        """A row more, or less, in facts."""
        self._count_row("facts", key, more)

    def count_facts(self, relations: Iterable[tuple[int, int]], values: Iterable[tuple[int, int]]) -> None:
        """Rows more in facts: (id, how many) for their relations and for their values."""
        for column, counts in (("relations", "facts"), relations), (("texts", "uses"), values):
            for number, count in counts:
                self._counts[column, number] += count

    def count_past(self, key: tuple[int, int, int], more: int) -> None:
        """A row more, or less, in past."""
        self._count_row("past", key, more)

    def count_evidence(self, source: int, author: int, more: int) -> None:
        """A row more, or less, in evidence."""
        if source:
            self._counts[("sources", "uses"), source] += more
        if author:
            self._counts[("authors", "uses"), author] += more

    def write_counts(self) -> None:
        """Bring the counts in the tables up to date; to be called before the transaction ends."""
        for column, statement in _COUNT.items():
            rows = sorted((row, more) for (of, row), more in self._counts.items() if of == column and more)
            self._connection.executemany(statement, rows)
        self._counts.clear()

    def drop_unused(self) -> set[int]:
        """Write the counts, and delete the strings among those counted that nothing points at any more.

        A relation's synonyms go with it; gives the transactions that gave them and took them back.
        """
        touched: set[int] = set()
        counted = sorted({(column[0], row) for (column, row), more in self._counts.items() if more <= 0})
        self.write_counts()
        if any(table == "relations" for table, _ in counted):
            self._connection.execute(KEEP_LAST_RELATION)
        for table, row in counted:
            unused = "facts = 0 AND past = 0" if table == "relations" else "uses = 0"
            gone = self._connection.execute(f"DELETE FROM {table} WHERE id = ? AND {unused}", (row,))  # noqa: S608
            if table == "relations" and gone.rowcount:
                synonyms = self._connection.execute("SELECT made, ended FROM synonyms WHERE relation = ?", (row,))
                touched.update(number for pair in synonyms.fetchall() for number in pair if number is not None)
                self._connection.execute("DELETE FROM synonyms WHERE relation = ?", (row,))
        return touched

    def _count_row(self, table: str, key: tuple[int, int, int], more: int) -> None:
        _, relation, value = key
        self._counts[("relations", table), relation] += more
        self._counts[("texts", "uses"), value] += more

    def _id(self, table: str, text: str) -> tuple[int, bool]:
        if (known := self._ids.get((table, text))) is not None:
            return known, False
        row = self._connection.execute(_SELECT[table], (text,)).fetchone()
        if row is None:
            parameters = (text, normalise(text)) if table == "relations" else (text,)
            found = self._connection.execute(_INSERT[table], parameters).lastrowid
            assert found is not None  # noqa: S101 - sqlite3 gives one for every INSERT
        else:
            found = row[0]
        if len(self._ids) >= _IDS_KEPT:
            self._ids.clear()
        self._ids[table, text] = found
        return found, row is None
