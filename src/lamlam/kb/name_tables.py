"""The index for the names that came last, in tables of the file: written with the facts, in the same transaction.

A word is filed under itself and under what is left when any one character is left out, so that words one edit apart
share a key. It is small: `lamlam.kb.name_index` moves what is in it to flat arrays from time to time.
"""

from __future__ import annotations

import json
import sqlite3
from zlib import crc32

from lamlam.kb.names import LONGEST_FUZZY, deletions, normalise
from lamlam.kb.store import Named

LONGEST_WORD = 40
MOST_POSTINGS = 3000
"""Words that more entities share are too common to search by, unless together with another."""
MOST_CANDIDATES = 60


class NameTables:
    """The tables words, word_spellings and postings of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def insert(self, entity: int, name: str) -> None:
        """File an entity under the words of its normalised name, or of a normalised alias."""
        for word in indexed_words(name):
            row = self._connection.execute("SELECT id FROM words WHERE word = ?", (word,)).fetchone()
            word_id: int = row[0] if row else self._insert_word(word)
            added = self._connection.execute("INSERT OR IGNORE INTO postings VALUES (?, ?)", (word_id, entity))
            if added.rowcount:
                self._connection.execute("UPDATE words SET entities = entities + 1 WHERE id = ?", (word_id,))

    def remove(self, entity: int, names: list[str]) -> None:
        """Take an entity out; `names` are its normalised name and aliases."""
        execute = self._connection.execute
        for word in {word for name in names for word in indexed_words(name)}:
            row = execute("SELECT id, entities FROM words WHERE word = ?", (word,)).fetchone()
            if (
                row is None
                or not execute("DELETE FROM postings WHERE word = ? AND entity = ?", (row[0], entity)).rowcount
            ):
                continue
            if row[1] > 1:
                execute("UPDATE words SET entities = entities - 1 WHERE id = ?", (row[0],))
            else:
                execute("DELETE FROM words WHERE id = ?", (row[0],))
                self._connection.executemany(
                    "DELETE FROM word_spellings WHERE key = ? AND word = ?", [(key, row[0]) for key in _keys(word)]
                )

    def clear(self) -> None:
        """Take everything out."""
        for table in ("postings", "word_spellings", "words"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608

    def any(self) -> bool:
        """Whether anything is in."""
        return self._connection.execute("SELECT 1 FROM postings LIMIT 1").fetchone() is not None

    def near(self, normalised: str) -> list[Named]:
        """The entities that share the rarest words of a name, spelling aside, those that share the most first."""
        words = list(dict.fromkeys(indexed_words(normalised)))
        by_word = [ids for ids in (self._alike(word) for word in words if len(word) > 1 or len(words) == 1) if ids]
        by_word.sort(key=lambda ids: sum(ids.values()))
        chosen: list[int] = []
        postings = 0
        for ids in by_word:
            postings += sum(ids.values())
            if postings > MOST_POSTINGS:
                break
            chosen += ids
        if chosen:
            rows = self._connection.execute(
                "SELECT entity, name FROM postings JOIN entities ON id = entity"
                " WHERE word IN (SELECT value FROM json_each(?))"
                " GROUP BY entity ORDER BY count(*) DESC, entity LIMIT ?",
                (json.dumps(chosen), MOST_CANDIDATES),
            )
        elif len(by_word) > 1:
            rows = self._connection.execute(
                "SELECT id, name FROM entities WHERE id IN"
                " (SELECT entity FROM postings WHERE word IN (SELECT value FROM json_each(?))"
                " INTERSECT SELECT entity FROM postings WHERE word IN (SELECT value FROM json_each(?)) LIMIT ?)"
                " ORDER BY id",
                (json.dumps(list(by_word[0])), json.dumps(list(by_word[1])), MOST_CANDIDATES),
            )
        else:
            return []
        return [Named(*row) for row in rows]

    def frequency(self, word: str) -> int:
        """How many entities have a word in a name or an alias."""
        row = self._connection.execute("SELECT entities FROM words WHERE word = ?", (word,)).fetchone()
        return row[0] if row else 0

    def _insert_word(self, word: str) -> int:
        word_id = self._connection.execute("INSERT INTO words (word, entities) VALUES (?, 0)", (word,)).lastrowid
        assert word_id is not None  # noqa: S101 - sqlite3 gives one for every INSERT
        rows = [(key, word_id) for key in _keys(word)]
        self._connection.executemany("INSERT INTO word_spellings VALUES (?, ?)", rows)
        return word_id

    def _alike(self, word: str) -> dict[int, int]:
        """Words within an edit of `word`, by id, with the number of entities that have them."""
        rows = self._connection.execute(
            "SELECT DISTINCT w.id, w.entities FROM word_spellings s JOIN words w ON w.id = s.word"
            " WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(_keys(word))),),
        )
        return dict(rows.fetchall())


def indexed_words(name: str) -> list[str]:
    """The words under which a name, normalised or not, is filed; none for a name too long to be misspelt.

    One more is the name without its gaps, so that "F.C." finds "FC".
    """
    if len(name) > LONGEST_FUZZY:
        return []
    words = normalise(name).split()
    closed = ["".join(words)] if len(words) > 1 else []
    return [word[:LONGEST_WORD] for word in words + closed]


def _keys(word: str) -> set[int]:
    # A short word has no typos that could not make another word of it.
    return {crc32(key.encode()) for key in (deletions(word, 1) if len(word) > 3 else {word})}
