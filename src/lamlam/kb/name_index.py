"""The index for misspelt names inside the file: entities by their words, words by their spellings.

A word is filed under itself and under what is left when any one character is left out, so that words one edit apart
share a key. Only the few entities that share rare words with a query are ever compared with it.
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
MOST_CANDIDATES = 200


class NameIndex:
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
        """Take an entity out of the index; `names` are its normalised name and aliases."""
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

    def near(self, normalised: str) -> list[Named]:
        """The entities that share the rarest words of a name, spelling aside, those that share the most first."""
        words = list(dict.fromkeys(indexed_words(normalised)))
        found = {named.id: named for named in self._closed_up(normalised)}
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
            found |= {row[0]: Named(*row) for row in rows}
        elif len(by_word) > 1:
            rows = self._connection.execute(
                "SELECT id, name FROM entities WHERE id IN"
                " (SELECT entity FROM postings WHERE word IN (SELECT value FROM json_each(?))"
                " INTERSECT SELECT entity FROM postings WHERE word IN (SELECT value FROM json_each(?)) LIMIT ?)"
                " ORDER BY id",
                (json.dumps(list(by_word[0])), json.dumps(list(by_word[1])), MOST_CANDIDATES),
            )
            found |= {row[0]: Named(*row) for row in rows}
        return list(found.values())

    def is_word(self, word: str) -> bool:
        """Whether a word occurs in a name or an alias."""
        return self._connection.execute("SELECT 1 FROM words WHERE word = ?", (word,)).fetchone() is not None

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

    def _closed_up(self, normalised: str) -> list[Named]:
        """Entities that differ from a name in nothing but the gaps between words ("F.C." and "FC")."""
        rows = self._connection.execute(
            "SELECT id, name FROM entities WHERE replace(normalised, ' ', '') = ? LIMIT 20",
            (normalised.replace(" ", ""),),
        )
        return [Named(*row) for row in rows]


def indexed_words(name: str) -> list[str]:
    """The words under which a name, normalised or not, is filed; none for a name too long to be misspelt."""
    if len(name) > LONGEST_FUZZY:
        return []
    return [word[:LONGEST_WORD] for word in normalise(name).split()]


def _keys(word: str) -> set[int]:
    # A short word has no typos that could not make another word of it.
    return {crc32(key.encode()) for key in (deletions(word, 1) if len(word) > 3 else {word})}
