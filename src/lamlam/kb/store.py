"""What a knowledge base needs from the store beneath it; `lamlam.kb.sqlite.SqliteStore` is the embedded one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from lamlam.kb.fact import Added, Change, Fact, Forgotten


class Named(NamedTuple):
    """A row of a dictionary: an entity or a relation."""

    id: int
    name: str


class Selection(NamedTuple):
    """What `forget` is about: some entities whole, or the facts of some of their relations, or those of one value.

    `value` is normalised. `spelled` holds the normalised names and aliases of the entities.
    """

    entities: tuple[Named, ...]
    spelled: frozenset[str]
    relations: tuple[Named, ...] | None = None
    value: str | None = None


class Store(Protocol):
    """Facts with their dictionaries, indexes, history and tombstones. All methods may be called from any thread."""

    # Reading
    def exact(self, entity: str, relation: str, limit: int) -> list[Fact]:
        """The facts of exactly these two names, in declared order."""

    def facts(self, entity: int | None = None, relation: int | None = None, limit: int = -1) -> Iterator[Fact]:
        """All facts, those of an entity, or those of one of its relations, in declared order."""

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""

    def entities_aliased(self, normalised: str) -> list[Named]:
        """The entities with an alias of this normalised form."""

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share words with a name, misspelt ones included."""

    def is_word(self, word: str) -> bool:
        """Whether a word occurs in the names of entities."""

    def aliases_of(self, entity: int) -> list[str]:
        """The aliases of an entity, in order."""

    def relations_of(self, entity: int, past: bool = False) -> list[Named]:
        """The relations that an entity has facts for, or with `past` ever had."""

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, oldest first."""

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query for a normalised key may mean one that was forgotten, and not the one that was found."""

    def stats(self) -> dict[str, int]:
        """How many there are of everything."""

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations with the most facts."""

    def check(self) -> list[str]:
        """What is wrong with the stored data; empty where nothing is."""

    def __len__(self) -> int: ...

    # Writing
    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Put facts in."""

    def set(self, fact: Fact, author: str | None, reason: str | None, force: bool) -> bool:
        """Make a fact the only one of its key; False where it already was."""

    def add_alias(self, alias: str, entity: Named, author: str | None, reason: str | None, force: bool) -> bool:
        """Give an entity another name; False where it has it."""

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Remove facts and every trace of them."""

    def close(self) -> None:
        """Let go of the file."""
