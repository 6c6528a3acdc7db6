"""The index for misspelt names in PostgreSQL: every name and alias with its trigrams, where `pg_trgm` is installed.

Without that extension names are found exactly, normalised and by alias, and misspelt ones not at all.
"""

from __future__ import annotations

from lamlam.kb.names import LONGEST_FUZZY
from lamlam.kb.postgres_session import Session
from lamlam.kb.reading import closed_hash
from lamlam.kb.store import Named

MOST_CANDIDATES = 200

_NEAR = """
    SELECT e.id, e.name FROM spoken s JOIN entities e ON e.id = s.entity WHERE s.padded % ?1
    GROUP BY e.id, e.name ORDER BY max(similarity(s.padded, ?1)) DESC, e.id LIMIT ?2"""
_CLOSED_UP = """
    SELECT e.id, e.name FROM normalised n JOIN entities e ON e.id = n.entity WHERE n.hash = ? ORDER BY e.id LIMIT 20"""


class TrigramNames:
    """The table spoken: normalised names and aliases between two spaces, so that words can be asked for."""

    def __init__(self, session: Session, trigrams: bool) -> None:
        self._session, self._trigrams = session, trigrams

    def insert(self, entity: int, name: str) -> None:
        """File an entity under its normalised name, or a normalised alias; twice is once."""
        if (filed := padded(name)) is not None:
            there = "SELECT 1 FROM spoken WHERE entity = ? AND padded = ?"
            if self._session.execute(there, (entity, filed)).fetchone() is None:
                self._session.execute("INSERT INTO spoken VALUES (?, ?)", (entity, filed))

    def remove(self, entity: int, names: list[str]) -> None:
        """Take an entity out of the index; `names` are its normalised name and aliases."""
        for name in names:
            self._session.execute("DELETE FROM spoken WHERE entity = ? AND padded = ?", (entity, padded(name) or ""))
        self._session.execute("INSERT INTO unnamed SELECT max(id), ? FROM transactions", (entity,))

    def near(self, normalised: str) -> list[Named]:
        """The entities that share trigrams with a name, or differ from it in spaces only, the nearest first."""
        found = {row[0]: Named(*row) for row in self._session.execute(_CLOSED_UP, (closed_hash(normalised),))}
        if self._trigrams and (filed := padded(normalised)) is not None:
            found |= {row[0]: Named(*row) for row in self._session.execute(_NEAR, (filed, MOST_CANDIDATES))}
        return list(found.values())

    def frequency(self, word: str) -> int:
        """How many names and aliases have a word, up to a thousand."""
        if not word or not self._trigrams:
            return 0
        escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        query = "SELECT count(*) FROM (SELECT 1 FROM spoken WHERE padded LIKE ? LIMIT 1000) s"
        row = self._session.execute(query, (f"% {escaped} %",)).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Nothing: it is all on the server."""


def padded(name: str) -> str | None:
    """A normalised name as it is filed; None for one too long to be misspelt."""
    return f" {name} " if len(name) <= LONGEST_FUZZY else None
