"""What was forgotten, kept as digests: enough to recognise it, not to read it.

A digest is keyed with a salt of the base's own, so that no table made elsewhere opens it. Whoever holds the file can
still ask it about a name they already suspect, as they could ask any list that refuses names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

from lamlam.kb.names import normalise, spellings

BY_ENTITY = "by entity"
"""Begins (BY_ENTITY, relation, entity), the key of `sliding` for an (entity, relation) whose entity may be misspelt."""


class Tombstones:
    """The tables tombstones and tombstone_spellings of one connection.

    A key is (entity,), (entity, relation) or (entity, relation, value), normalised. Beside the digest of each key lie
    those of its spellings, which `sliding` uses: they belong to the last part of the key that names something, and of
    (entity, relation) to the entity as well.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._salt: bytes = connection.execute("SELECT value FROM meta WHERE key = 'salt'").fetchone()[0]

    def any(self) -> bool:
        """Whether anything was ever forgotten here."""
        return self._connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone() is not None

    def digest(self, *key: str) -> bytes:
        """The digest of a normalised key."""
        return blake2b("\x1f".join(key).encode(), digest_size=16, key=self._salt).digest()

    def covering(self, entity: str, relation: str, value: str) -> list[bytes]:
        """The tombstones under which a fact falls: its own, its key's, its entity's."""
        parts = (normalise(entity), normalise(relation), normalise(value))
        digests = [self.digest(*parts[:length]) for length in (1, 2, 3)]
        return [digest for digest in digests if self.has(digest)]

    def has(self, digest: bytes) -> bool:
        """Whether a key was forgotten."""
        return self._connection.execute("SELECT 1 FROM tombstones WHERE digest = ?", (digest,)).fetchone() is not None

    def lay(self, made: int, *key: str) -> None:
        """Remember that a normalised key was forgotten."""
        self._connection.execute("INSERT OR IGNORE INTO tombstones VALUES (?, ?)", (self.digest(*key), made))

    def guard(self, *key: str) -> None:
        """Have misspelt queries for a normalised (entity,) or (entity, relation) abstain."""
        self._guard(key, key)

    def guard_by_entity(self, entity: str, relation: str) -> None:
        """Have queries for a forgotten relation abstain where they misspell the entity, who may have others."""
        self._guard((BY_ENTITY, relation, entity), (entity, relation))

    def _guard(self, spelled: tuple[str, ...], key: tuple[str, ...]) -> None:
        digest = self.digest(*key)
        rows = [(self.digest(*spelled_key), digest) for spelled_key in _spelled(spelled)]
        self._connection.executemany("INSERT OR IGNORE INTO tombstone_spellings VALUES (?, ?)", rows)

    def lift(self, digests: Iterable[bytes]) -> None:
        """Take tombstones back, because somebody insisted."""
        for digest in digests:
            self._connection.execute("DELETE FROM tombstones WHERE digest = ?", (digest,))
            self._connection.execute("DELETE FROM tombstone_spellings WHERE digest = ?", (digest,))

    def sliding(self, *key: str) -> set[bytes]:
        """The forgotten keys that a query for this normalised (entity,) or (entity, relation) may mean."""
        if self._connection.execute("SELECT 1 FROM tombstone_spellings LIMIT 1").fetchone() is None:
            return set()
        found: set[bytes] = set()
        for spelled_key in _spelled(key):
            query = "SELECT digest FROM tombstone_spellings WHERE spelling = ?"
            found |= {row[0] for row in self._connection.execute(query, (self.digest(*spelled_key),))}
        return found


def _spelled(key: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The key with each spelling of its last part; the mark keeps them apart from digests of whole keys."""
    return [("spelling", *key[:-1], spelling) for spelling in sorted(spellings(key[-1]))]
