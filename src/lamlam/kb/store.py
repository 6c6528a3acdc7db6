"""What a knowledge base needs from the store beneath it; `lamlam.kb.sqlite.SqliteStore` is the embedded one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lamlam.kb.fact import Added, Change, Fact, Forgotten, OtherName, OtherNames, Snapshot

if TYPE_CHECKING:
    import pyarrow


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
    """Facts with their dictionaries, history and tombstones. All methods may be called from any thread.

    Every change is a transaction with a number that only grows. `at` is such a number: what is asked for is then what
    held when that transaction was done, and without it what holds now. What was forgotten held at no time.
    """

    # Reading
    def exact(self, entity: str, relation: str, limit: int, at: int | None = None) -> list[Fact]:
        """The facts of exactly these two names, in declared order."""

    def exact_many(self, queries: Sequence[tuple[str, str]], at: int | None = None) -> list[Fact | None]:
        """The first fact of each (entity, relation), exactly so written."""

    def facts(
        self, entity: int | None = None, relation: int | None = None, limit: int = -1, at: int | None = None
    ) -> Iterator[Fact]:
        """All facts, those of an entity, or those of one of its relations, by names and in declared order."""

    def entity(self, name: str) -> Named | None:
        """The entity of exactly this name."""

    def entities_normalised(self, normalised: str) -> list[Named]:
        """The entities whose normalised name this is."""

    def entities_aliased(self, normalised: str, at: int | None = None) -> list[Named]:
        """The entities with an alias of this normalised form."""

    def entities_near(self, normalised: str) -> list[Named]:
        """Entities that share words with a name, misspelt ones included."""

    def frequency(self, word: str) -> int:
        """How many names of entities have a word."""

    def names(self, after: int = 0) -> Iterator[Named]:
        """All entities by id, from the first one above `after`: what a derived index of names is built from."""

    def aliases_of(self, entity: int, at: int | None = None) -> list[str]:
        """The aliases of an entity, in order."""

    def relations_named(self, name: str) -> list[Named]:
        """The relation of exactly this name, or else those of the same normalised name, the most frequent first."""

    def relations_called(self, normalised: str, at: int | None = None) -> list[Named]:
        """The relations with a synonym of this normalised form."""

    def synonyms_of(self, relation: int, at: int | None = None) -> list[str]:
        """The synonyms of a relation in this base, in order."""

    def other_names(self, kind: OtherNames, past: bool = False, at: int | None = None) -> list[OtherName]:
        """All aliases or synonyms with their provenance, or with `past` those too that were taken back."""

    def relations_of(self, entity: int, past: bool = False, at: int | None = None) -> list[Named]:
        """The relations that an entity has facts for, or with `past` ever had."""

    def history(self, entity: int, relation: int | None) -> list[Change]:
        """All changes to an entity's facts, oldest first."""

    def diff(self, since: int, until: int) -> list[Change]:
        """What differs between two transactions: one change, with the last transaction that made it, a value."""

    def transaction_at(self, time: datetime | None = None) -> int:
        """The last transaction that was done at `time`, or now; 0 where there was none."""

    def snapshots(self) -> list[Snapshot]:
        """The named moments, oldest first."""

    def slides(self, query: tuple[str, ...], found: tuple[str, ...]) -> bool:
        """Whether a query for a normalised key may mean one that was forgotten, and not the one that was found."""

    def stats(self) -> dict[str, int]:
        """How many there are of everything."""

    def top_relations(self, limit: int) -> list[tuple[str, int]]:
        """The relations with the most facts."""

    def check(self) -> list[str]:
        """What is wrong with the stored data; empty where nothing is."""

    def __len__(self) -> int: ...

    # Writing. Each call is one transaction, and on the disk when it returns.
    def load(self, batches: Iterable[pyarrow.RecordBatch], author: str | None, reason: str | None) -> Added:
        """Put the rows of Arrow batches with the columns of `lamlam.kb.exchange` into a base that is still empty."""

    def add(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> Added:
        """Put facts in."""

    def add_batch(self, batch: pyarrow.RecordBatch, author: str | None, reason: str | None, force: bool) -> Added:
        """Put the rows of an Arrow batch with the columns of `lamlam.kb.exchange` in, as `add` does."""

    def set(self, facts: Iterable[Fact], author: str | None, reason: str | None, force: bool) -> int:
        """Make each fact the only one of its key; how many were not yet."""

    def give_names(
        self, kind: OtherNames, given: Iterable[tuple[str, Named]], author: str | None, reason: str | None, force: bool
    ) -> int:
        """Give entities or relations other names; how many they did not have."""

    def take_name_back(self, kind: OtherNames, name: str, of: Named, author: str | None, reason: str | None) -> bool:
        """Have another name hold no longer; False where it does not."""

    def index_names(self) -> None:
        """Make the index of names, which the first misspelt lookup would make, where one is due."""

    def forget(self, what: Selection, author: str | None, reason: str | None, dry_run: bool) -> Forgotten:
        """Remove facts and every trace of them."""

    def rollback(self, to: int, author: str | None, reason: str | None) -> int:
        """Make what held at a transaction hold again, by a new one; how many facts were put in, taken or changed."""

    def snapshot(self, name: str) -> Snapshot:
        """Give this moment a name; raises `LamlamError` where the name is taken."""

    def backup(self, path: Path) -> None:
        """Write a copy of the base to a file, while it is in use."""

    @property
    def file(self) -> Path | None:
        """The file of the base, beside which derived files lie; None for a base on a server."""

    def tables(self) -> AbstractContextManager[sqlite3.Connection]:
        """What derived indexes read the tables through, in statements that both stores take; for a short time."""

    def close(self) -> None:
        """Let go of the file."""
